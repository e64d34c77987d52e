package process

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// memo is what a router tells the next one of a launch, by way of the keeper's memory. It holds the launch's secret and
// is never logged or written to a file.
type memo struct {
	Tenant     workspace.Name       `json:"tenant"`
	Name       workspace.Name       `json:"name"`
	Generation workspace.Generation `json:"generation"`
	WorkerName string               `json:"worker_name"`

	Preload *preloadMemo `json:"preload,omitempty"` // of a preloader, which has nothing else

	Kind    string        `json:"kind"`
	Digest  string        `json:"digest"` // of what of the kind shapes the process
	Grace   time.Duration `json:"grace"`  // that the keeper was told
	Program string        `json:"program"`
	Ports   portSet       `json:"ports,omitempty"`
	Secret  string        `json:"secret"`

	Began   time.Time `json:"began"`             // when the pool decided for the start
	Ready   time.Time `json:"ready,omitzero"`    // when it was proven; zero before
	LastEnd time.Time `json:"last_end,omitzero"` // when its last active request ended, as far as known
}

// preloadMemo is what a router tells the next one of a preloader.
type preloadMemo struct {
	Key         string `json:"key"`         // of its class
	Fingerprint string `json:"fingerprint"` // of the installation when it began
}

// digest is of all of a kind that shapes a launch's process and its place. What else there is of it may change while
// the process runs.
func digest(k *kind.Kind) string {
	type process struct {
		Name, Program, Dir string
		Args, Allow        []string
		Set, Default       map[string]string
	}
	shape := struct {
		Processes   []process
		Endpoints   map[string]kind.Endpoint
		Places      map[string]kind.Place
		Directories []string
		Files       []kind.File
		Identity    []kind.Check
		Inject      map[string]string
		Isolation   kind.Isolation
	}{
		Endpoints: k.Endpoints, Places: k.Places, Directories: k.Directories, Files: k.Files, Identity: k.Identity, Inject: k.Inject, Isolation: k.Isolation,
	}
	for _, p := range k.Processes {
		set := maps.Clone(p.Given) // no name of it is in Set
		if set == nil {
			set = p.Set
		} else {
			maps.Copy(set, p.Set)
		}
		shape.Processes = append(shape.Processes, process{p.Name, p.Program, p.Dir, p.Args, p.Allow, set, p.Default})
	}
	text, err := json.Marshal(shape)
	if err != nil {
		return "" // cannot be: it is all strings and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// newMemo begins the memo of a launch.
func newMemo(v values, k *kind.Kind) memo {
	ref, began := v.spec.Ref, v.spec.StartedAt
	if began.IsZero() {
		began = time.Now()
	}
	return memo{
		Tenant: ref.Tenant, Name: ref.Name, Generation: ref.Generation, WorkerName: v.spec.WorkerName,
		Kind: k.Name, Digest: digest(k), Grace: k.Stop.Grace, Program: v.program, Ports: v.ports, Secret: v.secret, Began: began,
	}
}

func (m memo) encode() json.RawMessage {
	text, err := json.Marshal(m)
	if err != nil {
		return nil // cannot be; and a launch without a memo is not adopted
	}
	return text
}

func parseMemo(text json.RawMessage) (m memo, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return memo{}, fmt.Errorf("cannot read what is known of the launch: %d bytes", len(text)) // not quoted: it may hold a secret
	}
	return m, nil
}

// remember changes the launch's memo in the keeper's memory.
func (w *worker) remember(change func(*memo)) {
	w.mu.Lock()
	change(&w.memo)
	text, holder := w.memo.encode(), w.link
	w.mu.Unlock()
	if err := holder.send(keeper.Message{Nonce: w.values.nonce, Memo: &keeper.Memo{Launch: string(w.spec.Launch), Text: text}}); err != nil {
		w.driver.log.Debug("the keeper was not told what is known of a launch", zap.String("launch", string(w.spec.Launch)), zap.Error(err))
	}
}
