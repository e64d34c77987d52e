package process

import (
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// A worker with a view of its own cannot reach shared memory and queues of others, which anybody of its user may use.
func TestIsolation_IPC(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := unix.Getpid()<<8 | 7
	segment, err := unix.SysvShmGet(key, 4096, unix.IPC_CREAT|unix.IPC_EXCL|0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.SysvShmCtl(segment, unix.IPC_RMID, nil) })
	queue := "workspace-router-test-" + strconv.Itoa(unix.Getpid())
	makeQueue(t, queue)
	for _, view := range []string{kind.IsolationAuto, kind.IsolationOff} {
		w := r.start(newSpec(t, "view-"+view, func(k *kind.Kind) {
			k.Isolation.PIDNamespace, k.Isolation.Landlock = view, kind.IsolationOff // Landlock closes queues, too
		}))
		held := w.(*worker).spawned.Isolation
		apart := slices.Contains(held.Means, sandbox.MeansIPC)
		if want := view == kind.IsolationAuto && mayContain(); apart != want {
			t.Errorf("view %s: %v, want it apart: %v", view, held, want)
		}
		s := &scene{attacker: w}
		for what, on := range map[string]string{"memory segment": strconv.Itoa(key), "message queue": queue} {
			for _, escaped := range []bool{false, true} {
				if got := s.try(t, what, on, escaped); (got == "") == apart {
					t.Errorf("view %s, %s, escaped %v: %q", view, what, escaped, got)
				}
			}
		}
	}
}

func makeQueue(t *testing.T, name string) {
	t.Helper()
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(text)), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600, 0, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() {
		unix.Close(int(fd))
		if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(text)), 0, 0); errno != 0 {
			t.Error(errno)
		}
	})
}
