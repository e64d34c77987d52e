package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// Acquire gives a lease on the workspace's worker and starts the worker if the wish allows it. It returns by the
// earliest of the wish's Wait and ctx's end; a start that it caused goes on. Errors wrap workspace.ErrCold,
// ErrCapacity (*CapacityError), ErrUnavailable (*UnavailableError), ErrTimeout (*WaitError), ErrQuarantined, ErrClosing,
// or are those of Deps.Describe, Ownership (*NotHereError), Wish.Recheck or ctx.
func (p *Pool) Acquire(ctx context.Context, ref workspace.Ref, wish Wish) (*Lease, error) {
	if l := (*p.index.Load())[ref.Generation]; l != nil {
		if !l.take() {
			return nil, p.tooManyLeases(l)
		}
		if lease, ok := l.lease(wish.Principal, wish.Class != kind.Passive && wish.Class != kind.Never); ok {
			return lease, nil
		}
		l.giveBack()
	}
	return p.acquireCold(ctx, ref, wish)
}

// acquireCold is the way of a request that found no launch that takes leases.
func (p *Pool) acquireCold(ctx context.Context, ref workspace.Ref, wish Wish) (*Lease, error) {
	kin := waiterActive
	if wish.Class == kind.Passive || wish.Class == kind.Never {
		kin = waiterPassive
	}
	w := &waiter{principal: wish.Principal, kin: kin, since: time.Now(), answer: make(chan answer, 1)}
	var lease *Lease
	var err error
	p.locked(func() { lease, err = p.join(ref, w, wish.Class == kind.Never) })
	if lease != nil || err != nil {
		return lease, err
	}
	return p.wait(ctx, w, wish)
}

// join gives a lease, a refusal, or neither: then the waiter is in the slot's line.
func (p *Pool) join(ref workspace.Ref, w *waiter, never bool) (*Lease, error) {
	if ref.Generation == "" {
		return nil, fmt.Errorf("cannot serve workspace %q: it has no generation", ref)
	}
	if p.phase == phaseClosing || p.phase == phaseClosed {
		return nil, fmt.Errorf("cannot serve workspace %q: %w", ref, workspace.ErrClosing)
	}
	s := p.slotOf(ref)
	defer p.tidy(s)
	if l := s.launch; s.state == StateReady && w.kin != waiterWarming && l.take() {
		if lease, ok := l.lease(w.principal, w.kin == waiterActive); ok {
			return lease, nil
		}
		l.giveBack()
	}
	if (p.lettingGo || p.still && w.kin == waiterWarming) && s.state != StateStarting {
		return nil, closingError(s)
	}
	if err := p.mayWait(s, w, never); err != nil {
		p.refused(s, err)
		return nil, err
	}
	w.slot, w.limit = s, p.cfg.Wait
	s.waiters = append(s.waiters, w)
	p.waiters++
	if s.state != StateStarting {
		p.enqueue(s)
	}
	return nil, nil
}

// mayWait refuses the waiter if it must not wait in the slot's line.
func (p *Pool) mayWait(s *slot, w *waiter, never bool) error {
	now := p.now()
	switch {
	case never:
		return &ColdError{Workspace: s.ref, After: p.startTime(s)}
	case w.kin == waiterPassive && !p.mayRide(s):
		return &ColdError{Workspace: s.ref, After: p.startTime(s), NoRoom: s.backingOff(now) == 0 && !s.state.live()}
	case s.state == StateQuarantined:
		return &QuarantinedError{Workspace: s.ref, Launch: s.launch.id, Err: s.launch.notGone}
	case s.backingOff(now) > 0:
		return p.unavailable(s)
	case w.kin != waiterWarming && p.leasesFull(s.ref.Tenant):
		return p.leaseRefusal(s.ref)
	case len(s.waiters) >= p.cfg.WaitersPerWorkspace:
		return &CapacityError{Workspace: s.ref, Reason: ReasonWaiters, Limit: p.cfg.WaitersPerWorkspace, After: p.startTime(s)}
	case p.waiters >= p.cfg.WaitersTotal:
		return &CapacityError{Workspace: s.ref, Reason: ReasonAllWaiters, Limit: p.cfg.WaitersTotal, After: p.startTime(s)}
	}
	return nil
}

// mayRide reports whether a passive request may wait: for a start that is under way, or one into room that nobody
// else waits for.
func (p *Pool) mayRide(s *slot) bool {
	if s.state == StateStarting {
		return true
	}
	free := p.phase == phaseOpen && !p.handsOver() && len(p.queue) == 0 && p.hasPlace() && !p.tenantFull(s.ref.Tenant)
	return free && !s.state.live() && s.backingOff(p.now()) == 0
}

// hasPlace reports whether one more worker may be starting.
func (p *Pool) hasPlace() bool {
	return p.live < p.cfg.MaxWorkers && p.counts[StateStarting] < p.cfg.StartConcurrency
}

// wait waits for the answer within the wish's time.
func (p *Pool) wait(request context.Context, w *waiter, wish Wish) (*Lease, error) {
	limit := wish.Wait
	if limit <= 0 {
		limit = w.limit
	}
	ctx, cancel := context.WithTimeoutCause(request, limit, errWaited)
	defer cancel()
	var a answer
	select {
	case a = <-w.answer:
	case <-ctx.Done():
		a = p.leave(ctx, w)
	}
	if a.err != nil || a.lease == nil {
		return nil, a.err
	}
	a.lease.waited = time.Since(w.since)
	if wish.Recheck == nil {
		return a.lease, nil
	}
	if err := recheck(request, wish); err != nil {
		a.lease.Release()
		p.refusedAtHandOver(w.slot, err)
		return nil, err
	}
	return a.lease, nil
}

// recheckTimeout bounds a recheck, which may come when the time to wait is all but over.
const recheckTimeout = 5 * time.Second

func recheck(ctx context.Context, wish Wish) error {
	ctx, cancel := context.WithTimeout(ctx, recheckTimeout)
	defer cancel()
	return wish.Recheck(ctx)
}

// leave takes a waiter whose time is over out of the line. If it was answered meanwhile, the answer counts, but for a
// lease whose client has left.
func (p *Pool) leave(ctx context.Context, w *waiter) (a answer) {
	overdue := errors.Is(ctx.Err(), context.DeadlineExceeded)
	p.locked(func() {
		select {
		case a = <-w.answer:
			return
		default:
		}
		s := w.slot
		s.waiters = slices.DeleteFunc(s.waiters, func(other *waiter) bool { return other == w })
		p.waiters--
		if overdue {
			a.err = p.overdue(s, w)
			p.refused(s, a.err)
		} else {
			a.err = fmt.Errorf("cannot wait for workspace %q: %w", s.ref, context.Cause(ctx))
		}
		if !s.wanted() && s.state != StateStarting {
			p.dismiss(s, &ColdError{Workspace: s.ref, After: p.startTime(s), NoRoom: true}) // passive ones, whose room has gone
		}
		p.tidy(s)
	})
	if a.lease != nil && !overdue {
		a.lease.Release()
		return answer{err: fmt.Errorf("cannot wait for workspace %q: %w", w.slot.ref, context.Cause(ctx))}
	}
	return a
}

// overdue says why the waiter was not served in time.
func (p *Pool) overdue(s *slot, w *waiter) error {
	if s.state == StateCold || s.state == StateFailed {
		if cost, known := p.costOf(s); !p.hasPlace() || p.tenantFull(s.ref.Tenant) || known && !cost.within(p.spare()) {
			return p.noRoom(s)
		}
	}
	return &WaitError{Workspace: s.ref, State: s.state, Waited: time.Since(w.since), After: p.startTime(s)}
}

// unavailable says when a failed workspace may be tried again.
func (p *Pool) unavailable(s *slot) error {
	return &UnavailableError{Workspace: s.ref, Failures: s.failures, After: s.backingOff(p.now()), Start: s.failure}
}
