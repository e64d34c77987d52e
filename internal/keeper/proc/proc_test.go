package proc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// TestMain makes the test binary a branded process for tests that need one.
func TestMain(m *testing.M) {
	if brand := os.Getenv("PROC_TEST_BRAND"); brand != "" {
		var b keeper.Brand
		if _, err := fmt.Sscan(brand, &b); err != nil {
			os.Exit(1)
		}
		if err := SetBrand(b); err != nil {
			os.Exit(1)
		}
		// The brand must outlive what a daemon does: another program, an empty environment, another session.
		err := syscall.Exec("/bin/sh", []string{"sh", "-c", "exec 3<&0; setsid sh -c 'echo ready; read never' <&3 & echo ready; read never"}, strings.Fields(os.Getenv("PROC_TEST_ENV")))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// The limit that carries the brand reads the same by both ways.
func TestLocksOf(t *testing.T) {
	t.Parallel()
	branded := run(t, keeper.NewBrand(1, "branded0"), "")
	for pid, want := range map[int]uint64{branded: uint64(keeper.NewBrand(1, "branded0")), os.Getpid(): unix.RLIM_INFINITY} {
		var limit unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err != nil || limit.Max != want {
			t.Errorf("process %d has %d %v, want %d", pid, limit.Max, err, want)
		}
		if got, err := locksOf(pid); err != nil || got != want {
			t.Errorf("process %d: got %d %v, want %d", pid, got, err, want)
		}
	}
	if got, err := locksOf(1 << 30); err == nil {
		t.Errorf("a process that is not there: %d", got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	const line = "42 (a) b (c) Z 7 8 9 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 2 0 1234 0 0\n"
	got, err := parse(42, []byte(line))
	want := Stat{ID: ID{42, 1234}, Parent: 7, Group: 8, Session: 9, State: 'Z', Threads: 2, Flags: 4194560, CPU: 1540 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42", "42 (x", "42 (x) S 1 2", "42 (x) S a b c 0 -1 0 1 2 3 4 1 2 3 4 5 6 7 8 9 0"} {
		if got, err := parse(42, []byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func TestStat_Dead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state   byte
		threads int
		want    bool
	}{{'S', 1, false}, {'R', 3, false}, {'D', 1, false}, {'T', 1, false}, {'Z', 1, true}, {'Z', 2, false}, {'X', 0, true}} {
		if got := (Stat{State: test.state, Threads: test.threads}).Dead(); got != test.want {
			t.Errorf("%c with %d threads: got %v", test.state, test.threads, got)
		}
	}
}

func TestRead_Self(t *testing.T) {
	t.Parallel()
	stat, err := Read(os.Getpid())
	if err != nil || stat.Parent != os.Getppid() || stat.Dead() || stat.Kernel() || stat.Start == 0 {
		t.Errorf("got %+v %v", stat, err)
	}
	if !Alive(stat.ID) || Alive(ID{PID: stat.PID, Start: stat.Start - 1}) {
		t.Error("this process lives, and no other with its pid")
	}
	if _, err := Read(1 << 30); err == nil {
		t.Error("a process that is not there was read")
	}
}

func TestSignal_NeverHitsAnother(t *testing.T) {
	t.Parallel()
	self, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := Signal(ID{PID: self.PID, Start: self.Start + 1}, unix.SIGKILL); err != nil {
		t.Errorf("an earlier process with this pid: %v", err)
	}
	if err := Signal(ID{PID: 1 << 22, Start: 1}, unix.SIGKILL); err != nil {
		t.Errorf("no process: %v", err)
	}
}

func TestEachPID_SeesEveryProcess(t *testing.T) {
	t.Parallel()
	found := map[int]bool{}
	if err := eachPID(func(pid int) {
		if found[pid] {
			t.Errorf("process %d comes twice", pid)
		}
		found[pid] = true
	}); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{1, os.Getpid(), os.Getppid()} {
		if !found[pid] {
			t.Errorf("process %d is missing", pid)
		}
	}
}

func TestCensus_KnowsBrandMarkAndDescent(t *testing.T) {
	t.Parallel()
	const data, elsewhere = keeper.DataID(0xfeedfacecafebeef), keeper.DataID(0xfeedfacecafe0000)
	branded := run(t, keeper.NewBrand(data, "branded0"), "")
	marked := run(t, 1, keeper.MarkName+"="+keeper.Mark{Data: data, Launch: "marked00"}.String())
	rooted := run(t, 1, "")
	// Another data directory's, whose id has the same first bits: its mark tells.
	foreign := run(t, keeper.NewBrand(elsewhere, "foreign0"), keeper.MarkName+"="+keeper.Mark{Data: elsewhere, Launch: "foreign0"}.String())
	root, err := Read(rooted)
	if err != nil {
		t.Fatal(err)
	}
	scope := Scope{Data: data, Everything: true, Roots: []Root{{Launch: "rooted00", ID: root.ID}}}
	counts := map[string]int{}
	scope.Found = func(launch string, member Stat) { counts[launch]++ }
	census, err := Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	for launch, pid := range map[string]int{"branded0": branded, "marked00": marked, "rooted00": rooted} {
		members := census.Members[launch]
		if len(members) != 2 || counts[launch] != 2 {
			t.Errorf("%s: got %+v, want the process and its child in another session", launch, members)
		}
		if len(members) > 0 && members[0].PID != pid && members[1].PID != pid {
			t.Errorf("%s: got %+v, want process %d among them", launch, members, pid)
		}
	}
	if len(census.Members) != 3 {
		t.Errorf("got %d launches, want 3: %+v; process %d is another data directory's", len(census.Members), census.Members, foreign)
	}
	// Without the wish for everything, nothing that is older than every root counts.
	scope.Everything, scope.Roots[0].ID.Start = false, 1<<62
	if census, err := Take(scope); err != nil || len(census.Members) > 0 {
		t.Errorf("got %+v %v, want nothing", census.Members, err)
	}
}

// run starts a branded process with a child in a session of its own, and gives its pid.
func run(t *testing.T, brand keeper.Brand, environment string) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.Background(), self)
	command.Env = []string{fmt.Sprintf("PROC_TEST_BRAND=%d", brand), "PROC_TEST_ENV=" + environment}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.StdinPipe(); err != nil { // both read from it, and wait
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The child is the only other process of this parent.
		pids := []int{command.Process.Pid}
		_ = eachPID(func(pid int) {
			if stat, err := Read(pid); err == nil && stat.Parent == command.Process.Pid {
				pids = append(pids, pid)
			}
		})
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		_ = command.Wait()
	})
	// Each says so when it has the program that it stays with: in the midst of a change a process has no environment.
	if _, err := io.ReadFull(out, make([]byte, 2*len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return command.Process.Pid
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("42 (a) b (c) Z 7 8 9 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 2 0 1234 0 0\n"))
	f.Add([]byte("1 ()"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if stat, err := parse(1, text); err == nil && stat.PID != 1 {
			t.Errorf("got %+v", stat)
		}
	})
}
