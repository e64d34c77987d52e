package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/sandbox"
)

// withGroups gives a stage a base of plain files.
func withGroups(files map[string]string) func(*stage) {
	return func(s *stage) {
		s.groups.Base = &cgroup.Base{Path: s.TempDir()}
		for file, text := range files {
			s.put(s.groups.Base.Path, file, text)
		}
	}
}

// put writes a file as the kernel would have it.
func (s *stage) put(dir, file, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) groupOf(launch string) string {
	return filepath.Join(s.groups.Base.Path, groupName(1, launch))
}

// empty has the kernel find nobody in a group any more. What is left of it can be removed.
func (s *stage) empty(group string) {
	s.Helper()
	for _, file := range []string{"cgroup.kill", "cgroup.procs", "cgroup.events"} { // the last one says it
		if err := os.Remove(filepath.Join(group, file)); err != nil {
			s.Fatal(err)
		}
	}
}

// populate has the kernel find somebody in a group. No process of this machine has that pid.
func (s *stage) populate(group string) {
	s.Helper()
	s.put(group, "cgroup.events", "populated 1\n")
	s.put(group, "cgroup.procs", "99999999\n")
	s.put(group, "cgroup.kill", "")
}

// Nothing is called gone while somebody is in its group, whatever else was proven.
func TestHolder_GroupMustBeEmpty(t *testing.T) {
	t.Parallel()
	for name, contained := range map[string]bool{"swept": false, "contained": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, withGroups(nil), func(s *stage) { s.machine.contain = contained })
			s.hello()
			root := s.start("aaaaaaaa", "gen-a")
			group := s.groupOf("aaaaaaaa")
			s.populate(group)
			if contained {
				s.machine.reports["aaaaaaaa"].Close()
			}
			s.machine.end(root, 0)
			if m := s.next(); m.Exited == nil {
				t.Fatalf("got %+v, want exited", m)
			}
			s.eventually("the group is killed", func() bool { // and the deadline of that is set
				text, _ := os.ReadFile(filepath.Join(group, "cgroup.kill"))
				return string(text) == "1"
			})
			s.clock.advance(2 * killPatience)
			m := s.next()
			if diff := cmp.Diff(&keeper.NotGone{Launch: "aaaaaaaa", PIDs: []int{99999999}}, m.NotGone); diff != "" {
				t.Fatalf("not_gone (-want +got):\n%s", diff)
			}
			if !s.locked("gen-a") {
				t.Error("the lock is free, although somebody is in the group")
			}
			s.empty(group)
			if m := s.next(); m.Gone == nil || m.Gone.Proof != proof+proofGroup {
				t.Fatalf("got %+v, want gone, by the sweep and the group", m)
			}
			if _, err := os.Stat(group); err == nil {
				t.Error("the group was not removed")
			}
		})
	}
}

// An empty group adds to the proof of a contained launch.
func TestHolder_GroupAddsToTheProof(t *testing.T) {
	t.Parallel()
	s := newStage(t, withGroups(nil), func(s *stage) { s.machine.contain = true })
	s.hello()
	root := s.start("aaaaaaaa", "gen-a")
	s.machine.reports["aaaaaaaa"].Close()
	s.machine.end(root, 0)
	s.next()
	if m := s.next(); m.Gone == nil || m.Gone.Proof != proofContained+proofGroup {
		t.Fatalf("got %+v, want gone by both", m)
	}
}

// What lives in a group that an earlier keeper has left ends before a command is taken, though no record names it.
func TestHolder_ReapsLeftGroups(t *testing.T) {
	t.Parallel()
	var group string
	s := newStage(t, withGroups(nil), func(s *stage) {
		group = s.groupOf("zzzzzzzz")
		if err := os.Mkdir(group, 0o700); err != nil {
			s.Fatal(err)
		}
		s.populate(group)
	})
	s.eventually("the group is killed", func() bool {
		text, _ := os.ReadFile(filepath.Join(group, "cgroup.kill"))
		return string(text) == "1"
	})
	select {
	case m := <-s.inbox:
		t.Fatalf("got %+v before the group was empty", m)
	default:
	}
	s.empty(group)
	if hello := s.hello(); len(hello.Reaped) != 1 || hello.Reaped[0].Launch != "zzzzzzzz" || hello.Proof != proof+proofGroup {
		t.Errorf("got %+v, want the launch reaped", hello)
	}
	if _, err := os.Stat(group); err == nil {
		t.Error("the group was not removed")
	}
}

// A record leads to a group that is not where this keeper has its own.
func TestHolder_LeftGroupByItsRecord(t *testing.T) {
	t.Parallel()
	h := newHolder(keeper.Data(t.TempDir()), 1, "boot", nil, newFakeMachine())
	records := map[string]record{
		"aaaaaaaa": {Launch: "aaaaaaaa", Group: "/sys/fs/cgroup/elsewhere/" + groupName(1, "aaaaaaaa")},
		"bbbbbbbb": {Launch: "bbbbbbbb", Group: "/sys/fs/cgroup/system.slice"}, // not what a keeper would write
		"cccccccc": {Launch: "cccccccc"},
	}
	got, err := h.leftGroups(records)
	want := map[string]cgroup.Group{"aaaaaaaa": {Path: records["aaaaaaaa"].Group}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// With the router gone, the next one must be able to come where the service manager puts it.
func TestHolder_YieldsToTheNextRouter(t *testing.T) {
	t.Parallel()
	s := newStage(t, withGroups(map[string]string{"cgroup.controllers": "pids\n", "cgroup.procs": "", "cgroup.subtree_control": ""}))
	s.hello()
	control := filepath.Join(s.groups.Base.Path, "cgroup.subtree_control")
	if text, _ := os.ReadFile(control); string(text) != "+pids" {
		t.Fatalf("%q was written, want the controller on", text)
	}
	s.holder.post(func() { s.groups.Base.Guests = true })
	s.start("aaaaaaaa", "gen-a")
	s.router.Close()
	s.eventually("the controller is off", func() bool {
		text, _ := os.ReadFile(control)
		return string(text) == "-pids"
	})
}

func TestWithGroup(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ held, group, want sandbox.Result }{
		"adds both": {
			held: sandbox.Result{Landlock: 4, Means: []string{"a"}, Missing: []string{"b (why)"}}, group: sandbox.Result{Means: []string{"c"}, Missing: []string{"d (why)"}},
			want: sandbox.Result{Landlock: 4, Means: []string{"a", "c"}, Missing: []string{"b (why)", "d (why)"}},
		},
		"the group has the limit that the namespace lacks": {
			held: sandbox.Result{Missing: []string{"process limit (old kernel)"}}, group: sandbox.Result{Means: []string{"process limit"}},
			want: sandbox.Result{Means: []string{"process limit"}, Missing: []string{}},
		},
		"the namespace has the limit that the group lacks": {
			held: sandbox.Result{Means: []string{"process limit"}}, group: sandbox.Result{Missing: []string{"process limit (off)"}},
			want: sandbox.Result{Means: []string{"process limit"}},
		},
		"both have it": {
			held: sandbox.Result{Means: []string{"process limit"}}, group: sandbox.Result{Means: []string{"process limit"}},
			want: sandbox.Result{Means: []string{"process limit"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, withGroup(tc.held, cgroup.Group{Held: tc.group})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Where a process cannot be born into its group the launch goes on without.
func TestOrOutside(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	group := cgroup.Group{Path: t.TempDir()}
	for name, tc := range map[string]struct {
		group           cgroup.Group
		inside, outside error
		wantOutside     error
		want            error
	}{
		"inside":       {group: group},
		"no group":     {inside: errNo},
		"outside":      {group: group, inside: errNo, wantOutside: errNo},
		"neither":      {group: group, inside: errNo, outside: errNo, wantOutside: errNo, want: errNo},
		"it is absent": {group: cgroup.Group{Path: filepath.Join(group.Path, "none")}, wantOutside: os.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := orOutside(tc.group, func(dir *os.File) (forked, error) {
				if dir != nil {
					return forked{}, tc.inside
				}
				return forked{}, tc.outside
			})
			if !errors.Is(err, tc.want) || !errors.Is(f.outside, tc.wantOutside) {
				t.Errorf("got %v and %v, want %v and %v", err, f.outside, tc.want, tc.wantOutside)
			}
		})
	}
}
