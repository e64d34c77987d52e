package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// resume is the life of a keeper from where another program has left off in this process. Where it cannot begin, the
// process ends, and with it, by the kernel's hand, every launch; the next keeper accounts for them.
func resume(dir string, number int) error {
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("cannot close descriptors: %w", err)
	}
	s, err := readState(number)
	if err != nil {
		return err
	}
	h, e, err := begin(dir)
	if err != nil {
		return err
	}
	if s.ID != h.id {
		return errors.New("cannot go on: the data directory is another one")
	}
	defer h.crew.Wait()
	defer close(h.quit)
	h.restore(s)
	defer h.lock.Close()
	defer h.closeDoor()
	h.log.Printf("goes on, with %d launches", len(h.launches))
	if h.master != nil {
		h.master.send(keeper.Message{Renewed: &keeper.Renewed{PID: os.Getpid(), Program: h.program, Launches: len(h.launches)}})
	}
	select {
	case e.children <- unix.SIGCHLD: // who ended meanwhile is not announced again
	default:
	}
	h.serve(e.children, e.terminate)
	return nil
}

// restore takes up what was left.
func (h *holder) restore(s state) {
	h.lock, h.token, h.open = keeper.HeldLock(os.NewFile(uintptr(s.Lock), "lock")), s.Token, true
	h.groups = s.Groups
	if s.Door >= 0 {
		h.door = os.NewFile(uintptr(s.Door), "door")
		h.answer()
	}
	var sessions []*session
	for _, r := range s.Sessions {
		sessions = append(sessions, h.restoreSession(r))
	}
	for _, l := range s.Launches {
		var by *session
		if l.By >= 0 && l.By < len(sessions) {
			by = sessions[l.By]
		}
		h.restoreLaunch(l, by)
	}
}

func (h *holder) restoreSession(r sessionState) *session {
	s := resumeSession(os.NewFile(uintptr(r.File), "router"), r.Unread)
	s.pid, s.role, s.keep, s.offer, s.final = r.PID, r.Role, r.Keep, r.Offer, r.Final
	h.attend(s)
	switch s.role {
	case asking:
		h.limit(s)
	case serving, offering:
		h.master = s
	case leaving:
		h.leaver, s.parted, s.within = s, make(chan struct{}), h.now().Add(r.Within)
		h.awaitParting(s)
	}
	return s
}

func (h *holder) restoreLaunch(s launchState, by *session) {
	l := &launch{
		start: s.Start, by: by, lock: keeper.HeldLock(os.NewFile(uintptr(s.Lock), "lock")), root: s.Root, phase: s.Phase,
		contained: s.Contained, group: s.Group, output: resumeOutput(s.Output), said: s.Said, unheard: s.Unheard,
		settled: true, silent: s.Report < 0, ended: s.Ended, exit: s.Exit, asked: s.Asked,
		gone: make(chan struct{}), killed: map[proc.ID]struct{}{},
		lockedAt: s.LockedAt, spawnedAt: s.SpawnedAt, program: s.Program, isolation: s.Isolation, waits: s.Waits,
		deadline: h.now().Add(s.Deadline), stuck: s.Stuck,
	}
	for _, id := range s.Killed {
		l.killed[id] = struct{}{}
	}
	if s.Control > 0 {
		l.control = os.NewFile(uintptr(s.Control), "control")
	}
	h.launches[l.start.Launch] = l
	if l.waits && !h.mayStop(l) { // asks once more: what was answered before is not known
		l.waits = true
	}
	if l.exit == nil && l.root.PID != 0 {
		h.roots[l.root.PID] = l
	}
	if s.Report >= 0 {
		l.report = os.NewFile(uintptr(s.Report), "report")
		h.listenTo(l)
	}
	switch {
	case l.phase == stopping:
		h.awaitGrace(l)
	case l.phase == killing && l.contained:
		h.awaitContained(l)
	case l.phase == killing:
		h.lookAround(0)
	}
}

// resumeOutput goes on with what a launch writes; nil where there is none.
func resumeOutput(s *outputState) *output {
	if s == nil {
		return nil
	}
	o := &output{
		file: &logFile{path: s.Path, limit: s.Limit, stuck: s.Stuck}, title: s.Title,
		dropped: s.Dropped, lines: len(s.Tail), line: s.Line, cut: s.Cut, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	copy(o.tail[:], s.Tail)
	if s.Pipe < 0 {
		o.ended = true
		close(o.done)
		return o
	}
	o.file.file = os.NewFile(uintptr(s.File), s.Path)
	if info, err := o.file.file.Stat(); err == nil { // else it is rotated later than it should be
		o.file.size = info.Size()
	}
	o.pipe, o.reading = os.NewFile(uintptr(s.Pipe), "output"), true
	go o.write()
	go o.read()
	return o
}
