package supervisor

import "fmt"

// A worker that takes more alone than all together may cannot be made up for: whoever else goes, the budget is not kept.
// So it counts for what its kind declares, nobody makes room for it, and it is the first to go when it is at rest.

// evictOversized stops those that are at rest, whether anybody needs their room or not.
func (p *Pool) evictOversized(now int64, wake *alarm) {
	if p.oversized == 0 {
		return
	}
	for i := len(p.ready) - 1; i >= 0; i-- { // backwards: the last takes the place of one that leaves
		l := p.ready[i]
		if !l.oversized || !p.evictable(l, now, wake) {
			continue
		}
		v := victim{launch: l, seen: l.gate.load(), since: l.lastEnd.Load()}
		if !v.seen.atRest() {
			last, stuck := l.stuckSince(now - int64(p.cfg.StreamIdle))
			if !stuck {
				continue
			}
			v.since = last
		}
		if p.mustProbe(l, v.seen, now) {
			p.probe(l)
			continue
		}
		p.evict(v, stopReason{reason: stopOversized, detail: "it " + p.oversize(l)}) // or a request has reached it
	}
}

// tellOversized makes an event of it, once for a launch. The lock is held.
func (p *Pool) tellOversized(l *launch) {
	if !l.oversized || l.told || l.slot.state != StateReady {
		return
	}
	l.told = true
	fate := "it is stopped as soon as it is at rest"
	if l.pinned {
		fate = "it is pinned, and stays"
	}
	e := l.event(EventOversized, "it "+p.oversize(l)+"; "+fate)
	e.Reason = string(shortOf(l.takes.minus(p.most())))
	p.events.add(e)
}

// oversize says by how much it is too large, to people. The lock is held.
func (p *Pool) oversize(l *launch) string {
	e := CapacityError{Reason: shortOf(l.takes.minus(p.most()))}
	takes, most, counts := l.takes.memory, p.most().memory, l.charged.memory
	if e.Reason == ReasonFiles {
		takes, most, counts = l.takes.files, p.most().files, l.charged.files
	}
	return fmt.Sprintf("takes %s, more than the %s that all workers may, and counts for %s", e.amount(takes), e.amount(most), e.amount(counts))
}

// rechargeAll looks at all launches anew, when the budget is another one. The lock is held.
func (p *Pool) rechargeAll() {
	for _, s := range p.slots {
		if s.launch != nil {
			p.charge(s.launch)
			p.tellOversized(s.launch)
		}
	}
}
