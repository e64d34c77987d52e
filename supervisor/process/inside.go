package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// apart reports whether the launch has a network namespace of its own. Nobody else is in it, so that whoever listens on
// one of its ports is the launch; and only somebody inside can make a socket that connects to it.
func (w *worker) apart() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spawned != nil && slices.Contains(w.spawned.Isolation.Means, sandbox.MeansNetwork)
}

// dialInside connects to a port of the launch's own network namespace.
func (w *worker) dialInside(ctx context.Context, port int) (net.Conn, error) {
	if closed(w.exited) {
		return nil, fmt.Errorf("cannot connect to launch %s: %w", w.spec.Launch, errWorkerGone)
	}
	socket, err := socketIn(w.root())
	if err != nil {
		return nil, fmt.Errorf("cannot connect to launch %s: %w", w.spec.Launch, err)
	}
	defer socket.Close()
	if err := connectTo(ctx, socket, port); err != nil {
		return nil, fmt.Errorf("cannot connect to port %d of launch %s: %w", port, w.spec.Launch, err)
	}
	return net.FileConn(socket)
}

// socketIn makes a TCP socket in a process's network namespace.
func socketIn(id proc.ID) (*os.File, error) {
	namespace, err := unix.Open("/proc/"+strconv.Itoa(id.PID)+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return nil, errWorkerGone
	case err != nil:
		return nil, fmt.Errorf("cannot open its network namespace: %w", err)
	}
	defer unix.Close(namespace)
	if !proc.Alive(id) { // and was when its namespace was opened, as no other process can have its pid since
		return nil, errWorkerGone
	}
	type result struct {
		fd  int
		err error
	}
	made := make(chan result, 1)
	go func() {
		var r result
		r.fd, r.err = visit(namespace)
		made <- r
	}()
	r := <-made
	if r.err != nil {
		return nil, r.err
	}
	return os.NewFile(uintptr(r.fd), "launch"), nil
}

// visit makes the socket on a thread that enters the namespace for that long. It needs a goroutine of its own: a thread
// that cannot come back stays locked to it, and ends with it.
func visit(namespace int) (fd int, err error) {
	runtime.LockOSThread()
	home, err := unix.Open(ownNetwork, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return -1, fmt.Errorf("cannot open the own network namespace: %w", err)
	}
	defer unix.Close(home)
	if same, err := sameFile(home, namespace); same || err != nil { // nothing would be proven here
		runtime.UnlockOSThread()
		return -1, errors.Join(errors.New("cannot enter its network namespace: it has none of its own"), err)
	}
	if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return -1, fmt.Errorf("cannot enter its network namespace: %w", err)
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if back := unix.Setns(home, unix.CLONE_NEWNET); back == nil {
		runtime.UnlockOSThread()
	}
	if err != nil {
		return -1, fmt.Errorf("cannot make a socket: %w", err)
	}
	return fd, nil
}

const ownNetwork = "/proc/thread-self/ns/net"

func sameFile(a, b int) (bool, error) {
	var first, second unix.Stat_t
	if err := errors.Join(unix.Fstat(a, &first), unix.Fstat(b, &second)); err != nil {
		return false, err
	}
	return first.Dev == second.Dev && first.Ino == second.Ino, nil
}

// connectTo connects a socket that does not block to a port of loopback.
func connectTo(ctx context.Context, socket *os.File, port int) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { _ = socket.SetWriteDeadline(past) }) // it is a socket, which takes one
	defer stop()
	address := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	var failed error
	asked := false
	err = raw.Write(func(fd uintptr) bool {
		if !asked {
			asked = true
			failed = unix.Connect(int(fd), address)
			return !errors.Is(failed, unix.EINPROGRESS)
		}
		var status int
		if status, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); failed == nil && status != 0 {
			failed = unix.Errno(status)
		}
		return true
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(err, failed)
}

// mayEnter says why this process cannot enter the network namespaces of its workers; nil is that it can. Entering the
// own one takes the same rights.
func mayEnter() error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		home, err := unix.Open(ownNetwork, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(home)
			err = unix.Setns(home, unix.CLONE_NEWNET)
		}
		failed <- err
	}()
	return <-failed
}
