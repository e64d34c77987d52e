package process

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// register is what workspaces are described by.
type register map[workspace.Generation]supervisor.Spec

func (r register) describe(_ context.Context, ref workspace.Ref) (supervisor.Spec, error) {
	spec, found := r[ref.Generation]
	if !found {
		return supervisor.Spec{}, workspace.ErrDeleted
	}
	return spec, nil
}

// newKeeping starts a driver whose workers outlive it.
func newKeeping(t testing.TB, dir string, keep time.Duration, describe func(context.Context, workspace.Ref) (supervisor.Spec, error)) *rig {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	d, err := New(Config{Data: dir, KeeperPath: keeperProgram(), ExeDir: programs, Keep: keep}, Deps{Logger: zap.New(core), Describe: describe})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	return &rig{Driver: d, t: t, dir: dir, logs: logs}
}

// recovered gives the workers of before by launch.
func (r *rig) recovered() map[supervisor.LaunchID]supervisor.Survivor {
	r.t.Helper()
	list, err := r.Recover(r.context())
	if err != nil {
		r.t.Fatal(err)
	}
	workers := map[supervisor.LaunchID]supervisor.Survivor{}
	for _, w := range list {
		workers[w.Spec().Launch] = w.(supervisor.Survivor)
	}
	return workers
}

// finish ends a driver and all that it holds.
func (r *rig) finish() {
	r.t.Helper()
	for _, w := range r.all() {
		r.stop(w, false)
	}
	r.close()
	assertEnds(r.t, r.dir)
}

func pidOf(t testing.TB, w supervisor.Worker) int {
	t.Helper()
	usage, err := w.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return usage.PID
}

// answers asks a worker for its health.
func answers(t testing.TB, w supervisor.Worker) error {
	t.Helper()
	endpoint, ready := w.Endpoint(kind.HTTPEndpoint)
	if !ready {
		return errors.New("it has no endpoint")
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.Dial(ctx) },
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://worker/health", nil)
	if err != nil {
		return err
	}
	request.Header = endpoint.Header.Clone()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func TestS8_KeptWorkersOutliveTheRouter(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	first := newKeeping(t, dir, time.Minute, known.describe)
	pids, past := map[supervisor.LaunchID]int{}, map[supervisor.LaunchID]supervisor.Past{}
	lastEnd := time.Now().Add(-time.Hour).Round(0)
	for _, name := range []string{"w0", "w1", "w2"} {
		spec := newSpec(t, name)
		known[spec.Ref.Generation] = spec
		w := first.start(spec)
		pids[spec.Launch] = pidOf(t, w)
		w.(supervisor.Survivor).LetGo(lastEnd)
		past[spec.Launch] = w.(supervisor.Survivor).Past()
	}
	first.close()

	second := newKeeping(t, dir, time.Minute, known.describe)
	workers := second.recovered()
	for launch, pid := range pids {
		w := workers[launch]
		if w == nil {
			t.Errorf("launch %s is lost", launch)
			continue
		}
		if got := pidOf(t, w); got != pid {
			t.Errorf("launch %s has pid %d, want %d", launch, got, pid)
		}
		if err := answers(t, w); err != nil {
			t.Errorf("launch %s: %v", launch, err)
		}
		if diff := cmp.Diff(past[launch], w.Past()); diff != "" || !w.Past().LastEnd.Equal(lastEnd) {
			t.Errorf("launch %s (-before +after):\n%s", launch, diff)
		}
		log, err := os.ReadFile(keeper.Data(dir).Log(w.Spec().Ref.String()))
		if err != nil || strings.Count(string(log), "begins") != 1 || strings.Contains(string(log), "ends") {
			t.Errorf("the log of launch %s is broken: %v\n%s", launch, err, log)
		}
	}
	for _, w := range workers { // it is this router's as if it had started it
		second.stop(w, false)
		if exit := w.Exit(); !exit.Expected || exit.Code != 0 {
			t.Errorf("exit %+v, want an orderly one", exit)
		}
		break
	}
	second.finish()
}

func TestS8_KeptWorkersOutliveAKilledRouter(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	router := startRouter(t, dir, keepWorkers)
	before := processes(t, dir)
	kill(t, router)
	second := newKeeping(t, dir, time.Minute, func(_ context.Context, ref workspace.Ref) (supervisor.Spec, error) {
		return supervisor.Spec{Ref: ref, Kind: hostileKind(t)}, nil
	})
	workers := second.recovered()
	if len(workers) != 3 {
		t.Errorf("%d workers are taken over, want 3", len(workers))
	}
	for launch, w := range workers {
		if err := answers(t, w); err != nil {
			t.Errorf("launch %s: %v", launch, err)
		}
	}
	if diff := cmp.Diff(pidsOf(before), pidsOf(processes(t, dir))); diff != "" {
		t.Errorf("processes (-before +after):\n%s", diff)
	}
	second.finish()
}

func pidsOf(members map[string][]proc.Stat) map[string][]int {
	pids := map[string][]int{}
	for launch, stats := range members {
		for _, stat := range stats {
			pids[launch] = append(pids[launch], stat.PID)
		}
		slices.Sort(pids[launch])
	}
	return pids
}
