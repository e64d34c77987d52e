package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// copyKeeper gives the keeper's program as another file.
func copyKeeper(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(keeperProgram())
	if err != nil {
		t.Fatal(err)
	}
	return writeProgram(t, text)
}

// writeProgram makes a program of the keeper's name. A child that is forked beside this would hold the file open for
// writing for a moment, and it could not be executed.
func writeProgram(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(dataDir(t), "keeper")
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, text, 0o700); err != nil { //nolint:gosec // it is to be executable
		t.Fatal(err)
	}
	return path
}

// newRenewing starts a driver with another program as its keeper's.
func newRenewing(t testing.TB, dir, program string, known register) *rig {
	t.Helper()
	return newKeepingWith(t, Config{Data: dir, KeeperPath: program, ExeDir: programs, Keep: time.Minute}, known.describe)
}

// keeperOf gives the pid of the keeper and the file that it runs.
func keeperOf(t testing.TB, dir string) (pid int, program string) {
	t.Helper()
	text, err := os.ReadFile(keeper.Data(dir).KeeperLock())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	program, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	return pid, program
}

func (r *rig) awaitLog(message string) {
	r.t.Helper()
	eventually(r.t, "the log says: "+message, func() bool { return r.logs.FilterMessage(message).Len() > 0 })
}

const renewed, notRenewed = "the keeper goes on with another program", "the keeper goes on with its old program"

// A keeper that goes on with another program holds what it held: the same processes, the same locks, the same logs.
func TestS8_AKeeperGoesOnWithAnotherProgram(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run(proof, func(t *testing.T) {
			t.Parallel()
			dir, known := dataDir(t), register{}
			first := newKeeping(t, dir, time.Minute, known.describe)
			pids := map[supervisor.LaunchID]int{}
			for name, place := range map[string]func(*kind.Kind){"socket": set(settings...), "port": tcp} {
				spec := known.add(newSpec(t, name, place))
				pids[spec.Launch] = pidOf(t, first.start(spec))
			}
			before := pidsOf(processes(t, dir))
			keeperPID, old := keeperOf(t, dir)
			first.close()

			program := copyKeeper(t)
			second := newRenewing(t, dir, program, known)
			workers := second.recovered()
			second.awaitLog(renewed)
			if pid, runs := keeperOf(t, dir); pid != keeperPID || runs != program || runs == old {
				t.Errorf("the keeper is process %d with %q, want %d with %q", pid, runs, keeperPID, program)
			}
			if diff := cmp.Diff(before, pidsOf(processes(t, dir))); diff != "" {
				t.Errorf("processes (-before +after):\n%s", diff)
			}
			for launch, pid := range pids {
				w := workers[launch]
				if got := pidOf(t, w); got != pid {
					t.Errorf("launch %s has pid %d, want %d", launch, got, pid)
				}
				if err := answers(t, w); err != nil {
					t.Errorf("launch %s: %v", launch, err)
				}
				if lock, err := keeper.Lock(keeper.Data(dir).GenerationLock(string(w.Spec().Ref.Generation))); err == nil {
					lock.Close()
					t.Errorf("the lock of launch %s is free", launch)
				}
			}
			spec := known.add(newSpec(t, "later", set(settings...)))
			later := second.start(spec)
			assertInheritsNothing(t, pidOf(t, later))
			for _, w := range workers {
				second.stop(w, false)
				if exit := w.Exit(); !exit.Expected || exit.Code != 0 {
					t.Errorf("exit %+v, want an orderly one", exit)
				}
				log, err := os.ReadFile(keeper.Data(dir).Log(w.Spec().Ref.String()))
				if err != nil || strings.Count(string(log), "begins") != 1 || strings.Count(string(log), " ends") != 1 {
					t.Errorf("the log is broken: %v\n%s", err, log)
				}
			}
			second.finish()
		})
	}
}

// assertInheritsNothing fails where a worker has files that it did not open: the keeper's are locks, sockets and pipes.
func assertInheritsNothing(t testing.TB, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		if strings.Contains(target, "/locks/") || strings.Contains(target, "/logs/") || strings.Contains(target, "memfd:") {
			t.Errorf("process %d has %q as descriptor %s", pid, target, entry.Name())
		}
	}
}

// A worker that ends while one program gives way to the other is told of, and one that a killed keeper leaves dies as ever.
func TestS8_ARenewedKeeperKnowsEveryEnd(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	first := newKeeping(t, dir, time.Minute, known.describe)
	const count = 8
	for i := range count {
		first.start(known.add(newSpec(t, fmt.Sprintf("w%d", i))))
	}
	first.close()
	second := newRenewing(t, dir, copyKeeper(t), known)
	workers := second.recovered()
	killed := map[supervisor.LaunchID]bool{}
	for launch, w := range workers { // while the keeper changes, or just before, or just after
		if len(killed) == count/2 {
			break
		}
		killed[launch] = true
		if err := unix.Kill(pidOf(t, w), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	second.awaitLog(renewed)
	for launch := range killed {
		awaitGone(t, workers[launch])
		if exit := workers[launch].Exit(); exit.Expected || exit.Signal != "SIGKILL" {
			t.Errorf("exit %+v, want an unexpected SIGKILL", exit)
		}
	}
	pid, _ := keeperOf(t, dir)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		awaitGone(t, w)
	}
	second.finish()
}

// Output that is written without pause loses and repeats nothing where the program changes under it.
func TestS8_ARenewedKeeperKeepsLogsWhole(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	first := newKeeping(t, dir, time.Minute, known.describe)
	spec := known.add(newSpec(t, "alpha", set("HOSTILE_COUNT=20000")))
	w := first.start(spec)
	first.close()
	programs := []string{copyKeeper(t), copyKeeper(t), copyKeeper(t)}
	var last *rig
	for i, program := range programs {
		last = newRenewing(t, dir, program, known)
		w = last.recovered()[spec.Launch]
		last.awaitLog(renewed)
		if i < len(programs)-1 {
			last.close()
		}
	}
	log := keeper.Data(dir).Log("alpha")
	var numbers []string
	eventually(t, "all is written", func() bool {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		numbers = numbers[:0]
		for line := range strings.Lines(string(text)) {
			if number, found := strings.CutPrefix(line, "count "); found {
				numbers = append(numbers, strings.TrimSpace(number))
			}
		}
		return len(numbers) > 0 && numbers[len(numbers)-1] == "20000"
	})
	for i, number := range numbers {
		if number != fmt.Sprint(i+1) {
			t.Fatalf("line %d is %q", i+1, number)
		}
	}
	last.stop(w, false)
	last.finish()
}

// A program that cannot go on is not executed, and the keeper that runs does as well.
func TestS8_AKeeperRefusesAProgramThatCannotGoOn(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"says nothing":     "#!/bin/sh\n",
		"another version":  "#!/bin/sh\necho 'cannot go on with a state of version 1, want 2'; exit 1\n",
		"fails":            "#!/bin/sh\nexit 2\n",
		"cannot be run":    "\x7fELF",
		"says, and cannot": "#!/nowhere\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, known := dataDir(t), register{}
			spec := leave(t, dir, time.Minute, known)
			program := writeProgram(t, []byte(script))
			_, old := keeperOf(t, dir)
			second := newRenewing(t, dir, program, known)
			w := second.recovered()[spec.Launch]
			second.awaitLog(notRenewed)
			if _, runs := keeperOf(t, dir); runs != old {
				t.Errorf("the keeper runs %q, want %q", runs, old)
			}
			if err := answers(t, w); err != nil {
				t.Error(err)
			}
			second.finish()
		})
	}
}

// The program changes for good only once the leaving router has let go, and that one is heard to its end.
func TestS8_ARenewedKeeperKeepsBothRouters(t *testing.T) {
	t.Parallel()
	dir, known, held := dataDir(t), register{}, &book{}
	old := newKeeping(t, dir, 0, known.describe)
	spec := known.add(newSpec(t, "alpha"))
	old.start(spec)
	held.set(spec.Launch, 1)
	program := copyKeeper(t)
	next := newRenewing(t, dir, program, known)
	if err := old.HandOver(old.context(), time.Minute, held.list, held.giveUp); err != nil {
		t.Fatal(err)
	}
	w := next.recovered()[spec.Launch]
	if _, runs := keeperOf(t, dir); runs == program {
		t.Error("the program has changed, and the old router has not let go")
	}
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	next.awaitLog(renewed)
	p := &parting{old: old, next: next, held: held, spec: spec, worker: w}
	outcome := p.stopping(t)
	eventually(t, "the keeper has the stop", func() bool {
		log, err := os.ReadFile(keeper.Data(dir).KeeperLog())
		return err == nil && strings.Contains(string(log), "goes on, with 1 launches")
	})
	if closed(w.Gone()) {
		t.Error("the worker was stopped under a request of the leaving router")
	}
	held.set(spec.Launch, 0)
	awaitNoError(t, "the stop", outcome)
	old.close()
	next.finish()
}

// A stop that is under way goes on from where it is: the grace does not begin anew.
func TestS8_ARenewedKeeperEndsWhatItHasBegunToEnd(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run(proof, func(t *testing.T) {
			t.Parallel()
			dir, known := dataDir(t), register{}
			first := newKeeping(t, dir, time.Minute, known.describe)
			spec := known.add(newSpec(t, "alpha", set(append(settings, "HOSTILE_IGNORE_TERM=1", "HOSTILE_FORK_AWAY=2")...),
				func(k *kind.Kind) { k.Stop.Grace = 2 * time.Second }))
			w := first.start(spec)
			began := time.Now()
			ctx := first.context()
			outcome := make(chan error, 1)
			go func() { outcome <- w.Stop(ctx, false) }()
			second := newRenewing(t, dir, copyKeeper(t), known)
			eventually(t, "the second router waits", second.isDenied)
			first.close()
			<-outcome // it cannot be known to this router
			survivor := second.recovered()[spec.Launch]
			second.awaitLog(renewed)
			awaitGone(t, survivor)
			if took := time.Since(began); took < spec.Kind.Stop.Grace {
				t.Errorf("it took %v, want the grace, %v", took, spec.Kind.Stop.Grace)
			}
			if exit := survivor.Exit(); !exit.Expected || exit.Signal != "SIGKILL" || exit.Proof != proof {
				t.Errorf("exit %+v, want it killed after the grace, and proven by %q", exit, proof)
			}
			assertNone(t, dir, spec)
			second.finish()
		})
	}
}

// What cannot be read ends as with a keeper that is killed: nothing of it is left, and the next keeper says so.
func TestS8_AKeeperThatCannotGoOnLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	spec := leave(t, dir, time.Minute, known)
	program := writeProgram(t, []byte(`#!/bin/sh
case "$*" in
check-resume*) echo "can go on" ;;
*--resume*) exec `+keeperProgram()+` run --data / --resume 99 ;;
*) exec `+keeperProgram()+` "$@" ;;
esac
`))
	second := newRenewing(t, dir, program, known)
	eventually(t, "the launch is gone", func() bool { return len(processes(t, dir)[string(spec.Launch)]) == 0 })
	eventually(t, "the keeper says why", func() bool {
		log, err := os.ReadFile(keeper.Data(dir).KeeperLog())
		return err == nil && strings.Contains(string(log), "cannot be held, and ends: cannot read what is held")
	})
	// The next keeper starts another when it has accounted for the launch before. A start that meets the death is refused.
	eventually(t, "another is started", func() bool {
		spec.Launch = newLaunch(t)
		w, err := second.Start(second.context(), known.add(spec), nil)
		if err != nil && w != nil {
			second.stop(w, true)
		}
		return err == nil
	})
	second.finish()
}
