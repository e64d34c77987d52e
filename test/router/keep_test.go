package router

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// keptFor is longer than a router takes to follow another on a busy machine.
const keptFor = "ROUTER_KEEP_FOR=1m"

// kept is what of a worker outlives its router.
type kept struct {
	PID       int       `json:"pid"`
	State     string    `json:"state"`
	Launch    string    `json:"launch"`
	StartedAt time.Time `json:"started_at"`
	ReadyMS   float64   `json:"ready_ms"`
}

// almost passes over the moment between the end of a start and the notice that is kept of it.
var almost = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 50 })

func keptBy(t *testing.T, r *testkit.Router) map[string]kept {
	t.Helper()
	stdout, stderr, code := r.CLI(t, "worker", "list", "-o", "json")
	if code != 0 {
		t.Fatalf("worker list: exit %d: %s", code, stderr)
	}
	var list []struct {
		kept
		Workspace string `json:"workspace"`
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatalf("cannot decode %q: %v", stdout, err)
	}
	workers := map[string]kept{}
	for _, w := range list {
		workers[w.Workspace] = w.kept
	}
	return workers
}

func TestS8_KeptWorkersOutliveRestartAndKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := testkit.StartRouter(t, binaries, dir, "ROUTER_ON_EXIT=keep", keptFor)
	insert(t, first, "alpha", "otters.txt", otters)
	first.Must(t, http.StatusOK, testkit.Request{Path: "/w/beta/documents/status_counts"})
	before := keptBy(t, first)
	if len(before) != 2 || before["alpha"].PID == 0 || before["alpha"].ReadyMS == 0 {
		t.Fatalf("got %+v, want two workers", before)
	}
	if code := first.Terminate(t); code != 0 {
		t.Errorf("exit status %d, want 0:\n%s", code, first.Output())
	}

	second := testkit.StartRouter(t, binaries, dir, "ROUTER_ON_EXIT=keep", keptFor)
	if diff := cmp.Diff(before, keptBy(t, second), almost); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
	if a := ask(t, second, "alpha", askOtter); !strings.Contains(a.Response, "kelp") {
		t.Errorf("the data are gone: %+v", a)
	}
	stdout, stderr, _ := second.CLI(t, "events", "-o", "json")
	if strings.Count(stdout, `"left"`) != 2 || strings.Count(stdout, `"recovered"`) != 2 || strings.Count(stdout, `"starting"`) != 2 {
		t.Errorf("events: %s%s, want both workers left and recovered, and each started once", stdout, stderr)
	}
	underLoad(t, second, second.Kill)

	last := testkit.StartRouter(t, binaries, dir)
	after := keptBy(t, last)
	delete(after, "gamma") // underLoad has it, too
	if diff := cmp.Diff(before, after, almost); diff != "" {
		t.Errorf("after a kill (-before +after):\n%s", diff)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "alpha.log"))
	if err != nil || strings.Count(string(log), "begins") != 1 {
		t.Errorf("the log of alpha is broken: %v\n%s", err, log)
	}
	if code := last.Terminate(t); code != 0 { // on_exit is stop again
		t.Errorf("exit status %d, want 0:\n%s", code, last.Output())
	}
	if left, err := testkit.Processes(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind when the router had ended: %v %v", left, err)
	}
	testkit.LocksFree(t, dir)
}

func TestS8_KeptWorkersEndWhenNoRouterComes(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testkit.Router){
		"an orderly end": func(r *testkit.Router) { r.Terminate(t) },
		"a kill":         (*testkit.Router).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, "ROUTER_ON_EXIT=keep", "ROUTER_KEEP_FOR=500ms")
			r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents/status_counts"})
			end(r)
			testkit.NothingLeft(t, r.DataDir)
			testkit.LocksFree(t, r.DataDir)
			if _, err := os.Stat(filepath.Join(r.DataDir, "run", "keeper.sock")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the keeper's socket is left: %v", err)
			}
		})
	}
}

func TestS8_AKeptWorkerThatDiedIsTold(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := testkit.StartRouter(t, binaries, dir, "ROUTER_ON_EXIT=keep", keptFor)
	first.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents/status_counts"})
	worker := keptBy(t, first)["alpha"]
	first.Kill()
	if err := syscall.Kill(worker.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the worker to be reaped", func() error {
		if syscall.Kill(worker.PID, 0) == nil {
			return errors.New("it is there")
		}
		return nil
	})

	second := testkit.StartRouter(t, binaries, dir)
	stdout, stderr, _ := second.CLI(t, "events", "-o", "json")
	for _, want := range []string{`"died"`, `"unattended"`, `"SIGKILL"`, worker.Launch} {
		if !strings.Contains(stdout, want) {
			t.Errorf("there is no %s in the events: %s%s", want, stdout, stderr)
		}
	}
	second.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents/status_counts"})
	if again := keptBy(t, second)["alpha"]; again.Launch == worker.Launch {
		t.Error("the launch of a dead worker serves")
	}
	if code := second.Terminate(t); code != 0 {
		t.Errorf("exit status %d, want 0:\n%s", code, second.Output())
	}
}
