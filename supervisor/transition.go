package supervisor

import (
	"fmt"
	"time"
)

// current reports whether the launch still is its slot's: what is told of another is stale and dropped. The lock is held.
func (l *launch) current() bool { return l.slot.launch == l }

// transition moves the slot as the table says and does what the table says. Nothing else assigns a state. The lock is
// held.
func (p *Pool) transition(s *slot, on Trigger) {
	to, action, legal := p.next(s.state, on)
	if !legal {
		p.events.add(s.event(EventIllegal, fmt.Sprintf("trigger %q in state %q", on, s.state)))
		return
	}
	from := s.state
	p.countStart(s.launch, from, on)
	if from == StateReady {
		p.publish(s.launch, false)
	}
	p.assign(s, to)
	switch action {
	case ActionNone:
	case ActionStart:
		p.start(s)
	case ActionServe:
		p.serve(s, from)
	case ActionDrain:
		p.drain(s)
	case ActionStop:
		p.stop(s, from)
	case ActionCancel:
		p.cancel(s)
	case ActionAbandon:
		p.abandon(s)
	case ActionRefuse:
		refusal := s.launch.refusal
		p.bury(s, EventNotStarted, refusal.Error())
		p.dismiss(s, refusal)
	case ActionBackOff:
		p.backOff(s)
	case ActionFree:
		p.free(s)
	case ActionLeave:
		p.leaveBehind(s)
	case ActionQuarantine:
		p.quarantine(s)
	}
	p.tidy(s)
}

// assign keeps the counts with the state.
func (p *Pool) assign(s *slot, to State) {
	p.counts[s.state]--
	p.counts[to]++
	if was, is := s.state.live(), to.live(); was != is {
		change := 1
		if was {
			change = -1
		}
		p.live += change
		p.countTenant(s.ref.Tenant, change)
	}
	s.state = to
}

// start begins a launch. Its life is the pool's, not that of the request that asked first (S4).
func (p *Pool) start(s *slot) {
	l := p.newLaunch(s, newLaunchID())
	s.launch = l
	p.dequeue(s)
	l.asked, l.started, l.startedAt = time.Now(), time.Now(), p.now()
	if len(s.waiters) > 0 {
		l.asked = s.waiters[0].since
	}
	cost, _ := p.costOf(s)
	p.declare(l, cost)
	s.priced = false // its kind may change before the next start
	l.mark(PhaseQueued)
	p.events.add(l.event(EventStarting, ""))
	p.task(func() { p.launch(l) })
}

// serve publishes a launch, born leased to those who wait for it. Who has a lease finds the event of its launch.
func (p *Pool) serve(s *slot, from State) {
	l := s.launch
	now := p.now()
	l.readyAt = now
	l.lastEnd.Store(now)
	p.sampleAt = min(p.sampleAt, now+int64(p.cfg.MeasureEvery))
	if from == StateStarting {
		l.mark(PhaseProven)
		p.measure(l.kind.Name, time.Duration(now-l.startedAt))
		p.countPhases(l)
		p.events.add(l.event(EventReady, l.isolation))
	} else {
		p.recall(l)
		p.events.add(l.event(EventRecovered, l.isolation))
	}
	p.handOver(s)
	p.task(func() { p.watch(l) })
	if l.kind.Leftovers != nil {
		p.task(func() { p.seekLeftovers(l) })
	}
}

// handOver opens the launch, with the leases of its waiters counted, and answers them in the order in which they came
// (S4).
func (p *Pool) handOver(s *slot) {
	l := s.launch
	passive, active := 0, 0
	for _, w := range s.waiters {
		switch {
		case w.kin == waiterWarming:
		case !l.take():
			w.kin = waiterTooMany
		case w.kin == waiterActive:
			active++
		default:
			passive++
		}
	}
	l.awaited = active+passive > 0
	l.gate.open(active, passive)
	p.publish(l, true)
	for i, w := range s.waiters {
		var a answer
		switch w.kin {
		case waiterWarming:
		case waiterTooMany:
			a.err = p.leaseRefusal(s.ref)
			p.refused(s, a.err)
		default:
			a.lease = l.newLease(w.principal, w.kin == waiterActive, uint32(i))
		}
		w.answer <- a
	}
	p.waiters -= len(s.waiters)
	s.waiters = nil
	p.dequeue(s)
}

// drain waits for the leases of a launch that takes no new one (S6).
func (p *Pool) drain(s *slot) {
	s.launch.stopAsked = p.now()
	p.events.add(s.launch.event(EventDraining, ""))
}

// stop asks the worker to stop. Requests that come now wait for the next launch.
func (p *Pool) stop(s *slot, from State) {
	l := s.launch
	if l.stopAsked == 0 {
		l.stopAsked = p.now()
	}
	l.gate.close()
	if from != StateStopping { // a cancelled start has said so already
		p.events.add(l.event(EventStopping, ""))
		p.deps.Observer.Stop(l.stopWhy.reason)
	}
	p.task(func() { p.stopWorker(l) })
}

// cancel ends a start that is under way. What comes of it arrives as a trigger.
func (p *Pool) cancel(s *slot) {
	l := s.launch
	l.stopAsked = p.now()
	p.events.add(l.event(EventStopping, ""))
	p.deps.Observer.Stop(l.stopWhy.reason)
	p.later(l.cancel)
	if s.wanted() {
		p.enqueue(s)
	} else {
		p.dismiss(s, &ColdError{Workspace: s.ref, After: p.startTime(s)})
	}
}

// abandon stops what a failed start left.
func (p *Pool) abandon(s *slot) {
	l := s.launch
	p.fail(l)
	l.stopWhy = stopReason{reason: stopBroken}
	p.events.add(l.event(EventStartFailed, l.failure.Error()))
	p.dismiss(s, &UnavailableError{Workspace: s.ref, Failures: s.failures, After: p.cfg.Backoff.after(s.failures, 0), Start: l.failure})
	p.stop(s, StateStarting)
}

// backOff leaves the workspace alone for a while.
func (p *Pool) backOff(s *slot) {
	l := s.launch
	p.fail(l)
	wait := p.cfg.Backoff.after(s.failures, jitter())
	s.retryAt = p.now() + int64(wait)
	p.bury(s, EventFailed, l.failure.Error())
	p.dismiss(s, p.unavailable(s))
	p.tidyAll()
}

// fail counts the failure of a launch, once.
func (p *Pool) fail(l *launch) {
	if l.counted {
		return
	}
	l.counted = true
	l.slot.failures++
	l.slot.failure = l.failure
}

// free forgets the launch, and a failure that was lifted. Those who wait for the next one stay in line.
func (p *Pool) free(s *slot) {
	if s.launch == nil { // a reset
		s.failures, s.failure = 0, nil
		return
	}
	event := EventStopped
	if s.launch.died {
		event = EventDied
	}
	p.bury(s, event, "")
}

// quarantine keeps the room of a worker that is not proven gone. stopWorker goes on trying.
func (p *Pool) quarantine(s *slot) {
	l := s.launch
	l.inVainAt = p.now()
	p.events.add(l.event(EventQuarantined, l.notGone.Error()))
	p.dismiss(s, &QuarantinedError{Workspace: s.ref, Launch: l.id, Err: l.notGone})
}

// bury ends a launch that is proven gone, or never was: its leases are told, its connections closed.
func (p *Pool) bury(s *slot, event EventType, detail string) {
	l := s.launch
	l.gate.close()
	p.events.add(l.event(event, detail))
	s.launch = nil
	p.resumes.forget(l)
	p.declare(l, load{})
	close(l.done)
	p.later(func() {
		l.cancel()
		l.leases.cut(true, everyLease)
		if l.transport != nil {
			l.transport.CloseIdleConnections()
		}
	})
}

// measure smooths what a start of the kind takes, for Retry-After.
func (p *Pool) measure(kind string, took time.Duration) {
	if before, found := p.measured[kind]; found {
		took = (3*before + took) / 4
	}
	p.measured[kind] = took
}

// startTime guesses what a start of the workspace takes: as measured for its kind, else for the slowest kind.
func (p *Pool) startTime(s *slot) time.Duration {
	if s.launch != nil && s.launch.kind != nil {
		if took, found := p.measured[s.launch.kind.Name]; found {
			return max(took, leastStartTime)
		}
	}
	if len(p.measured) == 0 {
		return time.Second
	}
	var slowest time.Duration
	for _, took := range p.measured {
		slowest = max(slowest, took)
	}
	return max(slowest, leastStartTime)
}

// leastStartTime keeps a hint from saying "now".
const leastStartTime = 100 * time.Millisecond
