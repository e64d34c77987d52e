package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/preloader"
	"workspace-router/internal/keeper/sandbox"
)

// connect makes what a launch needs of a preloader: its orders, where it is one, or the order for this launch. A launch
// whose preloader cannot be reached is executed, and says why.
func (h *holder) connect(l *launch) (files channels, err error) {
	if !l.start.Preloader && l.start.Preload == nil {
		return files, nil
	}
	own, other, err := preloader.Pair()
	if err != nil {
		return files, err
	}
	if l.start.Preloader {
		l.control = own
		return channels{line: other}, nil
	}
	from := h.launches[l.start.Preload.From]
	if err := from.order(other); err != nil {
		own.Close()
		other.Close()
		l.unpreload(err)
		return files, nil
	}
	other.Close() // it is on its way
	fd, err := unix.FcntlInt(own.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		own.Close()
		l.unpreload(err)
		return files, nil
	}
	held := preloader.NewLine(os.NewFile(uintptr(fd), "line"))
	l.line = &held
	return channels{line: own, sees: sees(from)}, nil
}

// order has the preloader fork a process that listens on the line.
func (l *launch) order(line *os.File) error {
	if l == nil || l.control == nil || !l.settled || l.exit != nil || l.phase != running {
		return errors.New("there is no such preloader any more")
	}
	return preloader.Request(l.control, line)
}

// unpreload has the launch's program executed.
func (l *launch) unpreload(why error) {
	l.start.Preload = nil
	l.start.Namespaces.Missing = append(slices.Clone(l.start.Namespaces.Missing), fmt.Sprintf("%s (%v)", sandbox.MeansPreload, why))
}

func sees(from *launch) string {
	if slices.Contains(from.isolation.Means, sandbox.MeansMounts) {
		return sandbox.MeansMounts
	}
	return ""
}

// close lets go of the launch's ends, which the exec step has by now.
func (c channels) close() {
	if c.line != nil {
		c.line.Close()
	}
}

// order gives the descriptors of the exec step beyond those that each has, and what it is told of them.
func (c channels) order(s keeper.Start, group *os.File) (inherited []uintptr, told *preload) {
	if c.line == nil {
		return nil, nil
	}
	if s.Preload != nil {
		told = &preload{Before: s.Preload.Before, Open: c.sees == sandbox.MeansMounts}
		if group != nil {
			told.Group = group.Name()
		}
	}
	return []uintptr{c.line.Fd()}, told
}

// hangUp lets go of the order for this launch.
func (l *launch) hangUp() {
	if l.line != nil {
		l.line.Close()
		l.line = nil
	}
}

// disconnect lets go of all that connects the launch with a preloader. One that is a preloader ends by it.
func (l *launch) disconnect() {
	l.hangUp()
	if l.control != nil {
		l.control.Close()
		l.control = nil
	}
}

// become puts the process that a preloader has forked in the place of the exec step, and has it run the program. It is a
// child of this process by now, and bears the launch's marks.
func (h *holder) become(l *launch, r stepReport) {
	step := l.root
	id, err := h.system.child(r.Became)
	if err == nil && (l.line == nil || l.exit != nil) {
		err = errors.New("the exec step has ended before")
	}
	if err != nil {
		h.settle(l, r, fmt.Errorf("cannot take the process that was forked: %w", err))
		return
	}
	delete(h.roots, step.PID)
	l.root = id
	h.roots[id.PID] = l
	h.record(l)
	if l.phase == running {
		err = l.line.Go()
	}
	h.settle(l, r, err)
	_ = h.system.signal(step, unix.SIGKILL) // it waits for that; its end is nobody's
	if l.phase >= killing {                 // the step was killed, and not this one
		h.system.group(id.PID)
	}
}
