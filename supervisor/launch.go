package supervisor

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// launch is one start of a worker, from the decision to its proven end.
type launch struct {
	// All that the choice of a victim reads is here, in one cache line. Requests change the first two without the
	// pool's lock; readyAt and seq do not change once the launch is published; the rest is guarded by Pool.mu.
	gate    gate
	lastEnd atomic.Int64 // when the last active lease ended, on the pool's clock; at first, when it was ready
	readyAt int64
	seq     uint64 // launches in the order of their making
	pinned  bool   // never a victim
	busy    busyState

	// Set before the launch is published, not changed afterwards.
	id        LaunchID
	ref       workspace.Ref
	pool      *Pool
	slot      *slot
	tenant    *tenantUse
	kind      *kind.Kind
	endpoint  Endpoint
	transport Transport
	done      chan struct{} // closed when the launch is buried

	// Safe by themselves.
	leases    leaseSet
	firstByte atomic.Bool
	giving    atomic.Bool   // the term is being given back
	given     chan struct{} // closed when it was

	// Guarded by Pool.mu.
	cancel    context.CancelFunc
	worker    Worker
	term      Term
	asked     time.Time     // when the first of its waiters came
	started   time.Time     // when the Driver was asked
	startedAt int64         // the same on the pool's clock
	phases    []phaseMark   // in the order they were reached
	isolation string        // by what it is kept from others, for people
	failure   *StartError   // its end counts as a failed start
	counted   bool          // and was counted
	refusal   error         // why it was refused before the Driver was asked
	notGone   error         // why its end is not proven
	inVainAt  int64         // when it was quarantined
	stopAsked int64         // when the stop was asked for; 0 before
	stopWhy   stopReason    // and why
	drainBy   int64         // when the drain is over: leases are cut, or given up on if they were
	wasCut    bool          // its leases were told to end
	leaves    bool          // it is drained to be left running, not to be stopped
	givenUp   bool          // another router wants it stopped
	elsewhere *Lease        // for the requests of a router that is leaving; nil while there are none
	died      bool          // it ended without being asked
	awaited   bool          // requests were waiting when it was ready
	force     bool          // stop it without grace
	retryStop chan struct{} // a hint that the stop may be tried again now
	index     int           // its place in Pool.ready
	sample    sample
	declared  load // memory and files that its kind declares
	takes     load // the same until it was measured, then what it was measured to take
	charged   load // what it counts for; its place is counted by its slot's state
	oversized bool // it takes more than all workers together may
	told      bool // and an event says so

	idleTimeout time.Duration // Spec.IdleTimeout
	idleOf      string        // Spec.IdleTimeoutOf

	resume    kind.Resume // Spec.Resume
	leftovers leftovers   // of its predecessors
}

type phaseMark struct {
	phase Phase
	after time.Duration // since the first waiter came
}

// stopReason says why a launch is stopped, in the words of the events.
type stopReason struct {
	reason string
	by     string        // the workspace that needed the room
	next   string        // the workspace that would have been the next victim
	idle   time.Duration // how long it was at rest
	detail string        // for people
}

// Reasons of stops, in events.
const (
	stopRoom      = "room"      // another workspace needed the room
	stopExcess    = "excess"    // there are more workers than are allowed
	stopMemory    = "memory"    // all workers take more than is allowed, or another one needed it
	stopFiles     = "files"     // the same, of descriptors
	stopOversized = "oversized" // it alone took more than all workers may
	stopTenant    = "tenant"    // another workspace of the same tenant needed the place, under the tenant's cap
	stopIdle      = "idle"      // at rest for Config.IdleTimeout
	stopOperator  = "operator"  // evicted or restarted by hand
	stopShutdown  = "shutdown"  // the pool ends
	stopOwnership = "ownership" // the term is lost
	stopElsewhere = "elsewhere" // the router that has the workers now wants it stopped
	stopCancelled = "cancelled" // before it was ready
	stopBroken    = "broken"    // left over by a failed start
	stopUnusable  = "unusable"  // taken over, without a usable endpoint
)

// newLaunchID gives 8 characters of [0-9a-z], 41 bits of chance.
func newLaunchID() LaunchID {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := make([]byte, 0, 8)
	for len(id) < cap(id) {
		var chance [16]byte
		_, _ = rand.Read(chance[:]) // it never fails
		for _, b := range chance {
			if b < 252 && len(id) < cap(id) { // 7 × 36, so that every character is as likely
				id = append(id, alphabet[b%36])
			}
		}
	}
	return LaunchID(id)
}

// newLaunch makes the record of a launch that takes no lease yet.
func (p *Pool) newLaunch(s *slot, id LaunchID) *launch {
	l := &launch{id: id, ref: s.ref, pool: p, slot: s, tenant: p.tenantOf(s.ref.Tenant), done: make(chan struct{}), given: make(chan struct{}), retryStop: make(chan struct{}, 1), index: -1}
	p.launches++
	l.seq = p.launches
	l.cancel = func() {}
	l.gate.close()
	_, l.pinned = p.pins[s.ref.Generation]
	return l
}

// mark records that a phase was reached. The pool's lock is held.
func (l *launch) mark(phase Phase) {
	for _, m := range l.phases {
		if m.phase == phase {
			return
		}
	}
	l.phases = append(l.phases, phaseMark{phase, time.Since(l.asked)})
}

// idleAfter is for how long the launch may be at rest; 0 and below is for ever. The lock is held.
func (l *launch) idleAfter() time.Duration {
	if l.idleTimeout != 0 {
		return l.idleTimeout
	}
	return l.pool.cfg.IdleTimeout
}

// idleWords says whose time-out counts for the launch, to people. The lock is held.
func (l *launch) idleWords() string {
	whose := "the pool's"
	switch {
	case l.idleTimeout == 0:
	case l.idleOf != "":
		whose = "its " + l.idleOf + "'s"
	default:
		whose = "its own"
	}
	return fmt.Sprintf("%s time-out of %v", whose, l.idleAfter())
}

// ownIdle counts the launch among those that have an idle time-out of their own.
func (l *launch) ownIdle() int {
	if l.idleTimeout > 0 {
		return 1
	}
	return 0
}

// stopGrace is how long a stop may take before it counts as not proven.
func (l *launch) stopGrace() time.Duration {
	grace := l.pool.cfg.StopMargin
	if l.kind != nil {
		grace += l.kind.Stop.Grace
	}
	return grace
}

// releaseTerm gives the ownership back, once, when the worker is proven gone. It may block for a while.
func (l *launch) releaseTerm(ctx context.Context) {
	if l.giving.Swap(true) {
		<-l.given // no longer than the other's time-out
		return
	}
	defer close(l.given)
	if l.term == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), termReleaseTimeout)
	defer cancel()
	if err := l.term.Release(ctx); err != nil {
		l.pool.note(l, EventOwnership, "cannot release the term: "+err.Error())
	}
}

// termReleaseTimeout bounds the release of a term; one that cannot be given back runs out by itself.
const termReleaseTimeout = 5 * time.Second
