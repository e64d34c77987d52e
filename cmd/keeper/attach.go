package main

import (
	"os"
	"time"

	"workspace-router/internal/keeper"
)

const (
	// askPatience is how long a router that has connected may take to say what it wants.
	askPatience = 5 * time.Second
	// maxAsking bounds how many routers may be connected without having the session.
	maxAsking = 16
	// maxMissed bounds how many ends are remembered for the next router.
	maxMissed = 1000
)

// command carries out what a router says.
func (h *holder) command(s *session, m keeper.Message) {
	switch {
	case s.role == asking && m.Attach == nil, s.role == leaving && m.Leases == nil && m.Yielded == nil && m.Release == nil && m.Start == nil:
		h.log.Print("a message from a router that has not the session")
		if s.role == asking {
			s.close(0)
		}
	case m.Attach != nil:
		h.admit(s, *m.Attach)
	case m.Start != nil && s.role == leaving:
		h.refuse(*m.Start, keeper.ReasonEnding, errLeft)
	case m.Start != nil:
		h.start(s, *m.Start)
	case m.Memo != nil:
		if l := h.launches[m.Memo.Launch]; l != nil && l.start.Nonce == m.Nonce {
			l.start.Memo = m.Memo.Text
		}
	case m.Stop != nil:
		h.stopCommand(*m.Stop, m.Nonce)
	case m.Leave != nil:
		s.role, s.offer, s.final = offering, *m.Leave, false
	case m.Stay != nil:
		s.role = serving
		s.send(keeper.Message{Stayed: &keeper.Stayed{}})
	case m.Leases != nil:
		s.offer.Leases = m.Leases.Launches
		h.toldElsewhere()
	case m.Yielded != nil && s.role == leaving:
		s.offer.Leases = m.Yielded.Launches
		h.toldElsewhere()
		h.onYielded(m.Yielded.Launch)
	case m.Yielded != nil: // it has the session again
	case m.Release != nil:
		s.final = true
	case m.Renew != nil:
		h.wanted = &renewal{by: s, Renew: *m.Renew}
	case m.Shutdown != nil:
		s.asked = true
		h.end("asked to")
	default:
		h.log.Print("a message that is no command; the connection is given up")
		s.close(0)
	}
}

// admit gives a router the session, or says who has it.
func (h *holder) admit(s *session, a keeper.Attach) {
	s.keep = a.Keep
	if s.role != asking { // it has it: it has started this keeper
		return
	}
	switch {
	case !h.token.Equal(a.Token):
		h.log.Printf("process %d does not know the token; the connection is given up", s.pid)
		s.close(0)
		return
	case h.ending:
		h.deny(s, keeper.DenyEnding, os.Getpid())
		return
	case h.master != nil && h.master.role != offering:
		h.deny(s, keeper.DenyBusy, h.master.pid)
		return
	case h.master != nil && h.leaver != nil:
		h.deny(s, keeper.DenyBusy, h.leaver.pid)
		return
	}
	if old := h.master; old != nil {
		h.part(old, s)
	}
	if h.alone != nil {
		close(h.alone)
		h.alone = nil
	}
	s.role, h.master = serving, s
	h.openGroups() // the router may have come into the delegated group itself
	h.log.Printf("the router with pid %d has the session, and %d launches", s.pid, len(h.launches))
	for _, l := range h.launches {
		s.send(keeper.Message{Nonce: l.start.Nonce, Held: h.held(l)})
	}
	for _, missed := range h.missed {
		s.send(keeper.Message{Held: &missed})
	}
	h.missed = nil
	hello := h.greeting()
	s.send(keeper.Message{Hello: &hello})
}

// greeting is what there is to say to every router.
func (h *holder) greeting() keeper.Hello {
	return keeper.Hello{PID: os.Getpid(), Proof: h.groups.proof(proof), Program: h.program, State: stateVersion}
}

func (h *holder) deny(s *session, reason keeper.DenyReason, pid int) {
	s.send(keeper.Message{Denied: &keeper.Denied{Reason: reason, PID: pid}})
	delete(h.sessions, s)
	h.crew.Go(func() { s.close(farewell) })
}

// held says what the next router must know of a launch.
func (h *holder) held(l *launch) *keeper.Held {
	return &keeper.Held{
		Launch: l.start.Launch, Generation: l.start.Generation, Workspace: l.start.Workspace, PID: l.program.PID, Start: l.program.Start,
		LockedAt: l.lockedAt, SpawnedAt: l.spawnedAt, Isolation: l.isolation, Group: l.group.Path, Memo: l.start.Memo,
		Exit: l.exit, Stopping: l.phase != running, Leases: h.elsewhere(l),
	}
}

// lost follows the end of a router's connection.
func (h *holder) lost(s *session, err error) {
	s.close(0)
	_, known := h.sessions[s]
	delete(h.sessions, s)
	if err != nil && known { // else the end was this side's
		h.log.Printf("the router's connection broke: %v", err)
	}
	switch s {
	case h.leaver:
		h.parted()
	case h.master:
		h.master = nil
		if h.leaver != nil && !h.leaver.final {
			h.giveBack(s)
			return
		}
		h.abandoned(s.keep)
	}
}

// abandoned is what the death of the router comes to: every worker is stopped in its own way, so that it can flush, or
// held for a while for the router that comes next.
func (h *holder) abandoned(keep time.Duration) {
	h.groups.yield()
	if keep <= 0 || h.door == nil || h.ending || len(h.launches)+len(h.missed) == 0 {
		h.end("the router is gone")
		return
	}
	h.log.Printf("the router is gone; holds %d launches for %v", len(h.launches), keep)
	h.alone = make(chan struct{})
	h.in(keep, h.alone, func() {
		if h.alone != nil {
			h.end("no router has come back")
		}
	})
}

// in has the owner do something later, unless the channel is closed before.
func (h *holder) in(d time.Duration, before <-chan struct{}, work func()) {
	timer := time.NewTimer(d)
	h.crew.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			h.post(work)
		case <-before:
		case <-h.quit:
		}
	})
}

// miss remembers a launch that has ended while there is no router to be told.
func (h *holder) miss(l *launch, gone keeper.Gone) {
	if h.alone == nil || h.ending || len(h.missed) >= maxMissed {
		return
	}
	held := h.held(l)
	held.Gone = &gone
	h.missed = append(h.missed, *held)
}
