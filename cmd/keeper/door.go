package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// scarcePause is how long a connection waits that could not be taken in.
const scarcePause = 100 * time.Millisecond

// openDoor listens for routers that this keeper was not started by, and writes what they must know. It is called with
// the data directory's lock held, so that a socket that is there is a dead keeper's.
func (h *holder) openDoor() error {
	if h.ending {
		return nil
	}
	token, err := keeper.NewToken()
	if err == nil {
		err = h.storage.place(h.data.KeeperToken(), []byte(token))
	}
	if err != nil {
		return fmt.Errorf("cannot write the token that routers attach with: %w", err)
	}
	h.token = token
	path := h.data.KeeperSocket()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot listen for routers: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("cannot listen for routers: %w", err)
	}
	door := os.NewFile(uintptr(fd), "door")
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err == nil {
		err = unix.Listen(fd, maxAsking)
	}
	if err != nil {
		door.Close()
		return fmt.Errorf("cannot listen for routers at %q: %w", path, err)
	}
	h.door = door
	h.answer()
	return nil
}

// answer takes in who connects, until the door is closed or the keeper is deaf.
func (h *holder) answer() {
	h.admits = true
	door := h.door
	h.crew.Go(func() {
		err := h.admitAll(door)
		h.post(func() {
			h.admits = false
			switch {
			case !errors.Is(err, os.ErrDeadlineExceeded):
				h.log.Printf("cannot take in routers any more: %v", err)
			case !h.deaf:
				h.answer()
			}
		})
	})
}

func (h *holder) closeDoor() {
	if h.door != nil {
		os.Remove(h.data.KeeperSocket())
		os.Remove(h.data.KeeperToken())
		h.door.Close()
	}
}

// admitAll takes in connections until it cannot: after the door's deadline, and when it is closed.
func (h *holder) admitAll(door *os.File) error {
	for {
		fd, err := accept(door)
		if scarce(err) && h.lull() {
			continue
		}
		if err != nil {
			return err
		}
		pid, err := h.identify(fd)
		if err != nil {
			unix.Close(fd)
			h.post(func() { h.log.Printf("a connection is refused: %v", err) })
			continue
		}
		s := newSession(os.NewFile(uintptr(fd), "router"))
		s.pid = pid
		h.post(func() { h.greet(s) })
	}
}

// scarce reports whether a connection could not be taken in for want of something that comes back.
func scarce(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// lull waits a moment, and reports whether the keeper goes on.
func (h *holder) lull() bool {
	timer := time.NewTimer(scarcePause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.quit:
		return false
	}
}

// accept waits for a connection.
func accept(door *os.File) (fd int, err error) {
	raw, err := door.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Read(func(listener uintptr) (done bool) {
		for {
			fd, _, failed = unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			switch {
			case errors.Is(failed, unix.EAGAIN):
				return false
			case errors.Is(failed, unix.EINTR), errors.Is(failed, unix.ECONNABORTED):
			default:
				return true
			}
		}
	})
	if err == nil {
		err = failed
	}
	return fd, err
}

// identify refuses who connects unless it may be a router: a process of this user that does not descend from the
// keeper, as every worker and every orphan of one does, and that bears no brand of a launch. The kernel tells a pid, and
// what it knows is from the time of the connection: a process that connects, passes the connection on and ends can be
// taken for another one that has its pid by now. Therefore a router must show the token, too (admit).
func (h *holder) identify(fd int) (pid int, err error) {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	switch {
	case err != nil:
		return 0, fmt.Errorf("cannot tell who connects: %w", err)
	case int(peer.Uid) != os.Geteuid():
		return 0, fmt.Errorf("process %d belongs to user %d", peer.Pid, peer.Uid)
	case peer.Pid <= 0:
		return 0, errors.New("the process is in another PID namespace")
	}
	pid = int(peer.Pid)
	if launch, branded := proc.BrandOf(pid, h.id); branded {
		return 0, fmt.Errorf("process %d belongs to launch %s", pid, launch)
	}
	descends, err := proc.Descends(pid, os.Getpid())
	switch {
	case err != nil:
		return 0, err
	case descends:
		return 0, fmt.Errorf("process %d is a descendant of this keeper", pid)
	}
	return pid, nil
}

// starterOf gives the router that started this keeper; 0 where the kernel does not say.
func starterOf(fd int) int {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(peer.Pid)
}

// greet listens to what a router wants, for a while.
func (h *holder) greet(s *session) {
	asks := 0
	for other := range h.sessions {
		if other.role == asking {
			asks++
		}
	}
	if asks >= maxAsking {
		s.file.Close()
		return
	}
	h.attend(s)
	h.limit(s)
}

// limit ends a connection on which nobody asks for the session in time.
func (h *holder) limit(s *session) {
	h.in(askPatience, s.flushed, func() {
		if s.role == asking {
			h.log.Printf("process %d does not say what it wants", s.pid)
			s.close(0)
		}
	})
}
