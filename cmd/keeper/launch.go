package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/preloader"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// phase is how far a launch is on its way out.
type phase int

const (
	running   phase = iota // also while the exec step is under way
	stopping               // the signal was sent, the grace runs
	killing                // SIGKILL, census after census, until two in a row find nothing
	finishing              // proven gone; its output and run directory are being finished
)

// launch is one row of the keeper's table. A row is there exactly while its generation's lock is held.
type launch struct {
	start keeper.Start
	by    *session // whose command it was; nil for one that an earlier keeper started
	lock  *keeper.FileLock
	root  proc.ID
	phase phase

	group     cgroup.Group
	contained bool // the root is the first process of a PID namespace: its end is the end of all

	output  *output              // nil for one that an earlier keeper started
	report  *os.File             // what the exec step says; nil once it is silent
	said    stepReport           // put together from all that it said, up to a halt
	unheard []byte               // and what it said since then
	hearing bool                 // there is a goroutine that reads the report
	refused *keeper.Refused      // set where the exec step failed
	settled bool                 // it is known whether the program was executed
	silent  bool                 // the exec step's report has ended
	ended   *keeper.Status       // how the program ended, where the root process is another
	exit    *keeper.Status       // set when the root process was reaped
	asked   bool                 // a stop was asked for before that
	gone    chan struct{}        // closed when the row goes; timers of a row that is no more do nothing
	killed  map[proc.ID]struct{} // what took SIGKILL
	swept   int                  // how many there were in its control group when that was killed

	lockedAt  time.Time
	spawnedAt time.Time // zero until the program runs
	program   proc.ID   // what runs: the root, or what it contains
	isolation sandbox.Result
	control   *os.File        // of a preloader: where it takes orders; nil for any other
	line      *preloader.Line // the keeper's hold on the order for this launch, until it is settled
	waits     bool            // a stop was asked for, and waits for the requests of a leaving router
	yielding  bool            // the leaving router was asked to take no new one
	yielded   bool            // and takes none, or has not answered in time

	clean    int       // censuses in a row that found nothing
	epoch    int       // counts the orphans that were reaped; a census over a change of it proves nothing
	deadline time.Time // of the kill
	stuck    bool      // the deadline has passed
}

// start makes a launch, or says why not. Whatever fails here leaves nothing behind.
func (h *holder) start(by *session, s keeper.Start) {
	if err := h.check(s); err != nil {
		h.refuse(s, keeper.ReasonInvalid, err)
		return
	}
	if h.ending || !h.open {
		h.refuse(s, keeper.ReasonEnding, errors.New("cannot start: the keeper takes no commands"))
		return
	}
	lock, err := h.storage.lock(h.data.GenerationLock(s.Generation))
	if err != nil {
		var locked *keeper.LockedError
		reason := keeper.ReasonSetup
		if errors.As(err, &locked) {
			reason = keeper.ReasonLocked
		}
		h.refuse(s, reason, err)
		return
	}
	l := &launch{start: s, by: by, lock: lock, lockedAt: h.now(), gone: make(chan struct{}), killed: map[proc.ID]struct{}{}}
	if err := h.fork(l); err != nil {
		lock.Close()
		os.Remove(h.data.Record(s.Launch))
		h.refuse(s, keeper.ReasonSetup, err)
	}
}

// fork starts the launch's exec step and enters the launch into the table. The record comes before the process, so
// that there is no process that a successor knows nothing of, and once more after it, with the pid.
func (h *holder) fork(l *launch) (err error) {
	s := l.start
	l.group = h.groups.make(groupName(h.id, s.Launch), s.Limits)
	defer func() {
		if err != nil {
			h.removeGroup(l)
		}
	}()
	if err := h.recordOf(l).write(h.data, h.storage); err != nil {
		return err
	}
	read, write, err := h.storage.pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	out, err := openOutput(h.storage, s.Log, fmt.Sprintf("launch %s of %s", s.Launch, s.Workspace))
	if err != nil {
		read.Close()
		return err
	}
	files, err := h.connect(l)
	files.output = write
	var f forked
	if err == nil {
		f, err = h.system.fork(l.start, h.id, files, l.group)
	}
	files.close()
	if err != nil {
		read.Close()
		out.discard()
		l.disconnect()
		return err
	}
	l.root, l.contained, l.output = f.root, f.contained, out
	h.launches[s.Launch], h.roots[l.root.PID] = l, l
	out.follow(read)
	if f.outside != nil {
		h.removeGroup(l)
		l.group = cgroup.Without(f.outside.Error())
	}
	h.record(l)
	l.report = f.report
	h.listenTo(l)
	return nil
}

// listenTo hears what the exec step of a launch says from now on.
func (h *holder) listenTo(l *launch) {
	l.hearing = true
	report, said, unheard := l.report, l.said, l.unheard
	h.crew.Go(func() { h.hear(l, report, said, unheard) })
}

// hear listens to the exec step until it has handed over to the program or failed or, where it stays as the program's
// parent, until its end. It needs no deadline: the pipe ends with the process, which a stop kills.
func (h *holder) hear(l *launch, report *os.File, r stepReport, unheard []byte) {
	decoder := json.NewDecoder(io.LimitReader(io.MultiReader(bytes.NewReader(unheard), report), 64<<10))
	for {
		err := decoder.Decode(&r)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			rest, _ := io.ReadAll(decoder.Buffered()) // from memory
			h.post(func() { h.halted(l, r, rest) })
			return
		}
		if err != nil {
			report.Close()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			h.post(func() { h.fallSilent(l, r, err) })
			return
		}
		started := r
		switch {
		case r.Became != 0:
			h.post(func() { h.become(l, started) })
		case r.Program != 0 && r.Ended == nil:
			h.post(func() { h.settle(l, started, nil) })
		}
	}
}

// halted keeps what was heard of an exec step's report until it is listened to again.
func (h *holder) halted(l *launch, r stepReport, unheard []byte) {
	l.hearing, l.said, l.unheard = false, r, unheard
	if !h.still {
		h.listenTo(l)
	}
}

// fallSilent follows the end of the exec step's report.
func (h *holder) fallSilent(l *launch, r stepReport, err error) {
	l.silent, l.hearing, l.report = true, false, nil
	if !l.settled {
		h.settle(l, r, err)
	}
	if r.Ended != nil {
		l.ended = describe(unix.WaitStatus(*r.Ended), h.now())
	}
	if l.exit != nil {
		h.rootGone(l)
	}
}

func (h *holder) settle(l *launch, r stepReport, err error) {
	l.settled = true
	l.hangUp()
	id := l.start.Launch
	switch {
	case err != nil:
		// Whether the program runs is not known. It is not left to be waited for.
		h.log.Printf("launch %s: cannot read the exec step's report: %v", id, err)
		if l.phase < killing {
			h.kill(l)
		}
	case r.Reason != "":
		l.refused = &keeper.Refused{Launch: id, Reason: r.Reason, Errno: r.Errno, Text: r.Text}
	default:
		var held sandbox.Result
		if r.Isolation != nil {
			held = *r.Isolation
		}
		held = withGroup(held, l.group)
		program := l.root
		if r.Program != 0 {
			program = h.system.program(l.root, r.Program)
		}
		l.program, l.spawnedAt, l.isolation = program, h.now(), held
		h.tell(l.start, keeper.Message{Spawned: &keeper.Spawned{
			Launch: id, PID: program.PID, Start: program.Start, LockedAt: l.lockedAt, At: l.spawnedAt, Isolation: held, Group: l.group.Path,
		}})
	}
}

// check refuses what would reach outside the data directory or cannot be proven later.
func (h *holder) check(s keeper.Start) error {
	switch {
	case !keeper.ValidLaunch(s.Launch):
		return fmt.Errorf("cannot start: launch %q is not 8 characters of [0-9a-z]", s.Launch)
	case h.launches[s.Launch] != nil:
		return fmt.Errorf("cannot start: launch %q is there already", s.Launch)
	case !validGeneration(s.Generation):
		return fmt.Errorf("cannot start: generation %q is not 1 to 64 of [0-9a-z-]", s.Generation)
	case s.RunDir != h.data.RunDir(s.Launch):
		return fmt.Errorf("cannot start: run directory %q, want %q", s.RunDir, h.data.RunDir(s.Launch))
	case filepath.Dir(s.Log.Path) != filepath.Dir(h.data.KeeperLog()) || s.Log.Limit <= 0:
		return fmt.Errorf("cannot start: the log %q must be in %q and have a limit", s.Log.Path, filepath.Dir(h.data.KeeperLog()))
	case !filepath.IsAbs(s.Program) || !filepath.IsAbs(s.Dir) || len(s.Args) == 0:
		return fmt.Errorf("cannot start: program %q and directory %q must be absolute, and there must be a name", s.Program, s.Dir)
	case s.User.ID < 0 || s.User.Processes < 0:
		return fmt.Errorf("cannot start: user %d with %d processes", s.User.ID, s.User.Processes)
	case s.Limits.Memory < 0 || s.Limits.Slow < 0 || s.Limits.Processes < 0:
		return fmt.Errorf("cannot start: limits %+v", s.Limits)
	case s.Signal <= 0 || s.Signal > 64 || s.Grace < 0:
		return fmt.Errorf("cannot start: stop signal %d with grace %v", s.Signal, s.Grace)
	}
	return nil
}

func validGeneration(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s != filepath.Base(keeper.Data("").KeeperLock())
}

// refuse says that a launch did not come to be. What the router made for it goes with it.
func (h *holder) refuse(s keeper.Start, reason keeper.Reason, err error) {
	var errno unix.Errno
	refused := keeper.Refused{Launch: s.Launch, Reason: reason, Text: err.Error()}
	if errors.As(err, &errno) {
		refused.Errno = int(errno)
	}
	h.tell(s, keeper.Message{Refused: &refused})
}
