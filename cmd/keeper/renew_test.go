package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// another gives a program that the keeper is to go on with.
func another(t *testing.T) keeper.Renew {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keeper")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := keeper.IdentifyProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	return keeper.Renew{Path: path, Program: program}
}

func (m *fakeMachine) replacements() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.replaced)
}

// Where the program cannot be executed after all, everything that was stopped for it goes on.
func TestRenew_CanBeTakenBackToTheLast(t *testing.T) {
	t.Parallel()
	for name, contain := range map[string]bool{"swept": false, "contained": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(s *stage) { s.machine.contain = contain })
			s.hello()
			root := s.start("aaaaaaaa", "gen-a")
			wish := another(t)
			for range 3 {
				s.command(keeper.Message{Renew: &wish})
				if m := s.next(); m.Renewed == nil || !strings.Contains(m.Renewed.Failure, "exec format error") || m.Renewed.Launches != 1 {
					t.Fatalf("got %+v, want it refused by the system", m)
				}
			}
			if got := s.machine.replacements(); got != 3 {
				t.Errorf("the program was executed %d times, want 3", got)
			}
			s.start("bbbbbbbb", "gen-b")
			v := s.visit(77)
			v.attach(0)
			if m, _ := v.hears(); m.Denied == nil {
				t.Errorf("got %+v, want the door's answer", m)
			}
			if contain {
				if err := json.NewEncoder(s.machine.reports["aaaaaaaa"]).Encode(map[string]int{"Ended": 3 << 8}); err != nil {
					t.Fatal(err)
				}
				s.machine.reports["aaaaaaaa"].Close()
			}
			s.machine.end(root, 3<<8)
			if m := s.next(); m.Exited == nil || m.Exited.Status.Code != 3 {
				t.Errorf("got %+v, want the launch's exit", m)
			}
			if m := s.next(); m.Gone == nil {
				t.Errorf("got %+v, want it gone", m)
			}
			if contain {
				s.machine.reports["bbbbbbbb"].Close()
			}
		})
	}
}

func TestRenew_AnotherFileIsNotExecuted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	wish := another(t)
	if err := os.WriteFile(wish.Path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := keeper.Renew{Path: wish.Path + "-not", Program: wish.Program}
	for _, w := range []keeper.Renew{wish, missing, {Path: filepath.Dir(wish.Path), Program: wish.Program}} {
		s.command(keeper.Message{Renew: &w})
		if m := s.next(); m.Renewed == nil || !strings.HasPrefix(m.Renewed.Failure, "cannot ") {
			t.Errorf("got %+v, want it refused", m)
		}
	}
	if got := s.machine.replacements(); got != 0 {
		t.Errorf("a program was executed %d times", got)
	}
}

// While the router before could have the session back, the keeper stays as that one knows it.
func TestRenew_WaitsForTheLeavingRoutersLastWord(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Leave: &keeper.Leave{Leases: map[string]int{"aaaaaaaa": 1}, Within: time.Hour}})
	s.eventually("the offer is known", func() bool { return s.asks(func(h *holder) bool { return h.master.role == offering }) })
	v := s.visit(77)
	v.attach(0)
	for m, _ := v.hears(); m.Hello == nil; m, _ = v.hears() {
	}
	wish := another(t)
	v.say(keeper.Message{Renew: &wish})
	s.eventually("the wish is known", func() bool { return s.asks(func(h *holder) bool { return h.wanted != nil }) })
	if s.machine.replacements() != 0 {
		t.Error("the program was executed before the other router had let go")
	}
	s.command(keeper.Message{Release: &keeper.Release{}})
	if m, _ := v.hears(); m.Renewed == nil || s.machine.replacements() != 1 {
		t.Errorf("got %+v, want the program executed", m)
	}
	s.command(keeper.Message{Leases: &keeper.Leases{}}) // it is still heard
	if m, _ := v.hears(); m.Elsewhere == nil {
		t.Errorf("got %+v, want what the other one says", m)
	}
}

// What another program reads is what this one held, with nothing that could be changed on the way.
func TestState_RoundTrip(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(s *stage) { s.machine.contain = true })
	s.hello()
	for launch, generation := range map[string]string{"aaaaaaaa": "gen-a", "bbbbbbbb": "gen-b"} {
		s.start(launch, generation)
		report := s.machine.reports[launch]
		defer report.Close()
	}
	s.stop("bbbbbbbb", false)
	s.eventually("the stop is under way", func() bool { return s.asks(func(h *holder) bool { return h.launches["bbbbbbbb"].phase == stopping }) })
	var want, got state
	var failed, sealed error
	s.asks(func(h *holder) bool {
		var memory *os.File
		want, _, failed = h.leave()
		if memory, sealed = want.seal(); sealed == nil {
			_, sealed = memory.WriteString("x")
			var number int
			if number, failed = descriptor(memory); failed == nil {
				if number, failed = unix.Dup(number); failed == nil {
					got, failed = readState(number)
				}
			}
			memory.Close()
		}
		return true
	})
	if failed != nil || sealed == nil {
		t.Fatalf("it could not be left: %v; or it could be changed: %v", failed, sealed)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || len(got.Launches) != 2 || len(got.Sessions) != 1 || got.Lock <= 0 || got.Door <= 0 {
		t.Errorf("left and read (-left +read):\n%s", diff)
	}
	for _, l := range got.Launches {
		if l.Report < 0 || l.Output == nil || l.Lock <= 0 || l.By != 0 {
			t.Errorf("launch %s is left without its files", l.Start.Launch)
		}
		if l.Phase == stopping && l.Deadline != time.Hour {
			t.Errorf("%v of its grace are left, want an hour", l.Deadline)
		}
	}
}

func TestCheckResume(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{strconv.Itoa(stateVersion): 0, strconv.Itoa(stateVersion + 1): exitFailed, "": exitFailed, "x": exitFailed} {
		if got := checkResume(version); got != want {
			t.Errorf("version %q: got %d, want %d", version, got, want)
		}
	}
}
