package preload

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
	"workspace-router/internal/testkit"
	"workspace-router/supervisor"
	"workspace-router/supervisor/process"
)

// swept has workers live among the machine's processes, as where no PID namespace is to be had.
func swept(k *kind.Kind) { k.Isolation.PIDNamespace = kind.IsolationOff }

// surroundings are the two ways in which a worker is held together.
var surroundings = map[string]func(*kind.Kind){"contained": nil, "swept": swept}

// Whatever a preloader cannot do leaves the program to be executed, with the reason.
func TestPreload_WhereItCannotBeTheProgramIsExecuted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*kind.Kind)
		environ []string
		reason  string
	}{
		"threads": {
			func(k *kind.Kind) { k.Preload.Environment = []string{"LIBRARY_*"} }, []string{"LIBRARY_STARTS_THREAD=1"},
			"have started 1 threads",
		},
		"a setting that an import asks for": {nil, []string{"LIBRARY_MODE=x"}, "a module asks for LIBRARY_MODE when it is imported"},
		"an import that brings in what is the program's own": {
			func(k *kind.Kind) { k.Preload.Own = []string{"slow_library"} }, nil, "an import has brought the program's own slow_library",
		},
		"a module that is not there": {func(k *kind.Kind) { k.Preload.Probe = []string{"program_own.missing"} }, nil, "cannot find out which modules the program uses"},
		"a call that fails": {
			func(k *kind.Kind) { k.Preload.Warm = []kind.Warm{{Call: "os.unlink", Args: []string{"/missing"}}} }, nil, "it ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pythons[0], process.Config{}, test.change)
			spec := r.spec("alpha", test.environ...)
			r.stop(r.start(spec))
			r.await("the preloader", "found to be the same", "cannot preload")
			spec.Launch = supervisor.LaunchID(random(4))
			w := r.start(spec)
			if a := r.mustAsk(w); a.ImportedBy != a.PID {
				t.Errorf("got %+v, want it executed", a)
			}
			if !r.said(test.reason) {
				t.Errorf("nobody said %q", test.reason)
			}
		})
	}
}

// A program that does not come up when it is forked is executed in the same start.
func TestPreload_AProgramThatCannotBeForkedIsExecuted(t *testing.T) {
	t.Parallel()
	r := newRig(t, pythons[0], process.Config{}, nil)
	spec := r.spec("alpha", "PROGRAM_FAILS_FORKED=1")
	r.stop(r.start(spec))
	r.await("the preloader", "found to be the same")
	spec.Launch = supervisor.LaunchID(random(4))
	w := r.start(spec)
	if a := r.mustAsk(w); w.forked() && a.ImportedBy != a.PID {
		t.Errorf("got %+v, want it executed", a)
	}
	if !r.said("did not come up; it is executed") || !strings.Contains(r.log("alpha"), "this program cannot be forked") {
		t.Error("the failure is not told")
	}
}

// What one value of a setting has brought in is for launches with that value alone.
func TestPreload_OnePreloaderForEachEnvironment(t *testing.T) {
	t.Parallel()
	r := newRig(t, pythons[0], process.Config{}, func(k *kind.Kind) { k.Preload.Environment = []string{"LIBRARY_MODE"} })
	first := r.startForked(r.spec("alpha", "LIBRARY_MODE=x"))
	spec := r.spec("beta", "LIBRARY_MODE=y")
	second := r.start(spec)
	if second.forked() {
		t.Error("a worker was forked from the preloader of another environment")
	}
	r.stop(second)
	testkit.Eventually(t, "a second preloader", func() error {
		spec.Launch = supervisor.LaunchID(random(4))
		if second = r.start(spec); !second.forked() {
			r.stop(second)
			return os.ErrNotExist
		}
		return nil
	})
	if a, b := r.mustAsk(first), r.mustAsk(second); a.ImportedBy == b.ImportedBy {
		t.Errorf("got %+v and %+v, want two preloaders", a, b)
	}
}

// Processes of one preloader share no random numbers and no key.
func TestFork_SiblingsShareNoSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, pythons[0], process.Config{}, nil)
	a := r.mustAsk(r.startForked(r.spec("alpha")))
	b := r.mustAsk(r.startForked(r.spec("beta")))
	if a.ImportedBy != b.ImportedBy {
		t.Fatal("they are not of one preloader")
	}
	if a.Key == b.Key || a.Random == b.Random {
		t.Errorf("got %+v and %+v", a, b)
	}
}

// The end of a forked worker is told like that of any other.
func TestFork_EndsAreTold(t *testing.T) {
	t.Parallel()
	for name, change := range surroundings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pythons[0], process.Config{}, change)
			crashed := r.startForked(r.spec("alpha"))
			_, _ = r.ask(crashed, "/crash")
			if exit := r.ended(crashed); exit.Signal != "SIGSEGV" || exit.Expected {
				t.Errorf("got %+v, want SIGSEGV", exit)
			}
			left := r.startForked(r.spec("beta"))
			_, _ = r.ask(left, "/exit")
			if exit := r.ended(left); exit.Code != 7 || exit.Signal != "" || exit.Expected {
				t.Errorf("got %+v, want status 7", exit)
			}
			killed := r.startForked(r.spec("gamma"))
			if err := killed.Stop(r.context(), true); err != nil {
				t.Error(err)
			}
			if exit := killed.Exit(); exit.Signal != "SIGKILL" || !exit.Expected {
				t.Errorf("got %+v, want SIGKILL", exit)
			}
		})
	}
}

func (r *rig) ended(w supervisor.Worker) supervisor.Exit {
	r.t.Helper()
	select {
	case <-w.Gone():
	case <-time.After(patience):
		r.t.Fatal("the worker does not end")
	}
	return w.Exit()
}

// Workers outlive their preloader, and the next ones are executed until there is another.
func TestPreload_ItsEndHarmsNobody(t *testing.T) {
	t.Parallel()
	for name, change := range surroundings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pythons[0], process.Config{}, change)
			w := r.startForked(r.spec("alpha"))
			before := r.mustAsk(w)
			kill(t, r.preloader())
			r.await("the preloader's end", "a preloader ended")
			if after := r.mustAsk(w); after.PID != before.PID {
				t.Errorf("got %+v, before it was %+v", after, before)
			}
			r.logs.TakeAll()
			if other := r.mustAsk(r.startForked(r.spec("beta"))); other.ImportedBy == before.ImportedBy {
				t.Error("there is no other preloader")
			}
		})
	}
}

// preloader finds the one preloader's process.
func (r *rig) preloader() int {
	r.t.Helper()
	for _, entry := range r.logs.FilterMessage("a preloader takes orders").All() {
		if pid, is := entry.ContextMap()["pid"].(int64); is {
			return int(pid)
		}
	}
	r.t.Fatal("there is no preloader")
	return 0
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// An installation that has changed has another preloader. Its workers go on.
func TestPreload_AnUpgradeReplacesIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, pythons[0], process.Config{}, nil)
	w := r.startForked(r.spec("alpha"))
	before := r.mustAsk(w)
	r.logs.TakeAll()
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(r.kind.Processes[0].Program, later, later); err != nil {
		t.Fatal(err)
	}
	second := r.start(r.spec("beta"))
	if second.forked() || !r.said("the installation has changed") {
		t.Errorf("got %s", second.isolation)
	}
	if after := r.mustAsk(w); after.PID != before.PID {
		t.Errorf("got %+v, before it was %+v", after, before)
	}
	spec := r.spec("gamma")
	r.await("the first preloader's successor", "found to be the same")
	testkit.Eventually(t, "a worker of the new preloader", func() error {
		spec.Launch = supervisor.LaunchID(random(4))
		w := r.start(spec)
		defer r.stop(w)
		if !w.forked() {
			return os.ErrNotExist
		}
		if a := r.mustAsk(w); a.ImportedBy == before.ImportedBy {
			t.Error("the old preloader is still used")
		}
		return nil
	})
}

// With a killed keeper everything ends, forked workers and preloaders alike; its successor accounts for them.
func TestS8_AKilledKeeperLeavesNoForkedWorker(t *testing.T) {
	t.Parallel()
	for name, change := range surroundings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pythons[0], process.Config{}, change)
			w := r.startForked(r.spec("alpha"))
			usage, err := w.Usage(r.context())
			if err != nil {
				t.Fatal(err)
			}
			root, err := proc.Read(usage.PID)
			if err != nil {
				t.Fatal(err)
			}
			preloader, err := proc.Read(r.preloader())
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range r.logs.FilterMessage("the keeper takes commands").All() {
				kill(t, int(entry.ContextMap()["pid"].(int64)))
			}
			r.ended(w)
			for _, id := range []proc.ID{root.ID, preloader.ID} {
				if proc.Alive(id) {
					t.Errorf("process %d is left", id.PID)
				}
			}
		})
	}
}
