package main

import (
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
)

// Pauses between two censuses while something is being killed. They grow, because what is slow to die is slow.
const (
	firstPause = 500 * time.Microsecond
	lastPause  = 50 * time.Millisecond
	stuckPause = time.Second // where all that is looked for is past its deadline
)

// sweeper schedules censuses: at most one is under way, and one serves all launches that are being killed.
type sweeper struct {
	busy  bool          // a census is under way
	again bool          // something came up meanwhile
	pause time.Duration // before the next one
	timer *time.Timer

	strays map[proc.ID]time.Time // those of the last census, and when each was first seen
}

// target is a launch as a census sees it.
type target struct {
	launch  *launch
	epoch   int
	counted bool // it was provable when the census began
}

// provable reports whether a census that begins now and finds nothing proves something of the launch: its root was
// reaped, and is not itself the proof.
func (l *launch) provable() bool {
	return !l.contained && (l.exit != nil && l.silent || l.root.PID == 0)
}

// lookAround has a census taken after the given pause, or sooner where one is planned already.
func (h *holder) lookAround(pause time.Duration) {
	w := &h.sweep
	if pause == 0 {
		w.pause = firstPause
	}
	if w.busy || h.still {
		w.again = w.again || pause == 0
		return
	}
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if pause == 0 {
		h.beginSweep()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(pause, func() {
		h.post(func() {
			if w.timer != timer || w.busy {
				return
			}
			w.timer = nil
			if h.still {
				w.again = true
				return
			}
			h.beginSweep()
		})
	})
	w.timer = timer
}

// beginSweep takes a census in another goroutine, which kills at sight what it finds of the launches that are being
// killed.
func (h *holder) beginSweep() {
	scope := proc.Scope{Data: h.id, Subreaper: unix.Getpid()}
	var targets []target
	for id, l := range h.launches {
		root := l.root
		if l.exit != nil {
			root.PID = 0 // its pid may be somebody else's by now
		}
		scope.Roots = append(scope.Roots, proc.Root{Launch: id, ID: root})
		if l.phase == killing {
			targets = append(targets, target{launch: l, epoch: l.epoch, counted: l.provable()})
		}
	}
	if len(targets) == 0 {
		return
	}
	dying := make(map[string]bool, len(targets))
	for _, t := range targets {
		dying[t.launch.start.Launch] = true
	}
	scope.Wanted = func(launch string) bool { return dying[launch] }
	scope.Found = func(_ string, member proc.Stat) {
		_ = h.system.signal(member.ID, unix.SIGKILL) // the next census tells whether it helped
	}
	groups := make(map[string]cgroup.Group, len(targets))
	for _, t := range targets {
		groups[t.launch.start.Launch] = t.launch.group
	}
	h.sweep.busy = true
	h.crew.Go(func() {
		census, err := h.system.census(scope)
		addGroups(&census, groups)
		h.post(func() { h.endSweep(targets, census, err) })
	})
}

func (h *holder) endSweep(targets []target, census proc.Census, err error) {
	h.sweep.busy = false
	if err != nil {
		h.log.Printf("cannot take a census: %v", err)
	}
	strays := h.killStrays(census.Strays)
	waiting, urgent := false, false
	for _, t := range targets {
		if t.launch.phase != killing {
			continue
		}
		members := census.Members[t.launch.start.Launch]
		proves := t.counted && t.epoch == t.launch.epoch && !strays
		if err == nil && (proves || len(members) > 0) {
			h.judge(t.launch, members)
		}
		if t.launch.phase == killing {
			h.despair(t.launch, members)
			waiting = true
			urgent = urgent || !t.launch.stuck
		}
	}
	again := h.sweep.again
	h.sweep.again = false
	switch {
	case again:
		h.lookAround(0)
	case waiting && urgent:
		pause := h.sweep.pause
		h.sweep.pause = min(2*pause, lastPause)
		h.lookAround(pause)
	case waiting:
		h.lookAround(stuckPause)
	}
}

// killStrays ends orphans that belong to no launch, and reports whether there were any: while one lives it may be that
// of a launch that is being killed, though it lost every sign of it. One that cannot be killed is not waited for
// longer than a launch is.
func (h *holder) killStrays(list []proc.Stray) (found bool) {
	before := h.sweep.strays
	h.sweep.strays = map[proc.ID]time.Time{}
	for _, stray := range list {
		// Only the owner can tell an orphan from a root that was being forked while the census was taken, or from what a
		// launch that has begun since let go.
		if l := h.roots[stray.PID]; l != nil && l.root == stray.ID || h.launches[stray.Claims] != nil {
			continue
		}
		seen, known := before[stray.ID]
		if !known {
			seen = h.now()
			h.log.Printf("kills process %d, an orphan of no living launch", stray.PID)
		}
		if err := h.system.signal(stray.ID, unix.SIGKILL); err != nil {
			h.log.Print(err)
		}
		h.sweep.strays[stray.ID] = seen
		found = found || h.now().Sub(seen) < killPatience
	}
	return found
}
