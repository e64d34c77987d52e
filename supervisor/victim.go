package supervisor

import (
	"math"
	"time"

	"workspace-router/internal/workspace"
)

// victim is a launch that may make room.
type victim struct {
	launch *launch
	seen   word    // its word when it was chosen: it may be closed only as long as it is this
	since  int64   // how long it has been at rest, on the pool's clock
	next   *launch // who would be next
	probe  bool    // it must say first that it is idle (S9)
}

// victim chooses among the launches that are at rest the one whose last active lease ended first (S3). Only where none
// is at rest, one whose streams are stuck is chosen. With a tenant's name it is one of the tenant's.
func (p *Pool) victim(of workspace.Name, now int64, wake *alarm) (victim, bool) {
	v, found := p.atRestFirst(of, now, wake)
	if !found {
		v, found = p.stuckVictim(of, now, wake)
	}
	if found {
		v.probe = p.mustProbe(v.launch, v.seen, now)
	}
	return v, found
}

// atRestFirst is the choice among those at rest. It changes nothing but the alarm.
func (p *Pool) atRestFirst(of workspace.Name, now int64, wake *alarm) (v victim, found bool) {
	nextEnd := int64(math.MaxInt64) // beyond it, a launch is neither the victim nor next
	for _, l := range p.ready {
		seen := l.gate.load()
		end := l.lastEnd.Load()
		if end > nextEnd || of != "" && l.ref.Tenant != of || !seen.atRest() || !p.evictable(l, now, wake) {
			continue
		}
		switch {
		case v.launch == nil:
			v = victim{launch: l, seen: seen, since: end}
		case before(end, l, v.since, v.launch):
			v, nextEnd = victim{launch: l, seen: seen, since: end, next: v.launch}, v.since
		case v.next == nil || before(end, l, nextEnd, v.next):
			v.next, nextEnd = l, end
		}
	}
	return v, v.launch != nil
}

// before orders launches by the end of their last active lease; where that is the same, the older launch goes first.
func before(endA int64, a *launch, endB int64, b *launch) bool {
	return endA < endB || endA == endB && a.seq < b.seq
}

// evictable reports whether nothing but a lease could keep the launch. What time alone will change is told to wake.
func (p *Pool) evictable(l *launch, now int64, wake *alarm) bool {
	resident := l.readyAt + int64(p.cfg.MinResidency)
	switch {
	case l.pinned, l.busy.probeSince > 0:
		return false
	case resident > now:
		wake.at(resident)
		return false
	case l.busy.until > now:
		wake.at(l.busy.until)
		return false
	}
	return true
}

// stuckEvery is how often streams are searched for stuck ones while somebody waits for room.
const stuckEvery = time.Second

// stuckVictim chooses the launch whose streams have been stuck for the longest.
func (p *Pool) stuckVictim(of workspace.Name, now int64, wake *alarm) (v victim, found bool) {
	if last := p.stuckAt[of]; last > 0 && last+int64(stuckEvery) > now {
		next := last + int64(stuckEvery)
		wake.at(next)
		return v, false
	}
	for _, l := range p.ready {
		seen := l.gate.load()
		if of != "" && l.ref.Tenant != of || seen.closed() || seen.leases() == 0 || !p.evictable(l, now, wake) {
			continue
		}
		last, stuck := l.stuckSince(now - int64(p.cfg.StreamIdle))
		if stuck && (v.launch == nil || last < v.since) {
			v = victim{launch: l, seen: seen, since: last}
		}
	}
	if v.launch == nil { // else others may be as stuck, and are asked for at once
		p.stuckAt[of] = now
		wake.at(now + int64(stuckEvery))
	}
	return v, v.launch != nil
}

// stuckRoom adds up what the launches would give whose streams are stuck.
func (p *Pool) stuckRoom(now int64, wake *alarm) (gives load) {
	if last := p.stuckAt[""]; last > 0 && last+int64(stuckEvery) > now {
		wake.at(last + int64(stuckEvery))
		return gives
	}
	wake.at(now + int64(stuckEvery))
	for _, l := range p.ready {
		if l.pinned || l.busy.probeSince > 0 || l.busy.until > now || l.gate.load().leases() == 0 {
			continue
		}
		if _, stuck := l.stuckSince(now - int64(p.cfg.StreamIdle)); stuck {
			gives = gives.plus(l.room())
		}
	}
	if gives.workers == 0 {
		p.stuckAt[""] = now
	}
	return gives
}

// noRoom says what holds the room.
func (p *Pool) noRoom(s *slot) error {
	now := p.now()
	held := map[CapacityReason]int{}
	for _, other := range p.slots {
		if reason := p.holds(other, now); reason != "" {
			held[reason]++
		}
	}
	e := &CapacityError{Workspace: s.ref, Limit: p.cfg.MaxWorkers, Held: held, After: max(time.Second, p.startTime(s))}
	most := 0
	for _, reason := range capacityReasons() {
		if held[reason] > most {
			e.Reason, most = reason, held[reason]
		}
	}
	p.nameLimit(e, s)
	return e
}

// nameLimit says which limit it is, where it is not the number of workers.
func (p *Pool) nameLimit(e *CapacityError, s *slot) {
	if p.tenantFull(s.ref.Tenant) {
		e.Reason, e.Limit = ReasonTenant, p.cfg.TenantMaxWorkers
		return
	}
	cost, _ := p.costOf(s)
	cost.workers = 1
	switch reason := shortOf(cost.minus(p.spare())); reason {
	case ReasonMemory:
		e.Reason, e.Need, e.Used, e.Budget = reason, cost.memory, p.used.memory+p.ownMemory, p.cfg.Memory
	case ReasonFiles:
		e.Reason, e.Need, e.Used, e.Budget = reason, cost.files, p.used.files+p.ownFiles, p.cfg.Files
	}
}

// holds says why the slot's worker keeps its room; empty where there is none.
func (p *Pool) holds(s *slot, now int64) CapacityReason {
	switch s.state {
	case StateStarting:
		return ReasonStarting
	case StateDraining, StateStopping:
		return ReasonStopping
	case StateQuarantined:
		return ReasonQuarantined
	case StateCold, StateFailed:
		return ""
	}
	l := s.launch
	switch w := l.gate.load(); {
	case w.closed():
		return ReasonStopping // its end was seen, and is being written down
	case l.pinned:
		return ReasonPinned
	case w.leases() > 0:
		return ReasonLeased
	case l.readyAt+int64(p.cfg.MinResidency) > now:
		return ReasonResidency
	}
	return ReasonBusy // being asked, or busy by its own word: else it would have been chosen
}
