package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/proc"
)

// watchedBySystemd reports whether systemd has started this process and is told which one is the main one. It waits
// for the end of a main process only where that is its own child; one that it was told of as somebody else's gets
// SIGKILL as soon as the service is to stop. A kernel that gives no descriptors for processes gives no way to wait for
// one that is not this process's own child, and then a new router stays that.
func watchedBySystemd() bool {
	if os.Getenv("NOTIFY_SOCKET") == "" || os.Getenv("INVOCATION_ID") == "" {
		return false
	}
	probe, err := unix.PidfdOpen(os.Getpid(), 0)
	if err == nil {
		unix.Close(probe)
	}
	return err == nil
}

// asSibling makes the new router a child of this one's parent, before it is started.
func (s *successor) asSibling() {
	s.command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT, PidFD: &s.pidfd}
}

// starter makes sure that the router which hands over is the one that started this process, and gives a descriptor of it
// where that is a sibling, else -1.
func (e estate) starter() (watch int, err error) {
	gone := fmt.Errorf("cannot follow the router with pid %d: it did not start this one, or is gone", e.PID)
	if !e.Sibling {
		if e.PID != os.Getppid() {
			return -1, gone
		}
		return -1, nil
	}
	watch, err = unix.PidfdOpen(e.PID, 0)
	if err != nil {
		return -1, gone
	}
	if stat, err := proc.Read(e.PID); err != nil || stat.Parent != os.Getppid() {
		unix.Close(watch)
		return -1, gone
	}
	return watch, nil
}

// beforeLives reports whether the router before has not ended yet.
func (h *heir) beforeLives() bool {
	if h.watch < 0 {
		return os.Getppid() == h.before
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(h.watch), Events: unix.POLLIN}}, 0)
	return n == 0 && err == nil
}

// wait returns when the new router has ended. How a sibling ended is for its parent alone to know.
func (s *successor) wait() error {
	if s.pidfd < 0 {
		return s.command.Wait()
	}
	defer unix.Close(s.pidfd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.pidfd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return errors.Join(err, s.command.Process.Release())
		}
	}
}
