package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// settlePoll is how often Settled looks.
const settlePoll = 2 * time.Millisecond

// Settled returns when nothing is being started, drained or stopped and no request waits for a worker, or with an error
// when ctx ends before. Workers that are not proven gone are not waited for.
func (p *Pool) Settled(ctx context.Context) error {
	return p.settledThen(ctx, func() {})
}

// Still returns as Settled does, and from then on the pool neither starts nor stops a worker, of itself or for an
// operator, until resume is called or it lets go. Requests for workers that are ready are served.
func (p *Pool) Still(ctx context.Context) (resume func(), err error) {
	if err := p.settledThen(ctx, func() { p.still = true }); err != nil {
		return nil, err
	}
	return func() {
		p.locked(func() {
			p.still = false
			p.settleGivenUp()
		})
	}, nil
}

// handsOver reports whether the workers are offered to another router, or are that one's: to start or stop one is not for
// this pool. The lock is held.
func (p *Pool) handsOver() bool { return p.still || p.lettingGo }

// settledThen does something in the very moment in which the pool is settled, with the lock held.
func (p *Pool) settledThen(ctx context.Context, do func()) error {
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for {
		p.mu.Lock()
		moving := p.counts[StateStarting] + p.counts[StateDraining] + p.counts[StateStopping] + p.waiters
		if moving == 0 {
			do()
		}
		p.mu.Unlock()
		if moving == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot wait until %d starts, stops and requests are over: %w", moving, context.Cause(ctx))
		}
	}
}

// Holds says what there is on each worker that is ready, or whose requests are still waited for.
func (p *Pool) Holds() []Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Hold
	for _, s := range p.slots {
		if s.state == StateReady || s.state == StateDraining {
			list = append(list, Hold{Launch: s.launch.id, Leases: s.launch.gate.load().leases(), LastEnd: p.timeAt(s.launch.lastEnd.Load())})
		}
	}
	return list
}

// LetGo makes the pool leave its workers to another router. From now on it starts nothing, evicts nothing, and refuses
// requests that would need either; those for workers that are ready are served. When Run's context ends, the workers that
// can survive are left running as soon as their requests have ended, or after Config.DrainTimeout. The others are stopped,
// and so are those that were not ready.
func (p *Pool) LetGo() {
	p.locked(func() {
		p.lettingGo = true
		p.hungry.Store(false)
		p.settleGivenUp()
		for _, s := range p.slots {
			if len(s.waiters) > 0 && s.state != StateStarting {
				p.dismiss(s, closingError(s))
			}
			p.tidy(s)
		}
	})
}

// GiveUp makes the launch take no new lease, as the router that has the workers wants it stopped. While it is not known
// whether that router keeps them, the launch waits: it is left after LetGo, and stopped where they come back.
func (p *Pool) GiveUp(id LaunchID) {
	p.locked(func() {
		for _, s := range p.slots {
			l := s.launch
			if l == nil || l.id != id || s.state != StateReady || !p.handsOver() {
				continue
			}
			l.givenUp, l.stopWhy = true, stopReason{reason: stopElsewhere}
			l.gate.close()
			l.drainBy = p.now() + int64(p.cfg.DrainTimeout)
			p.transition(s, TriggerClose)
			p.settleGivenUp()
			return
		}
	})
}

// settleGivenUp ends what was given up and has no lease, once it is known who has the workers. The lock is held.
func (p *Pool) settleGivenUp() {
	if p.still && !p.lettingGo {
		return
	}
	for _, s := range p.slots {
		l := s.launch
		if l == nil || !l.givenUp || s.state != StateDraining {
			continue
		}
		if l.leaves = p.mayLeave(l); l.gate.load().leases() == 0 {
			p.transition(s, l.drained())
		}
	}
}

// undecided reports whether the launch was given up, and it is not known yet what becomes of it. The lock is held.
func (p *Pool) undecided(l *launch) bool { return l.givenUp && p.still && !p.lettingGo }

// mayLeave reports whether the launch is to be left running, and is fit for it.
func (p *Pool) mayLeave(l *launch) bool {
	_, can := l.worker.(Survivor)
	return p.lettingGo && can
}

// leaveBehind forgets a launch whose worker goes on without this pool.
func (p *Pool) leaveBehind(s *slot) {
	l := s.launch
	if survivor, can := l.worker.(Survivor); can {
		lastEnd := p.timeAt(l.lastEnd.Load())
		p.later(func() { survivor.LetGo(lastEnd) })
	}
	p.bury(s, EventLeft, "")
	p.task(func() { l.releaseTerm(p.work) })
}

// timeAt is a time of the pool's clock as everybody has it.
func (p *Pool) timeAt(at int64) time.Time { return p.born.Add(time.Duration(at - 1)).Round(0) }

// at is a time of the past on the pool's clock, the earliest where it was before. One that is yet to come, as where the
// wall clock was set back in between, is now: else nobody would be stopped until then.
func (p *Pool) at(t time.Time) int64 { return max(1, p.now()-max(0, int64(time.Since(t)))) }

// recall gives the launch of a worker of before the times that are known of it. Where it is not known when its last
// request ended, it is as if it had been now. The lock is held.
func (p *Pool) recall(l *launch) {
	survivor, can := l.worker.(Survivor)
	if !can {
		return
	}
	past := survivor.Past()
	l.isolation, l.sample.usage.PID = past.Isolation, past.PID
	if past.StartedAt.IsZero() || past.ReadyAt.IsZero() {
		return
	}
	l.started, l.startedAt, l.readyAt = past.StartedAt, p.at(past.StartedAt), p.at(past.ReadyAt)
	if !past.LastEnd.IsZero() {
		l.lastEnd.Store(p.at(past.LastEnd))
	}
}

// respect pins the launch while a router that is leaving has requests on it, also those that come to that one later on its
// clients' open connections. It counts for one lease, and its end for an active one's: which they were is not known. It
// gives what is closed when that is to be looked at again; nil is never. The lock is held.
func (p *Pool) respect(l *launch) (changed <-chan struct{}) {
	survivor, can := l.worker.(Survivor)
	if !can {
		return nil
	}
	requests, changed := survivor.Elsewhere()
	switch {
	case requests == 0:
		p.endRespect(l)
	case l.elsewhere == nil:
		l.tenant.leases.Add(1) // beyond the cap, if need be: they are there
		if lease, ok := l.lease("the router before", true); ok {
			l.elsewhere = lease
		} else {
			l.giveBack()
		}
	}
	return changed
}

// endRespect gives that lease back. The lock is held.
func (p *Pool) endRespect(l *launch) {
	if lease := l.elsewhere; lease != nil {
		l.elsewhere = nil
		p.later(lease.Release)
	}
}

// missed tells of a worker of before that ended while no router was there.
func (p *Pool) missed(worker Worker) {
	spec, exit := worker.Spec(), worker.Exit()
	e := eventOf(spec.Ref, EventDied, exit.text())
	e.Launch, e.Reason = spec.Launch, "unattended"
	if spec.Kind != nil {
		e.Kind = spec.Kind.Name
	}
	p.events.add(e)
}

// byUse puts workers of before into the order in which they were last used, as far as that is known.
func byUse(workers []Worker) []Worker {
	key := func(w Worker) (time.Time, time.Time) {
		if survivor, can := w.(Survivor); can {
			past := survivor.Past()
			return past.LastEnd, past.ReadyAt
		}
		return time.Time{}, time.Time{}
	}
	sorted := slices.Clone(workers)
	slices.SortStableFunc(sorted, func(a, b Worker) int {
		endA, readyA := key(a)
		endB, readyB := key(b)
		return cmp.Or(endA.Compare(endB), readyA.Compare(readyB))
	})
	return sorted
}
