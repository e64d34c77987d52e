package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

const (
	// renewPatience bounds how long routers go unheard, and the pipes of workers unread, before another program goes on or
	// this one does after all.
	renewPatience = 5 * time.Second
	// renewPoll is how often it is looked whether nothing is half done any more.
	renewPoll = time.Millisecond
)

// renewal is a router's wish that another program goes on.
type renewal struct {
	by *session
	keeper.Renew
}

// renewIfDue has another program go on in this process, where that was asked for. While a leaving router could still have
// the session back it is not due: the new program comes with a router that stays.
func (h *holder) renewIfDue(children <-chan os.Signal) {
	if h.wanted == nil || h.leaver != nil && !h.leaver.final {
		return
	}
	wish := *h.wanted
	h.wanted = nil
	err := h.renew(wish, children) // returns only if it cannot
	h.log.Printf("goes on with its own program: %v", err)
	h.hearAgain()
	if _, there := h.sessions[wish.by]; there {
		wish.by.send(keeper.Message{Renewed: &keeper.Renewed{
			PID: os.Getpid(), Program: h.program, Launches: len(h.launches), Failure: err.Error(),
		}})
	}
}

// renew executes the program in this process. The pid stays, and with it what workers' parent-death signals are tied to:
// the thread that forked them is the one that executes. Before that, commands are left unread, what is half done ends, and
// what workers write is left in their pipes; all of that can be taken back until the last step.
func (h *holder) renew(wish renewal, children <-chan os.Signal) error {
	found, err := keeper.IdentifyProgram(wish.Path)
	switch {
	case err != nil:
		return err
	case found != wish.Program:
		return fmt.Errorf("cannot execute %q: it is another file than the one that was asked for", wish.Path)
	}
	limit := time.NewTimer(renewPatience)
	defer limit.Stop()
	poll := time.NewTicker(renewPoll)
	defer poll.Stop()
	h.turnDeaf()
	for half := h.halfDone(); half != ""; half = h.halfDone() {
		select {
		case work := <-h.work:
			work()
		case <-children:
		case <-poll.C:
		case <-limit.C:
			return fmt.Errorf("cannot leave what is under way, after %v: %s", renewPatience, half)
		}
		h.reap()
	}
	// No child is reaped from here on, so that no launch comes to an end.
	h.turnStill()
	for half := h.stirring(); half != ""; half = h.stirring() {
		select {
		case work := <-h.work:
			work()
		case <-poll.C:
		case <-limit.C:
			return fmt.Errorf("cannot leave what is under way, after %v: %s", renewPatience, half)
		}
	}
	if h.ending || h.master != wish.by {
		return errors.New("cannot execute another program: the router that asked for it has gone")
	}
	return h.handOn(wish.Path)
}

// turnDeaf stops hearing routers.
func (h *holder) turnDeaf() {
	h.deaf = true
	for s := range h.sessions {
		_ = s.file.SetReadDeadline(time.Unix(1, 0)) // one that is closed is not heard either
	}
	if h.door != nil {
		_ = h.door.SetReadDeadline(time.Unix(1, 0))
	}
}

// turnStill stops hearing launches, and begins no census.
func (h *holder) turnStill() {
	h.still = true
	for _, l := range h.launches {
		if l.output != nil {
			l.output.halt()
		}
		if l.report != nil {
			_ = l.report.SetReadDeadline(time.Unix(1, 0)) // as above
		}
	}
}

// halfDone names something that another program could not go on with; empty is nothing.
func (h *holder) halfDone() string {
	for s := range h.sessions {
		if s.listening {
			return "a router is being heard"
		}
	}
	if h.admits {
		return "a router is being taken in"
	}
	if h.sweep.busy {
		return "a census"
	}
	for id, l := range h.launches {
		switch {
		case !l.settled:
			return "the start of launch " + id
		case l.refused != nil, l.phase == finishing, l.exit != nil && !l.silent:
			return "the end of launch " + id
		}
	}
	return ""
}

// stirring names something that is still being read or written; empty is nothing.
func (h *holder) stirring() string {
	for id, l := range h.launches {
		if l.hearing || l.output != nil && !l.output.still() {
			return "the output of launch " + id
		}
	}
	for s := range h.sessions {
		if !s.drained() {
			return "a message to a router"
		}
	}
	return ""
}

// hearAgain undoes turnDeaf and turnStill.
func (h *holder) hearAgain() {
	h.deaf, h.still = false, false
	for s := range h.sessions {
		_ = s.file.SetReadDeadline(time.Time{})
		if !s.listening {
			h.listen(s)
		}
	}
	if h.door != nil {
		_ = h.door.SetReadDeadline(time.Time{})
		if !h.admits {
			h.answer()
		}
	}
	for _, l := range h.launches {
		if l.output != nil {
			l.output.proceed()
		}
		if l.report != nil {
			_ = l.report.SetReadDeadline(time.Time{})
			if !l.hearing {
				h.listenTo(l)
			}
		}
	}
	if h.sweep.again && !h.sweep.busy {
		h.sweep.again = false
		h.lookAround(0)
	}
	h.reap()
}

// handOn writes down all that this keeper holds and executes the program, which reads it.
func (h *holder) handOn(path string) error {
	s, files, err := h.leave()
	if err != nil {
		return err
	}
	memory, err := s.seal()
	if err != nil {
		return err
	}
	defer memory.Close()
	number, err := descriptor(memory)
	if err != nil {
		return err
	}
	h.log.Printf("executes %q in its own place, with %d launches", path, len(h.launches))
	args := []string{path, "run", "--data", string(h.data), "--resume", fmt.Sprint(number)}
	return h.system.replace(path, args, append(files, memory))
}

// replace executes a program. The files are inherited by it and by nobody else: nothing forks while they can be.
func (machine) replace(path string, args []string, files []*os.File) error {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	var passed []int
	defer func() {
		for _, fd := range passed {
			unix.CloseOnExec(fd)
		}
	}()
	for _, file := range files {
		fd, err := descriptor(file)
		if err != nil {
			return err
		}
		passed = append(passed, fd)
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("cannot hand on descriptor %d: %w", fd, err)
		}
	}
	var limit unix.Rlimit // which the runtime lowers to what it found, also where it stays
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()
	}
	return fmt.Errorf("cannot execute %q: %w", path, unix.Exec(path, args, os.Environ()))
}

// descriptor is a file's number. The file stays as it is, which it does not by its Fd.
func descriptor(file *os.File) (number int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}
