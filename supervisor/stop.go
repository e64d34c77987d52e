package supervisor

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// stopRetry bounds the pauses between attempts to stop a worker that is not proven gone.
var stopRetry = Backoff{Initial: time.Second, Max: 30 * time.Second, Factor: 2}

// stopWorker asks the worker to stop until it is proven gone.
func (p *Pool) stopWorker(l *launch) {
	for attempt := 1; ; attempt++ {
		err := p.stopOnce(l, attempt > 1)
		if err == nil {
			p.onGone(l)
			return
		}
		p.onNotGone(l, err)
		select {
		case <-l.done:
			return
		case <-l.worker.Gone():
			p.onGone(l)
			return
		case <-p.work.Done():
			return // Run says that it was left
		case <-l.retryStop:
		case <-time.After(stopRetry.after(attempt, 0)):
		}
	}
}

// stopOnce is one attempt, with a bound of its own: a Driver that does not return keeps nothing waiting.
func (p *Pool) stopOnce(l *launch, force bool) error {
	p.mu.Lock()
	force = force || l.force
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.work, l.stopGrace())
	defer cancel()
	return l.worker.Stop(ctx, force)
}

// hurry asks a worker that is stopping already to stop without grace.
func (p *Pool) hurry(l *launch) {
	l.force = true
	if worker := l.worker; worker != nil {
		p.task(func() {
			if p.stopOnce(l, true) == nil {
				p.onGone(l)
			}
		})
	}
	l.tryAgain()
}

// tryAgain ends the pause before the next attempt to stop a quarantined worker.
func (l *launch) tryAgain() {
	select {
	case l.retryStop <- struct{}{}:
	default:
	}
}

// watch waits for the end that nobody asked for: the worker's, or that of the right to run it. Until then it follows what
// a router that is leaving has on the worker.
func (p *Pool) watch(l *launch) {
	defer p.locked(func() { p.endRespect(l) })
	var lost, changed, cut <-chan struct{}
	if l.term != nil {
		lost = l.term.Lost()
	}
	look := func() {
		p.locked(func() {
			changed, cut = p.respect(l), nil
			if l.elsewhere != nil {
				cut = l.elsewhere.Ended()
			}
		})
	}
	look()
	for {
		select {
		case <-l.done:
			return
		case <-p.work.Done(): // it is left, quarantined
			return
		case <-l.worker.Gone():
			p.onGone(l)
			return
		case <-changed:
			look()
		case <-cut: // and not taken anew before there is news
			cut = nil
			p.locked(func() { p.endRespect(l) })
		case <-lost:
			lost = nil
			p.locked(func() {
				if l.current() {
					// Another router may start a worker on the same data as soon as the term runs out.
					l.force = true
					p.retire(l, stopOwnership, true)
				}
			})
		}
	}
}

// onGone takes the proof that the worker is gone. It may come twice, by Stop and by Gone; the second is stale.
func (p *Pool) onGone(l *launch) {
	p.locked(func() {
		l.gate.close() // who comes now waits for the next launch
		if l.stopAsked == 0 {
			l.stopAsked = p.now()
		}
	})
	l.leases.cut(true, everyLease) // before what may take a while
	l.releaseTerm(p.work)
	p.locked(func() {
		if !l.current() {
			return
		}
		on := TriggerGone
		if p.judge(l) {
			on = TriggerCrashed
		}
		p.transition(l.slot, on)
	})
}

// judge reports whether the end of the launch counts against the workspace: a start that failed, or the second death
// in a row soon after it was ready (S5).
func (p *Pool) judge(l *launch) (crashed bool) {
	s := l.slot
	if l.died = s.state == StateReady || s.state == StateDraining; l.died {
		p.deps.Observer.Stop(stopDied)
	}
	switch {
	case l.failure != nil:
		return true
	case !l.died || p.now()-l.readyAt >= int64(p.cfg.CrashWindow):
		s.failures, s.failure = 0, nil
		return false
	}
	exit := l.worker.Exit()
	l.failure = &StartError{
		Cause:   exit.cause(),
		Phase:   PhaseProven,
		Elapsed: time.Since(l.started),
		LastLog: exit.LastLog,
		Err:     errors.New("the worker ended soon after it was ready: " + exit.text()),
	}
	p.fail(l)
	return s.failures > 1
}

// cause is that of a failure that ended like this.
func (e Exit) cause() Cause {
	if e.OutOfMemory {
		return CauseOutOfMemory
	}
	return CauseExited
}

// text says how the worker ended.
func (e Exit) text() string {
	if e.OutOfMemory {
		return e.Signal + ": out of memory, it needed more than its limit; " + CureOutOfMemory
	}
	if e.Signal != "" {
		return e.Signal
	}
	return "exit status " + strconv.Itoa(e.Code)
}

// onNotGone takes the word that a stop came to no proof.
func (p *Pool) onNotGone(l *launch, err error) {
	p.locked(func() {
		if l.current() {
			l.notGone = err
			p.transition(l.slot, TriggerNotGone)
		}
	})
}

// onRest takes the news that a launch has no lease left, where somebody waits for that.
func (p *Pool) onRest(l *launch) {
	p.locked(func() { // locked decides about the room that this gives
		if l.current() && l.slot.state == StateDraining && l.gate.load().drained() && !p.undecided(l) {
			p.transition(l.slot, l.drained())
		}
	})
}
