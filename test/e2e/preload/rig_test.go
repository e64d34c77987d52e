package preload

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/internal/testkit"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
	"workspace-router/supervisor/process"
)

// patience bounds one step of a test on a machine with other work.
const patience = 2 * time.Minute

// rig is a driver with the built keeper, and a kind whose program is in Python.
type rig struct {
	*process.Driver
	t     *testing.T
	dir   string
	place string // where the program is
	kind  *kind.Kind
	core  zapcore.Core
	logs  *observer.ObservedLogs
}

// newRig starts a driver with the given variables for its workers.
func newRig(t *testing.T, python string, config process.Config, change func(*kind.Kind)) *rig {
	t.Helper()
	r := &rig{t: t, dir: testkit.ShortDir(t), place: copyProgram(t, python)}
	r.kind = readKind(t, filepath.Join(r.place, "program.py"))
	if change != nil {
		change(r.kind)
	}
	if config.UIDs.First > 0 {
		openTo(t, r.dir, r.place)
	}
	core, logs := observer.New(zap.DebugLevel)
	config.Data, config.KeeperPath, config.ExeDir = r.dir, binaries.Path("keeper"), r.place
	driver, err := process.New(config, process.Deps{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	r.Driver, r.core, r.logs = driver, core, logs
	go func() { _ = driver.Run(context.Background()) }()
	if _, err := driver.Recover(r.context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.end)
	return r
}

func (r *rig) end() {
	if err := r.Close(r.context()); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	testkit.NothingLeft(r.t, r.dir)
	testkit.LocksFree(r.t, r.dir)
	if !r.t.Failed() {
		return
	}
	for _, entry := range r.logs.All() {
		r.t.Logf("the driver: %s %v", entry.Message, entry.ContextMap())
	}
	logs, _ := filepath.Glob(filepath.Join(r.dir, "logs", "*"))
	for _, path := range logs {
		text, _ := os.ReadFile(path)
		r.t.Logf("%s: %s", filepath.Base(path), text)
	}
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// copyProgram puts the program into a place of its own, with the interpreter in its first line.
func copyProgram(t *testing.T, python string) string {
	t.Helper()
	place := testkit.ShortDir(t)
	if err := os.CopyFS(place, os.DirFS(filepath.Join("testdata", "place"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(place, "program.py")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte("#!"+python+"\n"), text...), 0o755)
	}
	if err == nil {
		err = os.Chmod(path, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// openTo lets other users pass.
func openTo(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func readKind(t *testing.T, program string) *kind.Kind {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "kind.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := kind.Decode("kind.yaml", []byte(strings.ReplaceAll(string(text), "PROGRAM\n", program+"\n")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// spec describes a workspace's worker.
func (r *rig) spec(name string, environ ...string) supervisor.Spec {
	generation := workspace.Generation(fmt.Sprintf("%s-%s-%s-%s-%s", random(4), random(2), random(2), random(2), random(6)))
	return supervisor.Spec{
		Ref:        workspace.Ref{Tenant: workspace.DefaultTenant, Name: workspace.Name(name), Generation: generation},
		WorkerName: generation.WorkerName(), Kind: r.kind, Launch: supervisor.LaunchID(random(4)), Environ: append([]string{"PATH=" + os.Getenv("PATH")}, environ...),
	}
}

// launched is a worker and by what it is held.
type launched struct {
	supervisor.Worker
	isolation string
}

// forked reports whether the worker's program was forked from a preloader.
func (l launched) forked() bool {
	held, _, _ := strings.Cut(l.isolation, ";")
	return strings.Contains(held, ", preload")
}

func (r *rig) start(spec supervisor.Spec) launched {
	r.t.Helper()
	var l launched
	w, err := r.Start(r.context(), spec, func(p supervisor.Progress) {
		if p.Isolation != "" {
			l.isolation = p.Isolation
		}
	})
	if err != nil {
		r.t.Fatalf("Start: %v", err)
	}
	l.Worker = w
	return l
}

// await waits until the driver has said one of these.
func (r *rig) await(what string, texts ...string) {
	r.t.Helper()
	for until := time.Now().Add(patience); !slices.ContainsFunc(texts, r.said); {
		if time.Now().After(until) {
			r.t.Fatalf("waited in vain for %s", what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.t.Context().Done():
		}
	}
}

// startForked starts workers of the workspace until one is forked: there may be no preloader yet.
func (r *rig) startForked(spec supervisor.Spec) (l launched) {
	r.t.Helper()
	for range 3 {
		spec.Launch = supervisor.LaunchID(random(4))
		if l = r.start(spec); l.forked() {
			return l
		}
		r.stop(l)
		r.await("the preloader", "found to be the same", "cannot preload")
	}
	r.t.Fatalf("the worker is not forked: %s", l.isolation)
	return l
}

func (r *rig) stop(w supervisor.Worker) supervisor.Exit {
	r.t.Helper()
	if err := w.Stop(r.context(), false); err != nil {
		r.t.Fatalf("Stop: %v", err)
	}
	return w.Exit()
}

// answer is what the program says of itself.
type answer struct {
	Setting    string   `json:"setting"`
	ImportedBy int      `json:"imported_by"`
	PID        int      `json:"pid"`
	Argv       []string `json:"argv"`
	Key        string   `json:"key"`
	Random     float64  `json:"random"`
}

// ask sends a request to a worker.
func (r *rig) ask(w supervisor.Worker, path string) (a answer, err error) {
	r.t.Helper()
	body, err := r.get(w, path)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

func (r *rig) get(w supervisor.Worker, path string) ([]byte, error) {
	r.t.Helper()
	endpoint, found := w.Endpoint(kind.HTTPEndpoint)
	if !found {
		r.t.Fatal("the worker has no endpoint")
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.Dial(ctx) },
	}}
	request, err := http.NewRequestWithContext(r.context(), http.MethodGet, "http://worker"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header = endpoint.Header.Clone()
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func (r *rig) mustAsk(w supervisor.Worker) answer {
	r.t.Helper()
	a, err := r.ask(w, "/health")
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// said reports whether the driver has logged a message whose text or fields hold the given one.
func (r *rig) said(text string) bool {
	return slices.ContainsFunc(r.logs.All(), func(e observer.LoggedEntry) bool {
		return strings.Contains(fmt.Sprint(e.Message, e.ContextMap()), text)
	})
}

func (r *rig) log(workspace string) string {
	text, _ := os.ReadFile(keeper.Data(r.dir).Log(workspace))
	return string(text)
}
