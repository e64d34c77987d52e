package supervisor

import (
	"math"
	"time"
)

// alarm collects the earliest time at which something changes by the clock alone.
type alarm int64

const neverRings alarm = math.MaxInt64

func (a *alarm) at(t int64) { *a = min(*a, alarm(t)) }

// decide does everything that can be decided now, and sets the timer for what time alone will change. The lock is held.
func (p *Pool) decide() {
	if p.phase != phaseOpen && p.phase != phaseClosing {
		return
	}
	now, wake := p.now(), neverRings
	if p.phase == phaseOpen && !p.handsOver() {
		p.admit(now, &wake)
		p.retireIdle(now, &wake)
		p.makeRoom(now, &wake)
		p.measureInTurn(now, &wake)
		p.resumeNext()
	}
	p.endDrains(now, &wake)
	p.noteEmpty(now, &wake)
	if wake == neverRings {
		p.timer.Stop() // S11: nobody waits, nothing ticks
	} else {
		p.timer.Reset(time.Duration(max(0, int64(wake)-now)))
	}
}

// admit starts what waits, first come first served, while there is room and a permit. Nobody waits for a workspace
// that is backing off.
func (p *Pool) admit(now int64, wake *alarm) {
	for i := 0; i < len(p.queue) && p.hasPlace(); {
		s := p.queue[i]
		cost, known := p.costOf(s)
		switch {
		case s.state.live(): // its predecessor is not gone; it keeps its place
			i++
		case p.tenantFull(s.ref.Tenant): // its tenant's own affair
			i += p.keep(s)
		case cost.within(p.spare()):
			p.transition(s, TriggerAdmit) // leaves the queue
		case !known:
			p.price(s)
			i++
		case !p.mayEver(s, cost): // left the queue
		case s.wanted() && p.reserves(s, now, wake):
			return
		default:
			i += p.keep(s)
		}
	}
}

// keep leaves the slot in the queue and gives 1. One that only passive requests wait for leaves it: they ride into free
// room or not at all.
func (p *Pool) keep(s *slot) int {
	if s.wanted() {
		return 1
	}
	p.turnAway(s, &ColdError{Workspace: s.ref, After: p.startTime(s), NoRoom: true})
	return 0
}

// mayEver refuses a slot whose worker would be too large if it were alone.
func (p *Pool) mayEver(s *slot, cost load) bool {
	if e := p.overBudget(s.ref, cost); e != nil {
		p.turnAway(s, e)
		return false
	}
	return true
}

// turnAway refuses all who wait for a slot that is not live.
func (p *Pool) turnAway(s *slot, err error) {
	p.refused(s, err)
	p.dismiss(s, err)
	p.tidy(s)
}

// evict closes the victim's word and stops it; false if a request reached it first.
func (p *Pool) evict(v victim, why stopReason) bool {
	l := v.launch
	if !l.gate.closeAs(v.seen) {
		return false
	}
	why.idle = time.Duration(p.now() - v.since)
	if v.next != nil {
		why.next = v.next.ref.String()
	}
	l.stopWhy = why
	if v.seen.leases() > 0 { // its streams are stuck
		p.cut(l)
		p.transition(l.slot, TriggerClose)
		return true
	}
	p.transition(l.slot, TriggerStop)
	return true
}

// retireIdle stops workers that were at rest for their idle time-out.
func (p *Pool) retireIdle(now int64, wake *alarm) {
	if p.cfg.IdleTimeout <= 0 && p.ownIdle == 0 {
		return
	}
	for i := len(p.ready) - 1; i >= 0; i-- { // backwards: the last takes the place of one that leaves
		l := p.ready[i]
		seen, timeout := l.gate.load(), int64(l.idleAfter())
		due := l.lastEnd.Load() + timeout
		switch {
		case timeout <= 0 || l.pinned || l.busy.probeSince > 0:
		case !seen.atRest():
			wake.at(now + timeout)
		case due > now:
			wake.at(due)
		case l.busy.until > now:
			wake.at(l.busy.until)
		case p.mustProbe(l, seen, now):
			p.probe(l)
		case !p.evict(victim{launch: l, seen: seen, since: l.lastEnd.Load()}, stopReason{reason: stopIdle, detail: l.idleWords()}):
			wake.at(now + timeout) // a request reached it
		}
	}
}

// cutGrace is how long requests that were told to end may take to do so before the worker is stopped under them.
const cutGrace = time.Second

// cut tells the leases of the launch to end. The lock is held; they are told when it is free.
func (p *Pool) cut(l *launch) {
	l.wasCut = true
	l.drainBy = p.now() + int64(cutGrace)
	p.later(func() { l.leases.cut(true, everyLease) })
}

// retire ends a launch whatever its leases are: at once if it has none, else when they have ended or after
// Config.DrainTimeout; with cut they are told to end now.
func (p *Pool) retire(l *launch, reason string, cut bool) {
	s := l.slot
	switch s.state {
	case StateStarting:
		l.stopWhy = stopReason{reason: stopCancelled}
		p.transition(s, TriggerStop)
	case StateReady:
		w := l.gate.close()
		l.stopWhy = stopReason{reason: reason}
		l.leaves = reason == stopShutdown && p.mayLeave(l)
		if w.leases() == 0 {
			l.stopWhy.idle = time.Duration(p.now() - l.lastEnd.Load())
			p.transition(s, l.drained())
			return
		}
		l.drainBy = p.now() + int64(p.cfg.DrainTimeout)
		if cut {
			p.cut(l)
		}
		p.transition(s, TriggerClose)
	case StateDraining:
		if cut && !l.wasCut {
			p.cut(l)
		}
	case StateQuarantined:
		l.tryAgain()
	}
}

// drained is what follows when nothing is left to wait for.
func (l *launch) drained() Trigger {
	if l.leaves {
		return TriggerLeave
	}
	return TriggerStop
}

// endDrains cuts the leases of launches whose drain is over, and stops those whose leases do not end even so.
func (p *Pool) endDrains(now int64, wake *alarm) {
	if p.counts[StateDraining] == 0 {
		return
	}
	for _, s := range p.slots {
		if s.state != StateDraining {
			continue
		}
		l := s.launch
		switch {
		case l.drainBy > now:
		case p.undecided(l):
			l.drainBy = now + int64(cutGrace)
		case !l.wasCut:
			p.cut(l)
		default:
			p.transition(s, l.drained())
			continue
		}
		wake.at(l.drainBy)
	}
}
