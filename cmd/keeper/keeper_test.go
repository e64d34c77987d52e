package main

import (
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

func TestHolder_StopIsSignalThenKill(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	root := s.start("aaaaaaaa", "gen-a")
	child := s.machine.add("aaaaaaaa", false)
	if !s.locked("gen-a") {
		t.Error("a live launch holds no lock")
	}
	s.stop("aaaaaaaa", false)
	s.eventually("the root has the signal", func() bool { return len(s.machine.signals(root)) == 1 })
	if got := s.machine.signals(root)[0]; got != unix.SIGTERM {
		t.Errorf("got %v first, want SIGTERM", got)
	}
	if got := s.machine.signals(child); len(got) > 0 {
		t.Errorf("the child was sent %v within the grace", got)
	}
	s.machine.end(root, 0)
	if m := s.next(); m.Exited == nil || m.Exited.Status.Code != 0 {
		t.Fatalf("got %+v, want exited", m)
	}
	m := s.next()
	if m.Gone == nil || !m.Gone.Asked || m.Gone.Proof == "" || m.Gone.Killed != 1 {
		t.Fatalf("got %+v, want gone with one that was killed", m)
	}
	if s.locked("gen-a") {
		t.Error("the lock is held after gone")
	}
	if got := s.machine.signals(child); len(got) == 0 || got[0] != unix.SIGKILL {
		t.Errorf("what the root left was sent %v, want SIGKILL", got)
	}
}

func TestHolder_NotGone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	child := s.machine.add("aaaaaaaa", false)
	s.machine.setUnkillable(child, true)
	s.stop("aaaaaaaa", true)
	if m := s.next(); m.Exited == nil {
		t.Fatalf("got %+v, want exited", m)
	}
	s.clock.advance(killPatience + time.Second)
	m := s.next()
	if diff := cmp.Diff(&keeper.NotGone{Launch: "aaaaaaaa", PIDs: []int{child.PID}}, m.NotGone); diff != "" {
		t.Fatalf("not_gone (-want +got):\n%s", diff)
	}
	if !s.locked("gen-a") {
		t.Error("the lock is free, although something is left")
	}
	// Neither that generation nor that launch can start again, and others can.
	again := s.startOf("bbbbbbbb", "gen-a")
	s.command(keeper.Message{Start: &again})
	if m := s.next(); m.Refused == nil || m.Refused.Reason != keeper.ReasonLocked {
		t.Fatalf("got %+v, want it refused as locked", m)
	}
	s.start("cccccccc", "gen-c")
	s.stop("aaaaaaaa", false)
	if m := s.next(); m.NotGone == nil {
		t.Fatalf("got %+v, want not_gone again", m)
	}
	s.machine.setUnkillable(child, false)
	if m := s.next(); m.Gone == nil || m.Gone.Launch != "aaaaaaaa" {
		t.Fatalf("got %+v, want gone at last", m)
	}
	if s.locked("gen-a") {
		t.Error("the lock is held after gone")
	}
}

// An orphan that is reaped may have had a child that the census under way has missed.
func TestHolder_ReapedOrphanVoidsTheCensus(t *testing.T) {
	t.Parallel()
	h := newHolder(keeper.Data(t.TempDir()), 1, "boot", nil, newFakeMachine())
	l := &launch{start: keeper.Start{Launch: "aaaaaaaa"}, phase: killing, clean: 1, exit: &keeper.Status{}, deadline: h.now().Add(time.Hour)}
	h.launches["aaaaaaaa"] = l
	targets := []target{{launch: l, epoch: l.epoch, counted: true}}
	machine := h.system.(*fakeMachine)
	machine.end(machine.add("aaaaaaaa", false), 0)
	h.reap()
	h.endSweep(targets, proc.Census{}, nil)
	if l.phase != killing || l.clean != 0 {
		t.Errorf("phase %v after %d clean censuses, want the proof to begin anew", l.phase, l.clean)
	}
}

func TestHolder_StraysAndNeighbours(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	other := s.start("bbbbbbbb", "gen-b")
	otherChild := s.machine.add("bbbbbbbb", false)
	stray := s.machine.add("", false)
	s.stop("aaaaaaaa", true)
	for range 2 {
		s.next()
	}
	s.eventually("the stray is killed", func() bool { return len(s.machine.signals(stray)) > 0 })
	for _, id := range []proc.ID{other, otherChild} {
		if got := s.machine.signals(id); len(got) > 0 {
			t.Errorf("process %d of a neighbour was sent %v", id.PID, got)
		}
	}
}

// As long as a stray lives it may be anybody's, so that nothing is proven gone; but not for ever.
func TestHolder_StrayDelaysTheProof(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	stray := s.machine.add("", false)
	s.machine.setUnkillable(stray, true)
	s.stop("aaaaaaaa", true)
	if m := s.next(); m.Exited == nil {
		t.Fatalf("got %+v, want exited", m)
	}
	s.eventually("the stray is tried again and again", func() bool { return len(s.machine.signals(stray)) > 5 })
	select {
	case m := <-s.inbox:
		t.Fatalf("got %+v while a stray lives", m)
	default:
	}
	s.clock.advance(killPatience + time.Second)
	if m := s.next(); m.Gone == nil {
		t.Errorf("got %+v, want gone", m)
	}
}

// A root that is forked while a census is taken looks like a stray.
func TestHolder_RootIsNoStray(t *testing.T) {
	t.Parallel()
	machine := newFakeMachine()
	h := newHolder(keeper.Data(t.TempDir()), 1, "boot", nil, machine)
	root := machine.add("aaaaaaaa", true)
	h.roots[root.PID] = &launch{root: root}
	if h.killStrays([]proc.Stray{{Stat: proc.Stat{ID: root}}}) {
		t.Error("a root counts as a stray")
	}
	if got := machine.signals(root); len(got) > 0 {
		t.Errorf("a root was sent %v", got)
	}
}

// So does what a launch let go that began while a census was taken; one that claims a launch that never was is one.
func TestHolder_WhoClaimsALivingLaunchIsNoStray(t *testing.T) {
	t.Parallel()
	machine := newFakeMachine()
	h := newHolder(keeper.Data(t.TempDir()), 1, "boot", log.New(io.Discard, "", 0), machine)
	h.launches["aaaaaaaa"] = &launch{}
	let, escaped := machine.add("aaaaaaaa", false), machine.add("", false)
	if !h.killStrays([]proc.Stray{{Stat: proc.Stat{ID: let}, Claims: "aaaaaaaa"}, {Stat: proc.Stat{ID: escaped}, Claims: "bbbbbbbb"}}) {
		t.Error("nothing counts as a stray")
	}
	if got := machine.signals(let); len(got) > 0 {
		t.Errorf("a living launch's process was sent %v", got)
	}
	if got := machine.signals(escaped); len(got) != 1 {
		t.Errorf("the escaped process was sent %v, want SIGKILL", got)
	}
}

func TestHolder_RefusesWhatItCannotProve(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	tests := map[string]struct {
		change func(*keeper.Start)
		reason keeper.Reason
	}{
		"launch":          {func(c *keeper.Start) { c.Launch = "../../x" }, keeper.ReasonInvalid},
		"launch is there": {func(c *keeper.Start) { c.Launch, c.RunDir = "aaaaaaaa", s.data.RunDir("aaaaaaaa") }, keeper.ReasonInvalid},
		"generation":      {func(c *keeper.Start) { c.Generation = "../x" }, keeper.ReasonInvalid},
		"own lock":        {func(c *keeper.Start) { c.Generation = "keeper" }, keeper.ReasonInvalid},
		"locked":          {func(c *keeper.Start) { c.Generation = "gen-a" }, keeper.ReasonLocked},
		"run directory":   {func(c *keeper.Start) { c.RunDir = "/" }, keeper.ReasonInvalid},
		"log":             {func(c *keeper.Start) { c.Log.Path = "/etc/passwd" }, keeper.ReasonInvalid},
		"log's limit":     {func(c *keeper.Start) { c.Log.Limit = 0 }, keeper.ReasonInvalid},
		"program":         {func(c *keeper.Start) { c.Program = "true" }, keeper.ReasonInvalid},
		"no argv":         {func(c *keeper.Start) { c.Args = nil }, keeper.ReasonInvalid},
		"signal":          {func(c *keeper.Start) { c.Signal = 0 }, keeper.ReasonInvalid},
		"grace":           {func(c *keeper.Start) { c.Grace = -1 }, keeper.ReasonInvalid},
	}
	for name, test := range tests {
		command := s.startOf("bbbbbbbb", "gen-b")
		test.change(&command)
		s.command(keeper.Message{Start: &command})
		if m := s.next(); m.Refused == nil || m.Refused.Reason != test.reason || m.Refused.Launch != command.Launch {
			t.Errorf("%s: got %+v, want it refused as %q", name, m, test.reason)
		}
	}
	s.start("bbbbbbbb", "gen-b")
}

func TestHolder_ExecStepFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(s *stage) { s.machine.refuse = `{"Reason":"exec","Errno":2,"Text":"cannot execute"}` })
	s.hello()
	if err := os.MkdirAll(s.data.RunDir("aaaaaaaa"), 0o700); err != nil {
		t.Fatal(err)
	}
	command := s.startOf("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Start: &command})
	want := &keeper.Refused{Launch: "aaaaaaaa", Reason: keeper.ReasonExec, Errno: 2, Text: "cannot execute"}
	if diff := cmp.Diff(want, s.next().Refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(s.data.RunDir("aaaaaaaa")); !errors.Is(err, os.ErrNotExist) || s.locked("gen-a") {
		t.Errorf("something is left: %v", err)
	}
}

func TestHolder_UnknownLaunchIsGone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.stop("nowhere0", false)
	if m := s.next(); m.Gone == nil || m.Gone.Launch != "nowhere0" {
		t.Errorf("got %+v, want gone", m)
	}
}

// A stop that comes late is about the launch that had the id before, and does not touch the one that has it now.
func TestHolder_LateStopIsOfTheLaunchBefore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	root := s.start("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Nonce: "before", Stop: &keeper.Stop{Launch: "aaaaaaaa", Force: true}})
	if m := s.next(); m.Gone == nil || m.Nonce != "before" {
		t.Errorf("got %+v, want the launch before gone", m)
	}
	if got := s.machine.signals(root); len(got) > 0 {
		t.Errorf("the launch that has the id now was sent %v", got)
	}
	s.stop("aaaaaaaa", true)
	for _, what := range []string{"exited", "gone"} {
		if m := s.next(); m.Nonce != "n" {
			t.Errorf("%s: got the nonce %q, want the launch's", what, m.Nonce)
		}
	}
}

func TestHolder_EndOfTheRouterStopsAll(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*stage){
		"end of file": func(s *stage) { s.router.Close() },
		"nonsense":    func(s *stage) { _, _ = s.router.WriteString("nonsense\n") },
		"no command":  func(s *stage) { s.command(keeper.Message{Done: &keeper.Done{}}) },
		"SIGTERM":     func(s *stage) { s.signals <- unix.SIGTERM },
		"shutdown":    func(s *stage) { s.command(keeper.Message{Shutdown: &keeper.Shutdown{}}) },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.hello()
			roots := []proc.ID{s.start("aaaaaaaa", "gen-a"), s.start("bbbbbbbb", "gen-b")}
			end(s)
			for _, root := range roots {
				s.eventually("each root has its signal", func() bool { return len(s.machine.signals(root)) == 1 })
				s.machine.end(root, 0)
			}
			select {
			case err := <-s.over:
				if err != nil {
					t.Error(err)
				}
				s.over <- nil
			case <-time.After(patience):
				t.Fatal("the keeper does not end")
			}
			if name != "shutdown" {
				return
			}
			var last keeper.Message
			for m := range s.inbox {
				last = m
			}
			if last.Done == nil || len(last.Done.Left) > 0 {
				t.Errorf("the last word is %+v, want done", last)
			}
		})
	}
}

func TestHolder_ShutdownSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	root := s.start("aaaaaaaa", "gen-a")
	s.machine.setUnkillable(root, true)
	s.stop("aaaaaaaa", true)
	s.eventually("it is killed", func() bool { return len(s.machine.signals(root)) > 0 })
	s.command(keeper.Message{Shutdown: &keeper.Shutdown{}})
	s.clock.advance(killPatience + time.Second)
	if m := s.next(); m.NotGone == nil {
		t.Fatalf("got %+v, want not_gone", m)
	}
	if diff := cmp.Diff(&keeper.Done{Left: []string{"aaaaaaaa"}}, s.next().Done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	select {
	case err := <-s.over:
		t.Errorf("the keeper ended while it held something: %v", err)
		s.over <- nil
	default:
	}
	late := s.startOf("bbbbbbbb", "gen-b")
	s.command(keeper.Message{Start: &late})
	if m := s.next(); m.Refused == nil || m.Refused.Reason != keeper.ReasonEnding {
		t.Errorf("got %+v, want a late start refused", m)
	}
}

func TestHolder_WaitsForItsPredecessor(t *testing.T) {
	t.Parallel()
	var before *keeper.FileLock
	s := newStage(t, func(s *stage) {
		var err error
		if before, err = keeper.Lock(s.data.KeeperLock()); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(&keeper.Waiting{PID: os.Getpid()}, s.next().Waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	before.Close()
	s.hello()
}

func TestHolder_GivesUpWaitingWithItsRouter(t *testing.T) {
	t.Parallel()
	var before *keeper.FileLock
	s := newStage(t, func(s *stage) { before, _ = keeper.Lock(s.data.KeeperLock()) })
	defer before.Close()
	s.next()
	s.router.Close()
	select {
	case err := <-s.over:
		if err != nil {
			t.Error(err)
		}
		s.over <- nil
	case <-time.After(patience):
		t.Error("the keeper waits for a lock that nobody needs any more")
	}
}

func TestHolder_ReapsLeftovers(t *testing.T) {
	t.Parallel()
	var known, unknown, stuck proc.ID
	s := newStage(t, func(s *stage) {
		known, unknown, stuck = s.machine.add("aaaaaaaa", false), s.machine.add("bbbbbbbb", false), s.machine.add("cccccccc", false)
		s.machine.setUnkillable(stuck, true)
		for _, launch := range []string{"aaaaaaaa", "cccccccc", "dddddddd"} {
			r := record{Version: keeper.Version, Launch: launch, Generation: "gen-" + launch[:1], Workspace: launch, Boot: "boot", PID: 1, Start: 1}
			if err := r.write(s.data, disk{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range []string{s.data.RunDir("aaaaaaaa"), s.data.RunDir("eeeeeeee"), filepath.Join(s.data.Run(), "not-a-launch")} {
			if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			s.eventually("what can be killed is", func() bool { return len(s.machine.signals(stuck)) > 3 })
			s.clock.advance(killPatience + time.Second)
		}()
	})
	hello := s.hello()
	want := []keeper.Reaped{
		{Launch: "aaaaaaaa", Generation: "gen-a", Workspace: "aaaaaaaa", PIDs: []int{known.PID}},
		{Launch: "bbbbbbbb", PIDs: []int{unknown.PID}},
		{Launch: "cccccccc", Generation: "gen-c", Workspace: "cccccccc", PIDs: []int{stuck.PID}, Left: true},
		{Launch: "dddddddd", Generation: "gen-d", Workspace: "dddddddd"},
	}
	if diff := cmp.Diff(want, hello.Reaped); diff != "" {
		t.Errorf("reaped (-want +got):\n%s", diff)
	}
	if !s.locked("gen-c") || s.locked("gen-a") {
		t.Error("what is left holds its lock, and nothing else one")
	}
	var left []string
	for _, pattern := range []string{"run/*", "run/launches/*"} {
		paths, _ := filepath.Glob(filepath.Join(string(s.data), pattern))
		for _, path := range paths {
			left = append(left, path[len(s.data):])
		}
	}
	if diff := cmp.Diff([]string{"/run/keeper.sock", "/run/launches", "/run/not-a-launch", "/run/launches/cccccccc.json"}, left); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	s.machine.setUnkillable(stuck, false)
	if m := s.next(); m.Gone == nil || m.Gone.Launch != "cccccccc" {
		t.Errorf("got %+v, want the last one gone", m)
	}
	if s.locked("gen-c") {
		t.Error("the lock is held after gone")
	}
}

// A record of an earlier boot says nothing of this boot's processes.
func TestHolder_RecordOfAnotherBoot(t *testing.T) {
	t.Parallel()
	self, err := proc.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, func(s *stage) {
		r := record{Version: keeper.Version, Launch: "aaaaaaaa", Generation: "gen-a", Boot: "another", PID: self.PID, Start: self.Start}
		if err := r.write(s.data, disk{}); err != nil {
			t.Fatal(err)
		}
	})
	if reaped := s.hello().Reaped; len(reaped) != 1 || len(reaped[0].PIDs) > 0 {
		t.Errorf("reaped %+v, want the launch without a process", reaped)
	}
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	for _, scope := range s.machine.scopes {
		for _, root := range scope.Roots {
			if root.ID.PID != 0 {
				t.Errorf("process %d is taken for the root of launch %s", root.ID.PID, root.Launch)
			}
		}
	}
}
