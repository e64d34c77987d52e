package main

import (
	"errors"
	"time"

	"workspace-router/internal/keeper"
)

// errLeft is what a leaving router is told that would start something.
var errLeft = errors.New("cannot start: another router has the session")

// part makes the router that has the session one that is leaving.
func (h *holder) part(old, next *session) {
	h.leaver, old.role = old, leaving
	old.parted = make(chan struct{})
	old.within = h.now().Add(old.offer.Within)
	for _, l := range h.launches {
		l.yielding, l.yielded = false, false
	}
	old.send(keeper.Message{Taken: &keeper.Taken{PID: next.pid}})
	h.awaitParting(old)
}

// awaitParting bounds how long a leaving router's requests count.
func (h *holder) awaitParting(old *session) {
	h.in(old.within.Sub(h.now()), old.parted, func() {
		if h.leaver == old && len(old.offer.Leases) > 0 {
			h.log.Printf("the requests of the leaving router, process %d, are not waited for any longer", old.pid)
			old.offer.Leases = nil
			h.toldElsewhere()
		}
	})
}

// elsewhere is how many requests a leaving router still has on a launch.
func (h *holder) elsewhere(l *launch) int {
	if h.leaver == nil {
		return 0
	}
	return h.leaver.offer.Leases[l.start.Launch]
}

// yieldPatience bounds how long a stop waits for the leaving router's word that no new request comes. One that has said
// nothing for so long hangs.
const yieldPatience = time.Second

// mayStop reports whether a launch may be stopped in order: a leaving router has no request on it, and gets none any more.
// Else that router is asked to take none, and toldElsewhere goes on.
func (h *holder) mayStop(l *launch) bool {
	if h.leaver == nil {
		return true
	}
	if h.leaver.offer.Yields && !l.yielding {
		l.yielding = true
		h.leaver.send(keeper.Message{Nonce: l.start.Nonce, Yield: &keeper.Yield{Launch: l.start.Launch}})
		h.after(l, yieldPatience, func() { h.onYielded(l.start.Launch) })
	}
	return h.elsewhere(l) == 0 && (l.yielded || !h.leaver.offer.Yields)
}

// onYielded takes the leaving router's word that it takes no new request for a launch.
func (h *holder) onYielded(launch string) {
	if l := h.launches[launch]; l != nil && !l.yielded {
		l.yielded = true
		h.toldElsewhere()
	}
}

// toldElsewhere passes on what a leaving router has said of its requests, and does the stops that waited for it.
func (h *holder) toldElsewhere() {
	told := keeper.Elsewhere{}
	if h.leaver != nil {
		told.Launches = h.leaver.offer.Leases
	}
	if h.master != nil && h.master.role != leaving {
		h.master.send(keeper.Message{Elsewhere: &told})
	}
	for _, l := range h.launches {
		if l.waits && h.mayStop(l) {
			l.waits = false
			h.stop(l, false)
		}
	}
}

// parted follows the end of a leaving router: it has no requests any more.
func (h *holder) parted() {
	close(h.leaver.parted)
	h.leaver = nil
	h.toldElsewhere()
}

// giveBack gives the session back to the leaving router, as the one that had taken it is dead. What that one has
// started is known to nobody else, and what it would have stopped is not stopped.
func (h *holder) giveBack(dead *session) {
	old := h.leaver
	close(old.parted)
	h.leaver, h.master, old.role = nil, old, serving
	h.log.Printf("the router with pid %d is gone; the one before it, with pid %d, has the session again", dead.pid, old.pid)
	old.send(keeper.Message{Returned: &keeper.Returned{}})
	for _, l := range h.launches {
		l.waits, l.yielding, l.yielded = false, false, false
		if l.by == dead {
			h.stop(l, false)
		}
	}
}
