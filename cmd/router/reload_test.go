package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/configs"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// desk is a reloader over a file of its own, with a note of what it did.
type desk struct {
	*reloader
	file    string
	inForce configs.Config
	refuse  error
	notes   []string
}

func newDesk(t *testing.T, content string) *desk {
	t.Helper()
	d := &desk{file: filepath.Join(t.TempDir(), "router.yaml")}
	d.write(t, content)
	source := configs.Source{File: d.file, Dir: t.TempDir()}
	var err error
	if d.inForce, _, err = configs.Load(source); err != nil {
		t.Fatal(err)
	}
	d.reloader = &reloader{
		source: source, running: func() *configs.Config { return &d.inForce },
		apply: func(next configs.Config) error {
			if d.refuse == nil {
				d.inForce = next
			}
			return d.refuse
		},
		note: func(of supervisor.EventType, reason, detail string) {
			d.notes = append(d.notes, string(of)+" "+reason+" "+strings.ReplaceAll(detail, d.file, "FILE"))
		},
		watch: watcher{look: sight}, asked: make(chan chan<- outcome), ended: make(chan struct{}),
	}
	d.watch.read(d.inForce.Files)
	return d
}

func (d *desk) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(d.file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReload_TellsWhatItDid(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "pool:\n  max_workers: 5\n")
	steps := []struct {
		content string
		refuse  error
		want    string
	}{
		{"# only a remark\npool:\n  max_workers: 5\n", nil, "config_reloaded file nothing is different"},
		{"pool:\n  max_workers: 6\nlisten: 127.0.0.1:1\n", nil,
			"config_reloaded file listen: 127.0.0.1:9621, now 127.0.0.1:1 (takes effect at the next start); pool.max_workers: 5, now 6"},
		{"pool:\n  max_workers: none\n", nil, `config_refused file FILE:2: pool.max_workers: got "none", want a whole number, at least 1`},
		{"pool:\n  max_workers: 2\n", errors.New("cannot do that"), "config_refused file cannot do that"},
		{"api_key: a-secret\n", nil, "config_reloaded file api_key: -, now ********; pool.max_workers: 6, now 50"},
	}
	for i, step := range steps {
		d.write(t, step.content)
		d.refuse = step.refuse
		before := d.inForce
		o := d.reload(reloadFile)
		refused := strings.HasPrefix(step.want, "config_refused")
		if errors.Is(o.err, problem.ErrConfigInvalid) != refused || !refused && o.err != nil {
			t.Errorf("step %d: %v", i, o.err)
		}
		if refused && d.inForce.Pool != before.Pool {
			t.Errorf("step %d: something was changed", i)
		}
		if diff := cmp.Diff(step.want, d.notes[i]); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	if d.inForce.Listen != "127.0.0.1:9621" {
		t.Error("an address was changed while it is in use")
	}
}

func TestReload_WatchesTheFilesThatTheNewConfigurationNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	key := filepath.Join(filepath.Dir(d.file), "key")
	d.write(t, "api_key_file: "+key+"\n")
	if o := d.reload(reloadFile); o.err == nil {
		t.Fatal("a file that is not there was read")
	}
	if _, watched := d.watch.known[key]; !watched {
		t.Error("the missing file is not watched: to put it there would go unnoticed")
	}
	d.write(t, "")
	if o := d.reload(reloadFile); o.err != nil {
		t.Fatal(o.err)
	}
	if _, watched := d.watch.known[key]; watched {
		t.Error("a file that counts no more is watched")
	}
}

// A router that follows another reads its configuration long before it runs.
func TestReload_FindsAnEditThatCameBeforeItRan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "pool:\n  max_workers: 5\n")
		d.watch.read(d.inForce.Files)
		d.write(t, "pool:\n  max_workers: 6 # now\n")
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- d.Run(ctx) }()
		<-time.After(2 * watchEvery)
		synctest.Wait()
		cancel()
		if err := <-ran; err != nil || d.inForce.Pool.MaxWorkers != 6 {
			t.Errorf("%d workers count, want those of the edit: %v, %q", d.inForce.Pool.MaxWorkers, err, d.notes)
		}
	})
}

func TestReload_AnswersTheOperatorAndEnds(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	got, err := d.Reload(t.Context())
	if err != nil || len(got.Changed) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if _, err := d.Reload(t.Context()); !errors.Is(err, workspace.ErrClosing) {
		t.Errorf("when it has ended: %v", err)
	}
}

func TestConfigReload_PrintsWhatChanged(t *testing.T) {
	t.Parallel()
	server := newRouter(t, answers{"POST /api/v1/config/reload": {200, `{"changed":[{"key":"pool.max_workers","old":"5","new":"6","from":"router.yaml:2","applies":"at once"}],` +
		`"at_next_start":[{"key":"listen","old":"a","new":"b","from":"router.yaml:1","applies":"at the next start"}],"warnings":["ENV X: has no effect"]}`}})
	got := run(t, server.environ(), "config", "reload")
	want := "KEY               BEFORE  NOW  FROM           TAKES EFFECT\n" +
		"pool.max_workers  5       6    router.yaml:2  at once\n" +
		"listen            a       b    router.yaml:1  at the next start\n"
	if got.code != 0 || got.out != want || !strings.Contains(got.err, "ENV X: has no effect") {
		t.Errorf("got %+v", got)
	}
	nothing := newRouter(t, answers{"POST /api/v1/config/reload": {200, `{"changed":[],"at_next_start":[],"warnings":[]}`}})
	if got := run(t, nothing.environ(), "config", "reload"); got.out != "Nothing is different.\n" {
		t.Errorf("got %+v", got)
	}
	invalid := newRouter(t, answers{"POST /api/v1/config/reload": {422, `{"code":"config_invalid","detail":"router.yaml:3: wrong"}`}})
	if got := run(t, invalid.environ(), "config", "reload"); got.code != 1 || !strings.Contains(got.err, "router.yaml:3: wrong") {
		t.Errorf("got %+v", got)
	}
}
