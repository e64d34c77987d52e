package process

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/kind"
)

// descriptorsOf gives the limits of a process as the kernel has them, "soft hard".
func descriptorsOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			return strings.Join(strings.Fields(rest)[:2], " ")
		}
	}
	t.Fatalf("no limit in %s", text)
	return ""
}

func TestS2_DescriptorsOfAWorkerAreLimitedByItsKind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := r.connected(r.context())
	if err != nil {
		t.Fatal(err)
	}
	for files, want := range map[int]string{
		0:  descriptorsOf(t, l.pid()), // as its keeper
		1:  "1024 1024",
		64: "1024 1024",
		80: "1280 1280",
	} {
		w := r.start(newSpec(t, fmt.Sprintf("files-%d", files), func(k *kind.Kind) { k.Cost.Files = files }))
		found := workersOf(t, r.dir, w.Spec().Launch)
		if len(found) == 0 {
			t.Errorf("with %d declared, no process is found", files)
		}
		for _, p := range found {
			if got := descriptorsOf(t, p.PID); got != want {
				t.Errorf("with %d declared, process %d may have %s, want %s", files, p.PID, got, want)
			}
		}
	}
}

func TestFileLimit_IsNoMoreThanTheKeeperMayGive(t *testing.T) {
	t.Parallel()
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		t.Fatal(err)
	}
	if got := fileLimit(kind.Cost{Files: 1 << 40}, os.Getpid()); got != own.Max {
		t.Errorf("got %d, want %d, which this process may have", got, own.Max)
	}
	if got := fileLimit(kind.Cost{Files: 64}, -1); got != 0 {
		t.Errorf("of a keeper that is not there: %d, want none", got)
	}
}
