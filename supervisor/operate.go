package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/workspace"
)

// Start makes the workspace's worker ready without a request: nil when it is. It counts as no use. It waits for as long
// as a start may take, or until ctx ends, and fails as Acquire does.
func (p *Pool) Start(ctx context.Context, ref workspace.Ref) error {
	w := &waiter{kin: waiterWarming, since: time.Now(), answer: make(chan answer, 1)}
	var err error
	ready := false
	p.locked(func() {
		if s := p.slots[ref.Generation]; s != nil && s.state == StateReady {
			ready = true
			return
		}
		_, err = p.join(ref, w, false)
	})
	if ready || err != nil {
		return err
	}
	_, err = p.wait(ctx, w, Wish{Wait: w.limit + p.cfg.StartTimeout})
	return err
}

// Evict stops the workspace's worker and returns when it is proven gone, or with the reason why it is not. It ignores
// the minimum residency and pins, but neither leases nor the worker's own word that it is busy: then it is refused with
// a *RefusedError that names what holds it. With force leases are told to end, and a worker that is stopping already is
// stopped without grace. A workspace that is not running is gone.
func (p *Pool) Evict(ctx context.Context, ref workspace.Ref, force bool) error {
	if !force {
		if err := p.mayEvict(ctx, ref); err != nil {
			return err
		}
	}
	var l *launch
	var err error
	p.locked(func() { l, err = p.evictNow(ref, force) })
	if l == nil || err != nil {
		return err
	}
	select {
	case <-l.done:
		return nil
	case <-p.closed:
		return p.notYetGone(l, workspace.ErrClosing)
	case <-ctx.Done():
		return p.notYetGone(l, context.Cause(ctx))
	}
}

// mayEvict asks a worker whose kind has a word for it whether it is idle.
func (p *Pool) mayEvict(ctx context.Context, ref workspace.Ref) error {
	l := (*p.index.Load())[ref.Generation]
	if l == nil || l.kind.Busy == nil || l.gate.load().leases() > 0 {
		return nil // evictNow sees what there is to see
	}
	since, epoch := p.now(), l.gate.load().epoch()
	idle := p.confirmIdle(ctx, l)
	if ctx.Err() != nil {
		return fmt.Errorf("cannot evict workspace %q: %w", ref, context.Cause(ctx))
	}
	p.locked(func() {
		if l.current() {
			p.onProbed(l, idle, since, epoch)
		}
	})
	if !idle {
		return &RefusedError{Action: "evict", Workspace: ref, Why: "its worker is busy, or does not say that it is not"}
	}
	return nil
}

// evictNow begins the stop. It gives the launch to wait for; none where nothing runs.
func (p *Pool) evictNow(ref workspace.Ref, force bool) (*launch, error) {
	if p.handsOver() { // it is another router's to stop, or will be in a moment; what does not run here may run there
		return nil, fmt.Errorf("cannot evict workspace %q: %w", ref, workspace.ErrClosing)
	}
	s := p.slots[ref.Generation]
	if s == nil || s.launch == nil {
		return nil, nil
	}
	l := s.launch
	switch s.state {
	case StateStarting:
		if len(s.waiters) > 0 && !force {
			return nil, &RefusedError{Action: "evict", Workspace: ref, Why: fmt.Sprintf("%s for its start", count(len(s.waiters), "request waits", "requests wait"))}
		}
		p.retire(l, stopOperator, true)
	case StateReady:
		seen := l.gate.load()
		if !force && seen.leases() == 0 && p.mustProbe(l, seen, p.now()) {
			return nil, &RefusedError{Action: "evict", Workspace: ref, Why: "it was used while its worker was asked whether it is idle"}
		}
		if !force && (seen.leases() > 0 || !l.gate.closeAs(seen)) {
			return nil, &RefusedError{Action: "evict", Workspace: ref, Why: l.holders()}
		}
		p.retire(l, stopOperator, true)
	case StateDraining:
		p.retire(l, stopOperator, force)
	case StateStopping, StateQuarantined:
		if force {
			p.hurry(l)
		}
	}
	return l, nil
}

// holders names who holds the launch.
func (l *launch) holders() string {
	const shown = 3
	var names []string
	total := 0
	l.leases.each(func(lease *Lease) bool {
		total++
		if lease.principal != "" && len(names) < shown && !slices.Contains(names, lease.principal) {
			names = append(names, lease.principal)
		}
		return true
	})
	why := count(total, "request is open", "requests are open")
	if len(names) > 0 {
		why += ", among them of " + strings.Join(names, ", ")
	}
	return why
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// notYetGone says how far the stop has come.
func (p *Pool) notYetGone(l *launch, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.notGone != nil {
		return &QuarantinedError{Workspace: l.ref, Launch: l.id, Err: l.notGone}
	}
	return fmt.Errorf("cannot see the end of workspace %q: launch %q is %s: %w", l.ref, l.id, l.slot.state, cause)
}

// Restart evicts the workspace's worker, with Evict's rules, and starts it again.
func (p *Pool) Restart(ctx context.Context, ref workspace.Ref, force bool) error {
	if err := p.Evict(ctx, ref, force); err != nil {
		return err
	}
	return p.Start(ctx, ref)
}

// Reset lifts the back-off of a workspace whose starts failed, and forgets the failures, also that workers of it died
// over their leftovers.
func (p *Pool) Reset(ref workspace.Ref) {
	p.locked(func() {
		delete(p.resumes.deaths, ref.Generation)
		s := p.slots[ref.Generation]
		if s == nil || s.failures == 0 {
			return
		}
		p.events.add(s.event(EventReset, ""))
		if s.state == StateFailed {
			p.transition(s, TriggerReset)
			return
		}
		s.failures, s.failure = 0, nil
		p.tidy(s)
	})
}

// Release tries again, now, to stop a quarantined worker. Its room is free only when it is proven gone.
func (p *Pool) Release(ctx context.Context, ref workspace.Ref) error { return p.Evict(ctx, ref, true) }

// Filter says which leases to cut. Empty fields match all; a filter without any field matches none.
type Filter struct {
	Generation workspace.Generation
	Tenant     workspace.Name
	Principal  string
}

// Cut tells the matching leases to end and gives their number. Requests that still wait are left to their Recheck, and
// a lease that is taken at the same time may escape: take the right away first, then cut.
func (p *Pool) Cut(filter Filter) (total int) {
	if filter == (Filter{}) {
		return 0
	}
	for _, l := range p.liveLaunches() {
		if filter.Generation != "" && filter.Generation != l.ref.Generation || filter.Tenant != "" && filter.Tenant != l.ref.Tenant {
			continue
		}
		n := l.leases.cut(false, func(lease *Lease) bool {
			return filter.Principal == "" || filter.Principal == lease.principal
		})
		if n > 0 {
			p.noteCut(l, n)
		}
		total += n
	}
	return total
}

func (p *Pool) noteCut(l *launch, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := l.event(EventCut, "")
	e.Count = n
	p.events.add(e)
}
