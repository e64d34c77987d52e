package supervisor

import (
	"math"

	"workspace-router/internal/workspace"
)

// want is what those who wait need, and what is taken beyond the budget.
type want struct {
	waiting bool                   // somebody does
	unmet   bool                   // for some of them there would be no room, whoever goes that may
	counted bool                   // somebody's need is in need
	by      string                 // the first of these who has no worker
	need    load                   // beyond what is free
	tenants map[workspace.Name]int // by tenant: workers of its own that must go for its newcomers, or because it has too many
}

// wants adds up what the queue needs, in order, as far as most gives room for it: to stop a worker for somebody who
// cannot be served even so would help nobody. What is not known yet is not counted.
func (p *Pool) wants(most load) want {
	w := want{need: load{}.minus(p.spare())}
	if p.cfg.TenantMaxWorkers > 0 {
		w.tenants = map[workspace.Name]int{}
		for tenant := range p.tenants {
			room, _ := p.tenantRoom(tenant)
			w.tenants[tenant] = max(0, -room)
		}
	}
	newcomers := map[workspace.Name]int{} // by tenant: that fit below its cap
	for _, s := range p.queue {
		if !s.wanted() {
			continue
		}
		w.waiting = true
		tenant := s.ref.Tenant
		if room, capped := p.tenantRoom(tenant); capped && newcomers[tenant] >= room {
			w.tenants[tenant]++
			continue
		}
		newcomers[tenant]++
		cost, known := p.costOf(s)
		if !known {
			cost = load{}
		}
		w.add(s, cost.plus(load{workers: 1}), most)
	}
	return w
}

// add counts one newcomer, if there can be room for it.
func (w *want) add(s *slot, cost, most load) {
	need := w.need.plus(cost)
	if !need.within(most) {
		w.unmet = true
		return
	}
	w.need, w.counted = need, true
	if w.by == "" && !s.state.live() {
		w.by = s.ref.String()
	}
}

// boundless is more than anybody needs.
func boundless() load { return load{workers: math.MaxInt, memory: math.MaxInt64, files: math.MaxInt64} }

// makeRoom chooses as many victims as are needed for those that wait, and for what is taken beyond the budget, less
// those whose end is near.
func (p *Pool) makeRoom(now int64, wake *alarm) {
	w := p.wants(boundless())
	over := !load{}.within(p.spare())
	for _, n := range w.tenants {
		over = over || n > 0
	}
	// Before the scan: a lease that ends during it sees that it must say so.
	p.hungry.Store(w.waiting || over || p.oversized > 0)
	p.evictOversized(now, wake)
	if !w.waiting && !over {
		clear(p.stuckAt)
		return
	}
	coming, tenants := p.coming(now, wake)
	w = p.within(w, coming, now, wake)
	w.need = w.need.minus(coming)
	for tenant, n := range w.tenants {
		for n -= tenants[tenant]; n > 0; n-- {
			gives, found := p.choose(tenant, now, wake, stopReason{reason: stopTenant, by: p.firstOf(tenant)})
			if !found {
				break
			}
			w.need = w.need.minus(gives)
		}
	}
	for !w.need.within(load{}) {
		gives, found := p.choose("", now, wake, w.reason())
		if !found {
			return
		}
		w.need = w.need.minus(gives)
	}
}

// within leaves those out of what is wanted for whom there would be no room, although all went that may.
func (p *Pool) within(w want, coming load, now int64, wake *alarm) want {
	able := coming.plus(p.resting(now, wake))
	if w.need.within(able) {
		return w
	}
	return p.wants(able.plus(p.stuckRoom(now, wake)))
}

// resting adds up what the launches would give that nothing but their residency could keep. Those that are being asked
// whether they are idle are among the coming ones.
func (p *Pool) resting(now int64, wake *alarm) (gives load) {
	for _, l := range p.ready {
		switch {
		case l.pinned, l.busy.probeSince > 0, !l.gate.load().atRest():
		case l.busy.until > now: // busy by its own word
			wake.at(l.busy.until)
		default:
			gives = gives.plus(l.room())
		}
	}
	return gives
}

// choose evicts one victim, or asks it whether it is idle, and tells what its end will give. It is of the tenant, where
// one is given.
func (p *Pool) choose(of workspace.Name, now int64, wake *alarm, why stopReason) (gives load, found bool) {
	for {
		v, found := p.victim(of, now, wake)
		if !found {
			return load{}, false
		}
		wake.at(now + int64(p.cfg.Patience)) // with this one
		gives := v.launch.room()
		if v.probe {
			p.probe(v.launch)
			return gives, true
		}
		if p.evict(v, why) { // else it is kept, and the next is chosen
			return gives, true
		}
	}
}

// reason names the workspace that the next victim makes room for, the first in line, and what that lacks.
func (w *want) reason() stopReason {
	why := stopReason{reason: stopExcess, by: w.by}
	if w.counted {
		why.reason = stopRoom
	}
	if short := shortOf(w.need); short != "" {
		why.reason = string(short)
	}
	return why
}

// firstOf names the first of the tenant in line.
func (p *Pool) firstOf(tenant workspace.Name) string {
	for _, s := range p.queue {
		if s.wanted() && !s.state.live() && s.ref.Tenant == tenant {
			return s.ref.String()
		}
	}
	return ""
}

// coming adds up the launches whose room will be free soon, and counts them by tenant: asked to stop, or being asked
// whether they are idle, within the last Config.Patience. One that takes longer is not counted on: another victim is
// chosen (S5).
func (p *Pool) coming(now int64, wake *alarm) (gives load, tenants map[workspace.Name]int) {
	tenants = map[workspace.Name]int{}
	for _, s := range p.slots {
		if s.launch == nil {
			continue
		}
		since := s.launch.stopAsked
		if since == 0 {
			since = s.launch.busy.probeSince
		}
		if since == 0 || s.state == StateQuarantined {
			continue
		}
		if until := since + int64(p.cfg.Patience); until > now {
			wake.at(until)
			gives = gives.plus(s.launch.room())
			tenants[s.ref.Tenant]++
		}
	}
	return gives, tenants
}
