package inside

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// Launches among the machine's processes, held by groups alone. The parts share a router, as the machine is slow.
func TestGroups_Swept(t *testing.T) {
	s := newScene(t, "limits: {memory: 96MiB}\nisolation: {pid_namespace: off, processes: 301}\n")
	t.Run("each launch has its group and limits", func(t *testing.T) {
		s.holds(t, map[string]string{
			"memory.max": "100663296", "memory.high": "max", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "301",
		})
	})
	t.Run("out of memory stays at home", s.outOfMemory)
	t.Run("out of memory at the start", s.outOfMemoryAtTheStart)
	t.Run("a bomb of forks meets its limit", s.bomb)
	t.Run("empty is part of the proof", s.emptyIsProof)
	t.Run("leftovers of a killed keeper", func(t *testing.T) { s.leftovers(t, false) })
}

// The same in PID namespaces; and a kind that sets no limit is held to what all workers may take together.
func TestGroups_Contained(t *testing.T) {
	s := newScene(t, "limits: {memory_high: 500MiB}\nisolation: {processes: 301}\n")
	t.Run("each launch has its group and limits", func(t *testing.T) {
		s.holds(t, map[string]string{
			"memory.max": strconv.Itoa(600 << 20), "memory.high": strconv.Itoa(500 << 20), "memory.swap.max": "max", "pids.max": "301",
		})
	})
	t.Run("a bomb of forks meets its limit", s.bomb)
	t.Run("empty is part of the proof", s.emptyIsProof)
	t.Run("leftovers of a killed keeper without records", func(t *testing.T) { s.leftovers(t, true) })
}

// scene is a router whose launches have groups below one of its own.
type scene struct {
	*testkit.Router
	dir, base, kind string
}

func newScene(t *testing.T, more string) *scene {
	t.Helper()
	dir := testkit.ShortDir(t)
	s := &scene{dir: dir, base: filepath.Join(hierarchy, filepath.Base(dir)), kind: hostile(t, dir, more)}
	t.Cleanup(func() {
		s.left(t, 0)
		if err := os.Remove(s.base); err != nil {
			t.Errorf("the group is not free: %v", err)
		}
	})
	s.again(t)
	return s
}

// again starts a router over the same data.
func (s *scene) again(t *testing.T) {
	t.Helper()
	s.Router = startIn(t, s.dir, s.kind, "ROUTER_ISOLATION_CGROUP="+s.base)
}

// left fails the test unless there are so many groups of launches.
func (s *scene) left(t *testing.T, want int) {
	t.Helper()
	if left := launchesIn(t, s.base); len(left) != want {
		t.Errorf("there are the groups %v, want %d", left, want)
	}
}

func (s *scene) holds(t *testing.T, want map[string]string) {
	w := start(t, s.Router, "alpha")
	group := groupOf(t, w.PID)
	if filepath.Dir(group) != s.base || !strings.HasSuffix(group, "-"+w.Launch) {
		t.Errorf("the worker is in %q, want a group of its launch in %q", group, s.base)
	}
	for file, want := range want {
		if got := read(t, group, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	held, missing, _ := strings.Cut(w.Isolation, "; without ")
	for _, means := range []string{"control group", "memory limit", "process limit"} {
		if !strings.Contains(held, means) || strings.Contains(missing, means) {
			t.Errorf("%q is not said of it: %s", means, w.Isolation)
		}
	}
}

// What one worker takes too much ends that worker as a whole, with its cause; its neighbour serves on.
func (s *scene) outOfMemory(t *testing.T) {
	fault(t, s.Router, "alpha", "HOSTILE_FORK_GROUP=2")
	alpha, beta := start(t, s.Router, "alpha"), start(t, s.Router, "beta")
	for i := range 6 { // less than its limit each, more together
		response, err := s.Do(t.Context(), testkit.Request{Method: http.MethodPost, Path: "/w/alpha/eat?bytes=25000000"})
		if err != nil {
			t.Fatal(err)
		}
		s.Must(t, http.StatusOK, testkit.Request{Path: "/w/beta/echo"})
		if response.Status == http.StatusBadGateway {
			break
		}
		if response.Status != http.StatusOK || i == 5 {
			t.Fatalf("meal %d is answered %d: %s", i, response.Status, response.Body)
		}
	}
	testkit.Eventually(t, "the end to be told", func() error {
		died := events(t, s.Router, "died", "alpha")
		if len(died) != 1 || died[0].Reason != "out_of_memory" || !strings.Contains(died[0].Detail, "memory_limit") {
			return fmt.Errorf("got %+v", died)
		}
		return nil
	})
	if now := show(t, s.Router, "beta"); now.PID != beta.PID {
		t.Errorf("the neighbour was process %d and is %d", beta.PID, now.PID)
	}
	if again := start(t, s.Router, "alpha"); again.Launch == alpha.Launch {
		t.Error("the worker that ended serves still")
	}
	s.left(t, 2)
}

// One that cannot even start within its limit says so, and what to do.
func (s *scene) outOfMemoryAtTheStart(t *testing.T) {
	fault(t, s.Router, "gamma", "HOSTILE_HOLD_MEMORY=200000000")
	response := s.Must(t, http.StatusServiceUnavailable, testkit.Request{Path: "/w/gamma/echo"})
	for _, want := range []string{"out_of_memory", "96MiB", "memory_limit"} {
		if !strings.Contains(response.Body, want) {
			t.Errorf("the answer lacks %q: %s", want, response.Body)
		}
	}
}

// A bomb of forks comes to the limit and no further, and ends in one step.
func (s *scene) bomb(t *testing.T) {
	start(t, s.Router, "beta")
	fault(t, s.Router, "delta", "HOSTILE_FORK_STORM=2000")
	group := groupOf(t, start(t, s.Router, "delta").PID)
	testkit.Eventually(t, "the bomb to meet its limit", func() error {
		if n := number(t, group, "pids.current"); n < 301 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	if n := number(t, group, "pids.current"); n > 301 {
		t.Errorf("there are %d processes, want 301 at most", n)
	}
	s.Must(t, http.StatusOK, testkit.Request{Path: "/w/beta/echo"})
	began := time.Now()
	command(t, s.Router, nil, "worker", "evict", "delta", "--force")
	t.Logf("gone after %v", time.Since(began))
	if _, err := os.Stat(group); err == nil {
		t.Error("its group is there still")
	}
}

// A process that bears no sign of its launch but the group ends with the launch, and is waited for.
func (s *scene) emptyIsProof(t *testing.T) {
	group := groupOf(t, start(t, s.Router, "alpha").PID)
	signless := stranger(t, group)
	command(t, s.Router, nil, "worker", "evict", "alpha")
	if _, err := os.Stat(group); err == nil {
		t.Error("the worker counts as gone, and its group is there still")
	}
	select {
	case <-signless:
	case <-time.After(testkit.Patience):
		t.Error("a process of the group lives")
	}
}

// stranger is a process of nobody's in a group. The channel is closed when it has ended.
func stranger(t *testing.T, group string) <-chan struct{} {
	t.Helper()
	process := exec.CommandContext(t.Context(), "/bin/sleep", "600")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = process.Wait() // it is killed
		close(ended)
	}()
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(process.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	return ended
}

// What is left in the groups of a killed keeper ends before the next one takes a command, with and without a record.
func (s *scene) leftovers(t *testing.T, losesRecords bool) {
	signless := stranger(t, groupOf(t, start(t, s.Router, "alpha").PID))
	kill(t, s.Process.Pid, keeperOf(t, s.DataDir))
	s.Kill()
	if losesRecords {
		if err := os.RemoveAll(filepath.Join(s.DataDir, "run", "launches")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-signless:
		t.Fatal("it ended with its keeper, so this shows nothing")
	default:
	}
	s.again(t)
	select {
	case <-signless:
	case <-time.After(testkit.Patience):
		t.Error("the next router serves, and a process of before lives")
	}
	s.left(t, 0)
	start(t, s.Router, "alpha")
	s.Terminate(t)
}

// Where there are no groups each launch says so, and why.
func TestGroups_WhatIsMissingIsNamed(t *testing.T) {
	for setting, want := range map[string]string{"off": "switched off by isolation.cgroup", "auto": "is not delegated"} {
		dir := testkit.ShortDir(t)
		r := startIn(t, dir, hostile(t, dir, ""), "ROUTER_ISOLATION_CGROUP="+setting)
		if w := start(t, r, "alpha"); !strings.Contains(w.Isolation, want) {
			t.Errorf("%s: %q is not said: %s", setting, want, w.Isolation)
		}
		r.Terminate(t)
	}
}
