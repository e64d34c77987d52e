package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run takes over the workers of before, then serves until ctx ends, then refuses new leases, lets open requests end
// within Config.DrainTimeout, and stops every worker, or leaves it after LetGo. It returns when all its goroutines are gone; the error names
// workers that are not proven gone. It may be called once.
func (p *Pool) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := p.begin(work); err != nil {
		return err
	}
	logged := p.logEvents()
	err := p.takeOver(ctx)
	if err == nil {
		p.locked(func() { p.phase = phaseOpen })
		close(p.opened)
		p.serveUntil(ctx)
	}
	p.locked(p.beginClosing)
	p.untilEmpty()
	p.locked(func() { p.phase = phaseClosed }) // no task is begun any more
	err = errors.Join(err, p.left())
	cancel()
	p.tasks.Wait()
	close(p.closed)
	p.events.close()
	<-logged
	return err
}

func (p *Pool) begin(work context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.work != nil {
		return errors.New("cannot run the pool twice")
	}
	p.work = work
	return nil
}

// serveUntil decides what time alone changes, until ctx ends.
func (p *Pool) serveUntil(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.rings:
			p.locked(func() {})
		}
	}
}

// untilEmpty does so until no worker is left that could still be stopped.
func (p *Pool) untilEmpty() {
	for {
		select {
		case <-p.empty:
			return
		case <-p.rings:
			p.locked(func() {})
		}
	}
}

// beginClosing refuses what waits and what comes, and ends what runs.
func (p *Pool) beginClosing() {
	p.phase, p.closingAt = phaseClosing, p.now()
	p.hungry.Store(false)
	for _, s := range p.slots {
		if len(s.waiters) > 0 {
			p.dismiss(s, closingError(s))
		}
		if s.launch != nil {
			p.retire(s.launch, stopShutdown, false)
		}
		p.tidy(s)
	}
}

// noteEmpty lets Run end when no worker is left but those that were asked in vain for Config.StopMargin.
func (p *Pool) noteEmpty(now int64, wake *alarm) {
	if p.phase != phaseClosing || p.live > p.counts[StateQuarantined] {
		return
	}
	if p.live > 0 {
		for _, s := range p.slots {
			if s.state != StateQuarantined {
				continue
			}
			if until := max(p.closingAt, s.launch.inVainAt) + int64(p.cfg.StopMargin); until > now {
				wake.at(until)
				return
			}
		}
	}
	select {
	case <-p.empty:
	default:
		close(p.empty)
	}
}

// left names the workers that are not proven gone.
func (p *Pool) left() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, s := range p.slots {
		if s.state.live() {
			names = append(names, fmt.Sprintf("%q (launch %q)", s.ref, s.launch.id))
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("cannot prove that the workers of these workspaces are gone: %s: %w", strings.Join(names, ", "), ErrNotGone)
}

// takeOver accounts for every worker that the Driver still sees, before anything is started (S8). It serves those that
// are usable and stops the others.
func (p *Pool) takeOver(ctx context.Context) error {
	workers, err := p.deps.Driver.Recover(ctx)
	if err != nil {
		return fmt.Errorf("cannot take over the workers of before: %w", err)
	}
	p.restorePins(ctx)
	for _, worker := range byUse(workers) {
		if err := p.adopt(ctx, worker); err != nil {
			return err
		}
	}
	return nil
}

// adopt makes a slot of a worker of before. Two of one generation break S1: the second must be gone before anything else.
func (p *Pool) adopt(ctx context.Context, worker Worker) error {
	select {
	case <-worker.Gone():
		p.missed(worker)
		return nil
	default:
	}
	spec := worker.Spec()
	p.mu.Lock()
	double := p.slots[spec.Ref.Generation] != nil
	p.mu.Unlock()
	if double {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.StopMargin)
		defer cancel()
		if err := worker.Stop(ctx, true); err != nil {
			return fmt.Errorf("cannot take over workspace %q: two workers run for it, and launch %q does not stop: %w", spec.Ref, spec.Launch, err)
		}
		return nil
	}
	endpoint, transport, err := p.reach(worker)
	term := spec.Term
	if err == nil && term == nil {
		term, err = p.deps.Ownership.Acquire(ctx, spec.Ref)
	}
	if err == nil && spec.Kind == nil {
		err = errors.New("it has no kind")
	}
	p.locked(func() {
		s := p.slotOf(spec.Ref)
		l := p.newLaunch(s, spec.Launch)
		s.launch = l
		l.asked, l.started, l.startedAt = time.Now(), time.Now(), p.now()
		l.worker, l.kind, l.term, l.endpoint, l.transport = worker, spec.Kind, term, endpoint, transport
		l.idleTimeout, l.idleOf, l.resume = spec.IdleTimeout, spec.IdleTimeoutOf, spec.Resume
		if spec.Kind != nil {
			p.declare(l, loadOf(spec.Kind.Cost))
		}
		if err != nil {
			l.stopWhy = stopReason{reason: stopUnusable}
			p.transition(s, TriggerDiscard)
			return
		}
		p.transition(s, TriggerAdopt)
		p.respect(l)
	})
	return nil
}
