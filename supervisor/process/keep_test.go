package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"golang.org/x/sys/unix"

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
	return newKeepingWith(t, Config{Data: dir, KeeperPath: keeperProgram(), ExeDir: programs, Keep: keep}, describe)
}

func newKeepingWith(t testing.TB, config Config, describe func(context.Context, workspace.Ref) (supervisor.Spec, error)) *rig {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	d, err := New(config, Deps{Logger: zap.New(core), Describe: describe})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	return &rig{Driver: d, t: t, dir: config.Data, logs: logs}
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
	for name, place := range map[string]func(*kind.Kind){"socket": set(), "port": tcp, "inside": ownNetworkOnly} {
		spec := newSpec(t, name, place)
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

func TestCase2_KeptWorkersOutliveAKilledRouter(t *testing.T) {
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

// add has a workspace served.
func (r register) add(spec supervisor.Spec) supervisor.Spec {
	r[spec.Ref.Generation] = spec
	return spec
}

// leave starts a worker whose router then ends in order.
func leave(t *testing.T, dir string, keep time.Duration, known register, change ...func(*kind.Kind)) supervisor.Spec {
	t.Helper()
	r := newKeeping(t, dir, keep, known.describe)
	spec := known.add(newSpec(t, "alpha", change...))
	r.start(spec)
	r.close()
	return spec
}

func TestS8_KeepEndsInTimeAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, 300*time.Millisecond, known)
	assertEnds(t, dir)
	own, err := os.ReadFile(keeper.Data(dir).KeeperLog())
	held, ended := "holds 1 launches for 300ms", "stops 1 launches: no router has come back"
	if before, after, found := strings.Cut(string(own), held); err != nil || !found || strings.Contains(before, "stops") || !strings.Contains(after, ended) {
		t.Errorf("the keeper does not say that it held the launch, and then stopped it: %v\n%s", err, own)
	}
	log, err := os.ReadFile(keeper.Data(dir).Log(spec.Ref.String()))
	if err != nil || !strings.Contains(string(log), "ends") {
		t.Errorf("the worker's log has no end: %v\n%s", err, log)
	}
	for _, path := range []string{keeper.Data(dir).KeeperSocket(), keeper.Data(dir).KeeperToken()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is left: %v", path, err)
		}
	}
}

func TestCase2_WhatIsNotTheSameAnyMoreIsNotTakenOver(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(register, supervisor.Spec)
		taken  bool
		says   string
	}{
		"nothing has changed":     {change: func(register, supervisor.Spec) {}, taken: true},
		"the workspace is gone":   {change: func(r register, s supervisor.Spec) { delete(r, s.Ref.Generation) }, says: "not to be served"},
		"another environment":     {change: changed(set("ANOTHER=1")), says: "has changed"},
		"another program":         {change: changed(func(k *kind.Kind) { k.Processes[0].Program = "another" }), says: "has changed"},
		"another identity":        {change: changed(func(k *kind.Kind) { k.Identity = k.Identity[:1] }), says: "has changed"},
		"another kind":            {change: changed(func(k *kind.Kind) { k.Name = "another" }), says: "another kind"},
		"another grace and probe": {change: changed(func(k *kind.Kind) { k.Stop.Grace, k.Busy = 2*time.Second, nil }), taken: true},
		"it does not answer":      {change: changed(func(k *kind.Kind) { k.Ready.Status = 299 }), says: "does not answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, known := dataDir(t), register{}
			spec := leave(t, dir, time.Minute, known)
			test.change(known, spec)
			second := newKeeping(t, dir, time.Minute, known.describe)
			w := second.recovered()[spec.Launch]
			if w == nil {
				t.Fatal("the driver does not tell of the worker")
			}
			if _, usable := w.Endpoint(kind.HTTPEndpoint); usable != test.taken {
				t.Errorf("usable is %v, want %v", usable, test.taken)
			}
			if test.says != "" && second.logs.FilterMessage("a worker of before is not taken over").Len() != 1 {
				t.Errorf("the log does not say so: %v", second.logs.All())
			}
			for _, entry := range second.logs.FilterMessage("a worker of before is not taken over").All() {
				if text := entry.ContextMap()["error"].(string); !strings.Contains(text, test.says) {
					t.Errorf("the log says %q, want %q", text, test.says)
				}
			}
			if lock, err := keeper.Lock(keeper.Data(dir).GenerationLock(string(spec.Ref.Generation))); err == nil {
				lock.Close()
				t.Error("the lock of a worker that lives is free")
			}
			second.finish()
		})
	}
}

func changed(change func(*kind.Kind)) func(register, supervisor.Spec) {
	return func(r register, s supervisor.Spec) {
		k := *s.Kind
		processes := slices.Clone(k.Processes)
		processes[0].Set = maps.Clone(processes[0].Set)
		k.Processes = processes
		change(&k)
		s.Kind = &k
		r.add(s)
	}
}

func TestS8_AWorkerThatEndedMeanwhileIsTold(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, time.Minute, known)
	for _, stat := range processes(t, dir)[string(spec.Launch)] {
		if err := unix.Kill(stat.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
	eventually(t, "its lock is free", func() bool {
		lock, err := keeper.Lock(keeper.Data(dir).GenerationLock(string(spec.Ref.Generation)))
		if err == nil {
			lock.Close()
		}
		return err == nil
	})
	second := newKeeping(t, dir, time.Minute, known.describe)
	w := second.recovered()[spec.Launch]
	if w == nil || !closed(w.Gone()) {
		t.Fatalf("got worker %v, want one that is gone", w)
	}
	if exit := w.Exit(); exit.Expected || exit.Signal != "SIGKILL" || exit.Proof == "" {
		t.Errorf("exit %+v, want an unexpected SIGKILL", exit)
	}
	spec.Launch = newLaunch(t)
	second.start(spec)
	second.finish()
}

func TestS8_TwoRoutersRaceForOneKeeper(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, time.Minute, known)
	type outcome struct {
		r       *rig
		workers []supervisor.Worker
		err     error
	}
	outcomes := make(chan outcome)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	rigs := []*rig{newKeeping(t, dir, time.Minute, known.describe), newKeeping(t, dir, time.Minute, known.describe)}
	for _, r := range rigs {
		go func() {
			workers, err := r.Recover(ctx)
			outcomes <- outcome{r, workers, err}
		}()
	}
	winner := <-outcomes
	if winner.err != nil || len(winner.workers) != 1 || winner.workers[0].Spec().Launch != spec.Launch {
		t.Fatalf("got %v, %v, want the one worker", winner.workers, winner.err)
	}
	rigs = slices.DeleteFunc(rigs, func(r *rig) bool { return r == winner.r })
	eventually(t, "the other is denied", rigs[0].isDenied)
	cancel()
	loser := <-outcomes
	if want := fmt.Sprintf("router with pid %d", os.Getpid()); loser.err == nil || !strings.Contains(loser.err.Error(), want) {
		t.Errorf("the other got %v, want it to name the %s", loser.err, want)
	}
	loser.r.close()
	if err := answers(t, winner.workers[0]); err != nil {
		t.Errorf("the worker after the race: %v", err)
	}
	winner.r.finish()
}

// A process of the router's user that descends from nobody here is no router.
func TestS8_WhoCannotReadTheTokenIsNoRouter(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, time.Minute, known)
	token, err := keeper.ReadToken(keeper.Data(dir))
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]keeper.Token{"none": "", "that of another keeper": token[1:] + token[:1]} {
		conn, err := net.Dial("unix", keeper.Data(dir).KeeperSocket())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		wire := keeper.NewConn(conn)
		if err := wire.Write(keeper.Message{Attach: &keeper.Attach{Token: shown}}); err != nil {
			t.Fatal(err)
		}
		if m, err := wire.Read(); err == nil {
			t.Errorf("%s: got %+v, want no answer", name, m)
		}
	}
	second := newKeeping(t, dir, time.Minute, known.describe)
	if w := second.recovered()[spec.Launch]; w == nil || closed(w.Gone()) {
		t.Errorf("got %v, want the worker that is held", w)
	}
	second.finish()
}

// isDenied reports whether another router has the session.
func (r *rig) isDenied() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.As(r.failure, new(*deniedError))
}

func TestS8_NoWorkerTakesARoutersPlace(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	r := newKeeping(t, dir, time.Minute, known.describe)
	s := &scene{attacker: r.start(known.add(newSpec(t, "alpha"))), aim: map[string]string{"{keeper}": keeper.Data(dir).KeeperSocket()}}
	for _, escaped := range []bool{false, true} {
		if failure := s.try(t, "attach", "{keeper}", escaped); failure == "" {
			t.Errorf("a worker is answered by the keeper; escaped: %v", escaped)
		}
	}
	log, err := os.ReadFile(keeper.Data(dir).KeeperLog())
	if err != nil || strings.Count(string(log), "a connection is refused") < 2 {
		t.Errorf("the keeper does not say that it refused both: %v\n%s", err, log)
	}
	r.finish()
}

func TestS8_AKilledKeeperEndsKeptWorkersToo(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, time.Minute, known)
	var locked *keeper.LockedError
	if _, err := keeper.Lock(keeper.Data(dir).KeeperLock()); !errors.As(err, &locked) {
		t.Fatalf("got %v, want the keeper's lock held", err)
	}
	if err := unix.Kill(locked.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := newKeeping(t, dir, time.Minute, known.describe)
	if workers := second.recovered(); len(workers) > 0 {
		t.Errorf("got %v, want no worker of a dead keeper", workers)
	}
	if left := processes(t, dir)[string(spec.Launch)]; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	spec.Launch = newLaunch(t)
	second.start(spec)
	second.finish()
}
