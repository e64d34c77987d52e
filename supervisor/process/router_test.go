package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// routerRole makes the test binary a router that is killed: "DATA PROGRAMS NAME=VALUE…", the last for its workers.
const routerRole = "PROCESS_TEST_ROUTER"

// unbranded is a variable that has the router run where the limit that carries brands is low already.
const unbranded = "PROCESS_TEST_UNBRANDED"

// keepWorkers among the settings has the router's workers outlive it by a minute.
const keepWorkers = "KEEP=1"

// fakeRouter starts three workers, says so, and waits for its death.
func fakeRouter() int {
	fields := strings.Fields(os.Getenv(routerRole))
	dir, programDir, settings := fields[0], fields[1], fields[2:]
	if os.Getenv(unbranded) != "" {
		low := unix.Rlimit{Cur: 1000, Max: 1000}
		if err := unix.Setrlimit(unix.RLIMIT_LOCKS, &low); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	var keep time.Duration
	if i := slices.Index(settings, keepWorkers); i >= 0 {
		settings, keep = slices.Delete(settings, i, i+1), time.Minute
	}
	d, err := New(Config{Data: dir, KeeperPath: programDir + "/keeper", ExeDir: programDir, Keep: keep}, Deps{Logger: zap.NewNop()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = d.Run(context.Background()) }()
	var t silent
	for i := range 3 {
		spec := newSpec(t, fmt.Sprintf("w%d", i), set(settings...))
		spec.Ref.Tenant = workspace.DefaultTenant
		if _, err := d.Start(context.Background(), spec, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	fmt.Fprintln(os.Stdout, "ready")
	select {}
}

// silent stands in for a test where there is none.
type silent struct{ testing.TB }

func (silent) Helper()           {}
func (silent) Fatal(args ...any) { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }

// startRouter gives a router that runs three workers.
func startRouter(t *testing.T, dir string, settings ...string) *exec.Cmd {
	t.Helper()
	command := routerCommand(t, dir, settings...)
	awaitRouter(t, command)
	return command
}

func routerCommand(t *testing.T, dir string, settings ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.Background(), self)
	command.Env = append(os.Environ(), routerRole+"="+strings.Join(append([]string{dir, programs}, settings...), " "))
	return command
}

func awaitRouter(t *testing.T, command *exec.Cmd) {
	t.Helper()
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		_ = command.Process.Kill()
		t.Fatalf("the router said %q: %v", line, err)
	}
}

func kill(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // killed
}

// assertEnds waits until nothing of a data directory runs, the keeper included, and then looks for what is left.
func assertEnds(t testing.TB, dir string) {
	t.Helper()
	eventually(t, "the keeper's lock is free", func() bool {
		lock, err := keeper.Lock(keeper.Data(dir).KeeperLock())
		if err == nil {
			lock.Close()
		}
		return err == nil
	})
	assertNoLeftovers(t, dir)
}

func TestCase2_AKilledRouterLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings []string
		orderly  bool // the workers could flush
		atMost   time.Duration
	}{
		"plain workers":    {orderly: true, atMost: 900 * time.Millisecond},
		"slow workers":     {settings: []string{"HOSTILE_SLOW_STOP=300ms"}, orderly: true},
		"deaf workers":     {settings: []string{"HOSTILE_IGNORE_TERM=1"}, atMost: 5 * time.Second},
		"escaped children": {settings: []string{"HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=1"}, orderly: true},
	}
	for proof, settings := range proofs() {
		for name, test := range tests {
			t.Run(proof+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := dataDir(t)
				witness := witness(t)
				router := startRouter(t, dir, append(slices.Concat(settings, test.settings), "HOSTILE_WITNESS="+witness)...)
				if left := processes(t, dir); len(left) != 3 {
					t.Fatalf("%d launches run, want 3", len(left))
				}
				began := time.Now()
				kill(t, router)
				assertEnds(t, dir)
				if took := time.Since(began); test.atMost > 0 && took > test.atMost {
					t.Errorf("it took %v, want at most %v", took, test.atMost)
				}
				text, err := os.ReadFile(witness)
				if err != nil {
					t.Fatal(err)
				}
				if flushed := strings.Count(string(text), "stop "); (flushed == 3) != test.orderly {
					t.Errorf("%d of 3 workers could flush, want all: %v", flushed, test.orderly)
				}
			})
		}
	}
}

// The next router waits until the killed one's workers are gone, and says what it waits for.
func TestS1_NextRouterWaitsForTheKeeperBefore(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	router := startRouter(t, dir, "HOSTILE_IGNORE_TERM=1")
	kill(t, router)
	r := newRigIn(t, dir)
	defer assertNoLeftovers(t, dir)
	defer r.close()
	if r.logs.FilterMessage("an earlier keeper still stops its workers").Len() != 1 {
		t.Errorf("the router did not say that it waits: %v", r.logs.All())
	}
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("the router may start workers while others run: %v", left)
	}
	r.start(newSpec(t, "alpha"))
}

// Keeper and router killed at once: the kernel kills the roots, and with them what shares a namespace; the next keeper
// finds the rest.
func TestS8_KilledRouterAndKeeperLeaveNothing(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run(proof, func(t *testing.T) {
			t.Parallel()
			killBoth(t, proof, settings)
		})
	}
}

func killBoth(t *testing.T, proof string, settings []string) {
	dir := dataDir(t)
	router := startRouter(t, dir, append(settings, "HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=1")...)
	killKeeper(t, dir)
	kill(t, router)
	if proof == "pidns" {
		eventually(t, "the kernel has ended all", func() bool { return len(processes(t, dir)) == 0 })
	} else if left := processes(t, dir); len(left) == 0 {
		t.Error("there is nothing to reap: the test shows nothing")
	}
	r := newRigIn(t, dir)
	defer assertNoLeftovers(t, dir)
	defer r.close()
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("the router may start workers while others run: %v", left)
	}
	if reaped := r.logs.FilterMessage("a launch of an earlier keeper was reaped").Len(); reaped != 3 {
		t.Errorf("%d launches were reaped, want 3", reaped)
	}
}

// killKeeper kills the keeper of a data directory and waits for its death.
func killKeeper(t testing.TB, dir string) {
	t.Helper()
	var locked *keeper.LockedError
	lock, err := keeper.Lock(keeper.Data(dir).KeeperLock())
	if err == nil {
		lock.Close()
		t.Fatal("there is no keeper")
	}
	if !errors.As(err, &locked) {
		t.Fatal(err)
	}
	process, err := os.FindProcess(locked.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestS8_KilledKeeper(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	calm := newSpec(t, "calm")
	wild := newSpec(t, "wild", set("HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=1", "HOSTILE_FORK_STORM=20"))
	late := newSpec(t, "late", set("HOSTILE_IGNORE_TERM=1"))
	late.Kind.Stop.Grace = time.Hour
	slow := newSpec(t, "slow", set("HOSTILE_SLOW_START=1h"))
	workers := map[string]supervisor.Worker{"calm": r.start(calm), "wild": r.start(wild), "late": r.start(late)}
	eventually(t, "the storm is over", func() bool { return len(workersOf(t, r.dir, wild.Launch)) > 23 })
	spawned := make(chan struct{})
	starting := make(chan error, 1)
	go func() {
		w, err := r.Start(r.context(), slow, func(p supervisor.Progress) {
			if p.Phase == supervisor.PhaseSpawned {
				close(spawned)
			}
		})
		if w == nil {
			starting <- errors.New("a launch that ran gave no worker")
			return
		}
		starting <- errors.Join(err, w.Stop(r.context(), false))
	}()
	await(t, "spawned", spawned)
	stopping := make(chan error, 1)
	go func() { stopping <- workers["late"].Stop(r.context(), false) }()
	eventually(t, "the stop is under way", workers["late"].(*worker).stopAsked)

	killKeeper(t, r.dir)

	var failed *supervisor.StartError
	if err := <-starting; !errors.As(err, &failed) || failed.Cause != supervisor.CauseKeeper {
		t.Errorf("the start under way: got %v, want the cause %q", err, supervisor.CauseKeeper)
	}
	if err := <-stopping; err != nil {
		t.Errorf("the stop under way: %v", err)
	}
	for name, w := range workers {
		awaitGone(t, w)
		if exit := w.Exit(); exit.Expected != (name == "late") || exit.Proof == "" {
			t.Errorf("%s: exit: %+v", name, exit)
		}
		if err := w.Stop(r.context(), false); err != nil {
			t.Errorf("%s: Stop after the end: %v", name, err)
		}
	}
	for _, spec := range []supervisor.Spec{calm, wild, late, slow} {
		assertNone(t, r.dir, spec)
	}
	calm.Launch = newLaunch(t)
	r.start(calm)
}

// However often it dies, and whenever, nothing is ever left and the driver goes on.
func TestS8_KeeperKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for round := range 6 {
		spec := newSpec(t, fmt.Sprintf("w%d", round), set("HOSTILE_FORK_AWAY=1", "HOSTILE_FORK_CLEAN=1"))
		started := make(chan struct{})
		go func() {
			defer close(started)
			// It may be ready before the keeper dies, or have waited for the next one.
			if w, _ := r.Start(r.context(), spec, nil); w != nil {
				if err := w.Stop(r.context(), false); err != nil {
					t.Errorf("round %d: Stop: %v", round, err)
				}
			}
		}()
		// Each round at another moment of the start.
		timer := time.NewTimer(time.Duration(round) * 4 * time.Millisecond)
		<-timer.C
		killKeeper(t, r.dir)
		await(t, "ended", started)
		if _, err := r.Recover(r.context()); err != nil {
			t.Fatal(err)
		}
		assertNone(t, r.dir, spec)
	}
	r.start(newSpec(t, "alpha"))
}

func TestClose_StopsAllAndTheKeeper(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	witness := witness(t)
	for i := range 5 {
		r.start(newSpec(t, fmt.Sprintf("w%d", i), set("HOSTILE_WITNESS="+witness, "HOSTILE_SLOW_STOP=300ms")))
	}
	began := time.Now()
	r.close()
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("it took %v: the workers were not stopped side by side", took)
	}
	text, err := os.ReadFile(witness)
	if err != nil {
		t.Fatal(err)
	}
	if flushed := strings.Count(string(text), "stop "); flushed != 5 {
		t.Errorf("%d of 5 workers could flush", flushed)
	}
	assertEnds(t, r.dir)
	if failed := r.fail(newSpec(t, "late")); failed.Cause != supervisor.CauseKeeper {
		t.Errorf("a start after Close: %v", failed)
	}
}

func TestClose_BeforeThereIsAKeeper(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := makeDirectory(dir, "locks"); err != nil {
		t.Fatal(err)
	}
	held, err := keeper.Lock(keeper.Data(dir).KeeperLock())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	core, logs := observer.New(zap.WarnLevel)
	d, err := New(Config{Data: dir, KeeperPath: keeperProgram()}, Deps{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Driver: d, t: t, dir: dir}
	r.close() // before Run it is nothing
	d, err = New(d.config, Deps{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	r.Driver = d
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	eventually(t, "the driver waits", func() bool {
		return logs.FilterMessage("an earlier keeper still stops its workers").Len() > 0
	})
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := d.Recover(short); err == nil || !strings.Contains(err.Error(), "held by process") {
		t.Errorf("Recover: %v", err)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	r.close()
}

// A keeper that cannot be started is tried again, and whoever waits is told why.
func TestRun_WithoutKeeper(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ program, says string }{
		"missing": {"/no/such/keeper", "no such file"},
		"another": {"/bin/true", "the keeper died"},
		"failing": {"/bin/false", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.ErrorLevel)
			d, err := New(Config{Data: dataDir(t), KeeperPath: test.program}, Deps{Logger: zap.New(core)})
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{Driver: d, t: t}
			ran := make(chan error, 1)
			go func() { ran <- d.Run(context.Background()) }()
			eventually(t, "it was tried again", func() bool {
				return logs.FilterMessage("the keeper is replaced; its workers are being reaped").Len() > 2
			})
			short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer stop()
			w, err := d.Start(short, newSpec(t, "alpha"), nil)
			assertCause(t, err, supervisor.CauseKeeper)
			if w != nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got worker %v and %v, want it to say %q", w, err, test.says)
			}
			_ = r.Close(r.context())
			await(t, "ended", d.ended)
			<-ran
		})
	}
}
