package supervisor

import (
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// look compares the pool with what must hold whenever nothing moves.
func (m *model) look() {
	m.collect()
	m.lookAtWorkers()
	m.lookAtLeases()
	m.lookAtPool()
	m.lookAtEvents()
	now := time.Now()
	for _, c := range m.pending {
		if now.After(c.deadline) {
			m.fault("S10: %s waits beyond its time", c.name)
		}
	}
}

func (m *model) lookAtWorkers() {
	m.driver.mu.Lock()
	defer m.driver.mu.Unlock()
	m.faults = append(m.faults, m.driver.faults...)
	if m.driver.most > m.allowed {
		m.fault("S2: %d workers at once", m.driver.most)
	}
}

func (m *model) lookAtLeases() {
	counts := map[LaunchID]int{}
	for _, c := range m.held {
		if c.pool == m.pool {
			counts[c.lease.Launch()]++
		}
		if closed(c.lease.Ended()) {
			continue
		}
		if w := m.driver.worker(c.name); w.spec.Launch == c.lease.Launch() && w.wasAsked() {
			m.fault("S6: %s was asked to stop under a lease that was not told to end", c.name)
		}
	}
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, s := range m.pool.slots {
		if s.launch == nil {
			continue
		}
		if s.launch.elsewhere != nil {
			counts[s.launch.id]++
		}
		if got, want := s.launch.gate.load().leases(), counts[s.launch.id]; got != want {
			m.fault("%s counts %d leases, held are %d", s.ref, got, want)
		}
	}
}

// lookAtPool looks for what the comment at Pool.mu promises.
func (m *model) lookAtPool() {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := map[State]int{}
	live, waiters, ready := 0, 0, 0
	for _, s := range p.slots {
		counts[s.state]++
		waiters += len(s.waiters)
		if s.state.live() {
			live++
		}
		if (s.launch != nil) != s.state.live() {
			m.fault("%s is %s, with a launch: %v", s.ref, s.state, s.launch != nil)
		}
		if (s.state == StateCold) && len(s.waiters) == 0 && s.failures == 0 {
			m.fault("S11: the slot of %s is kept for nothing", s.ref)
		}
		if s.queued != slices.Contains(p.queue, s) {
			m.fault("%s: queued is %v", s.ref, s.queued)
		}
		if s.wanted() && s.state != StateStarting && !s.queued {
			m.fault("S10: %s is wanted, %s, and not in the queue", s.ref, s.state)
		}
		indexed := (*p.index.Load())[s.ref.Generation]
		if s.state == StateReady {
			ready++
			if indexed != s.launch || s.launch.gate.load().closed() {
				m.fault("%s is ready; in the index: %v, closed: %v", s.ref, indexed == s.launch, s.launch.gate.load().closed())
			}
		} else if indexed != nil {
			m.fault("%s is %s and in the index", s.ref, s.state)
		}
		if s.launch != nil && s.state != StateReady && !s.launch.gate.load().closed() {
			m.fault("S6: %s is %s and takes leases", s.ref, s.state)
		}
	}
	for state, n := range p.counts {
		if counts[state] != n {
			m.fault("%d slots are %s, counted are %d", counts[state], state, n)
		}
	}
	if live != p.live || live > m.allowed || counts[StateStarting] > p.cfg.StartConcurrency {
		m.fault("S2: %d are live, counted are %d; %d are starting", live, p.live, counts[StateStarting])
	}
	var used load
	tenants := map[workspace.Name]int{}
	for _, s := range p.slots {
		if s.launch != nil {
			used = used.plus(s.launch.charged)
		}
		if s.state.live() {
			tenants[s.ref.Tenant]++
		}
	}
	if used != p.used {
		m.fault("S2: %+v is charged, counted is %+v", used, p.used)
	}
	for tenant, n := range tenants {
		if p.tenants[tenant] == nil || p.tenants[tenant].live != n {
			m.fault("S3: %q has %d workers, and other ones are counted", tenant, n)
		}
	}
	if len(tenants) != len(p.tenants) {
		m.fault("S11: %d tenants are kept, %d have workers", len(p.tenants), len(tenants))
	}
	if waiters != p.waiters || ready != len(p.ready) || ready != len(*p.index.Load()) {
		m.fault("%d wait, counted are %d; %d are ready, listed are %d", waiters, p.waiters, ready, len(p.ready))
	}
	for i, l := range p.ready {
		if now := p.now(); l.readyAt > now || l.startedAt > now || l.lastEnd.Load() > now {
			m.fault("%s was started at %d, ready at %d and used at %d, and it is %d", l.ref, l.startedAt, l.readyAt, l.lastEnd.Load(), now)
		}
		if l.index != i {
			m.fault("%s is at %d, and says %d", l.ref, i, l.index)
		}
	}
	if !p.handsOver() {
		m.lookAtProgress()
		m.lookAtOversized()
	}
}

// lookAtOversized: what alone is more than the whole budget counts for less, and goes when it is at rest.
func (m *model) lookAtOversized() {
	p, n, unused := m.pool, 0, neverRings
	for _, s := range p.slots {
		l := s.launch
		if l == nil {
			continue
		}
		if fits := l.takes.within(p.most()); fits == l.oversized || fits && l.charged != l.takes || !l.charged.within(p.most()) {
			m.fault("S2: %s takes %+v, counts for %+v, and is oversized: %v", s.ref, l.takes, l.charged, l.oversized)
		}
		if !l.oversized {
			continue
		}
		n++
		if s.state == StateReady && l.gate.load().atRest() && p.evictable(l, p.now(), &unused) {
			m.fault("S2: %s is oversized and at rest, and stays", s.ref)
		}
	}
	if n != p.oversized {
		m.fault("S2: %d are oversized, counted are %d", n, p.oversized)
	}
}

// lookAtProgress: nobody waits for what could be given.
func (m *model) lookAtProgress() {
	p := m.pool
	if len(p.queue) > 0 && !p.hungry.Load() {
		m.fault("S10: %d wait, and the end of a lease would not be told", len(p.queue))
	}
	kept := false // for one before it in line
	for _, s := range p.queue {
		if s.state.live() || !p.hasPlace() || p.tenantFull(s.ref.Tenant) {
			continue
		}
		cost, known := p.costOf(s)
		switch {
		case cost.within(p.spare()) && !kept:
			m.fault("S10: %s waits while there is room", s.ref)
		case !cost.within(p.spare()) && !known && !s.pricing && !kept:
			m.fault("S10: nobody asks what %s needs", s.ref)
		case !s.wanted():
			m.fault("S10: passive requests for %s wait for room", s.ref)
		}
		kept = kept || !cost.within(p.spare()) && s.queuedAt+int64(p.cfg.Patience) > p.now()
	}
	unused := neverRings
	coming, tenants := p.coming(p.now(), &unused)
	w := p.within(p.wants(boundless()), coming, p.now(), &unused)
	if !w.need.minus(coming).within(load{}) {
		if v, found := p.atRestFirst("", p.now(), &unused); found {
			m.fault("S3: %s could go, and %d wait", v.launch.ref, len(p.queue))
		}
	}
	for tenant, n := range w.tenants {
		if v, found := p.atRestFirst(tenant, p.now(), &unused); found && n > tenants[tenant] {
			m.fault("S3: %s could go for another of its tenant", v.launch.ref)
		}
	}
}

// lookAtEvents follows the events, and judges every choice of a victim by what was known from outside.
func (m *model) lookAtEvents() {
	for _, e := range m.pool.Events(m.seen) {
		m.seen = e.ID
		switch e.Type {
		case EventIllegal:
			m.fault("%s: %s", e.Workspace, e.Detail)
		case EventReady, EventRecovered:
			if m.ready[e.Launch] == nil {
				m.ready[e.Launch] = &resident{name: nameOf(e), since: e.Time}
			}
		case EventDied, EventDraining:
			delete(m.ready, e.Launch)
		case EventStopping:
			if e.Reason == stopRoom {
				m.judge(e)
			}
			delete(m.ready, e.Launch)
		}
	}
}

// nameOf is the name by which the model knows the event's workspace.
func nameOf(e Event) string {
	if e.Tenant == string(workspace.DefaultTenant) {
		return e.Workspace
	}
	return e.Tenant + "." + e.Workspace
}

// judge compares the victim with all others that were at rest.
func (m *model) judge(e Event) {
	victim := m.ready[e.Launch]
	if victim == nil {
		m.fault("S3: %s was evicted, and was not ready", e.Workspace)
		return
	}
	if m.pins[victim.name] {
		m.fault("S3: %s was evicted, and is pinned", e.Workspace)
	}
	if !m.jumped && e.Time.Sub(victim.since) < m.residency {
		m.fault("S3: %s was evicted %v after it was ready", e.Workspace, e.Time.Sub(victim.since))
	}
	if m.leased(e.Launch) {
		m.fault("S3: %s was evicted under a lease", e.Workspace)
	}
	for launch, other := range m.ready {
		resting := !m.leased(launch) && !m.pins[other.name] && !m.asks[other.name] && e.Time.Sub(other.since) >= m.residency
		if launch != e.Launch && resting && !m.jumped && m.endOf(launch, other).Before(m.endOf(e.Launch, victim)) {
			m.fault("S3: %s was evicted, whose last lease ended at %v; that of %s ended at %v",
				victim.name, m.endOf(e.Launch, victim), other.name, m.endOf(launch, other))
		}
	}
}

// leased counts a lease that was told to end until it is released: it pins as long.
func (m *model) leased(launch LaunchID) bool {
	return slices.ContainsFunc(m.held, func(c *client) bool { return c.lease.Launch() == launch && !c.cut && !closed(c.pool.closed) })
}

func (m *model) endOf(launch LaunchID, r *resident) time.Time {
	if end, found := m.lastEnd[launch]; found {
		return end
	}
	return r.since
}
