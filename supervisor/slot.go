package supervisor

import (
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// slot is the pool's record of a workspace that is not cold, or that somebody waits for. Guarded by Pool.mu.
type slot struct {
	ref      workspace.Ref
	state    State
	launch   *launch // nil while cold or failed
	waiters  []*waiter
	queued   bool
	queuedAt int64 // since when, on the pool's clock
	priced   bool  // cost is what its kind declared when it was last asked for
	pricing  bool  // it is being asked for
	cost     load
	failures int // in a row
	failure  *StartError
	retryAt  int64 // when a failed slot may be tried again, on the pool's clock
}

// waiter is one request that waits for a launch.
type waiter struct {
	slot      *slot
	principal string
	kin       waiterKin
	since     time.Time
	limit     time.Duration // Config.Wait as it was when it came
	answer    chan answer   // takes one; whoever answers removes the waiter from its slot
}

type waiterKin int

const (
	waiterActive  waiterKin = iota // starts a worker, counts for recency
	waiterPassive                  // gets a lease that does not count
	waiterWarming                  // starts a worker, wants no lease
	waiterTooMany                  // may have no lease, beyond its tenant's cap
)

type answer struct {
	lease *Lease
	err   error
}

// wanted reports whether somebody waits who may start a worker.
func (s *slot) wanted() bool {
	return slices.ContainsFunc(s.waiters, func(w *waiter) bool { return w.kin != waiterPassive })
}

// backingOff is how long the slot must still be left alone.
func (s *slot) backingOff(now int64) time.Duration {
	if s.state != StateFailed {
		return 0
	}
	return time.Duration(max(0, s.retryAt-now))
}

// slotOf finds the workspace's slot, or makes one.
func (p *Pool) slotOf(ref workspace.Ref) *slot {
	s := p.slots[ref.Generation]
	if s == nil {
		s = &slot{ref: ref, state: StateCold}
		p.slots[ref.Generation] = s
		p.counts[StateCold]++
	}
	return s
}

// maxResting bounds how many slots are kept only for the memory of their failures.
const maxResting = 1024

// tidy forgets the slot if nothing is left to know about it (S11).
func (p *Pool) tidy(s *slot) {
	if s.state.live() || len(s.waiters) > 0 || p.slots[s.ref.Generation] != s {
		return
	}
	if s.failures == 0 || p.counts[StateCold]+p.counts[StateFailed] > maxResting && s.backingOff(p.now()) == 0 {
		delete(p.slots, s.ref.Generation)
		p.counts[s.state]--
	}
}

// tidyAll does so for all, where too many are kept.
func (p *Pool) tidyAll() {
	if p.counts[StateCold]+p.counts[StateFailed] <= maxResting {
		return
	}
	for _, s := range p.slots {
		p.tidy(s)
	}
}

// enqueue puts the slot among those that wait for admission.
func (p *Pool) enqueue(s *slot) {
	if !s.queued {
		s.queued, s.queuedAt = true, p.now()
		p.queue = append(p.queue, s)
	}
}

// dequeue takes it out.
func (p *Pool) dequeue(s *slot) {
	if s.queued {
		s.queued = false
		p.queue = slices.DeleteFunc(p.queue, func(other *slot) bool { return other == s })
	}
}

// dismiss answers every waiter of the slot with the error.
func (p *Pool) dismiss(s *slot, err error) {
	for _, w := range s.waiters {
		w.answer <- answer{err: err}
	}
	p.waiters -= len(s.waiters)
	s.waiters = nil
	p.dequeue(s)
}
