package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"workspace-router/internal/workspace"
)

// heir is a worker as one of the model's pools has it: it can go on under the next one.
type heir struct {
	*fakeWorker
	past        Past
	quarantined bool  // it does not serve
	before      *Pool // that it comes from

	mu       sync.Mutex
	requests int // that the pool before still has on it
	changed  chan struct{}
}

func newHeir(w *fakeWorker) *heir { return &heir{fakeWorker: w, changed: make(chan struct{})} }

func (h *heir) Past() Past      { return h.past }
func (h *heir) LetGo(time.Time) {} // what the next pool is to know it was told when it took over

func (h *heir) Elsewhere() (int, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests, h.changed
}

// Stop has the pool before take no new request, and waits for those that it has, as the keeper does.
func (h *heir) Stop(ctx context.Context, force bool) error {
	if h.before != nil && !force {
		h.before.GiveUp(h.spec.Launch)
	}
	for {
		requests, changed := h.Elsewhere()
		if force || requests == 0 {
			return h.fakeWorker.Stop(ctx, force)
		}
		select {
		case <-changed:
		case <-h.gone:
			return nil
		case <-ctx.Done():
			return ErrNotGone
		}
	}
}

func (h *heir) have(requests int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.requests != requests {
		h.requests = requests
		close(h.changed)
		h.changed = make(chan struct{})
	}
}

func (h *heir) Endpoint(name string) (Endpoint, bool) {
	endpoint, found := h.fakeWorker.Endpoint(name)
	return endpoint, found && !h.quarantined
}

// leaver is a pool that has let its workers go to the next one.
type leaver struct {
	*bench
	heirs map[LaunchID]*heir // as the next pool has them
}

// still has the pool stop deciding, or go on.
func (m *model) still() {
	if m.resume != nil {
		m.resume()
		m.resume = nil
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	m.resume, _ = m.pool.Still(ctx)
}

// handOver has another pool take the workers over, if nothing is on its way in or out. skew is how far the wall clock, by
// which the two tell each other of the past, jumped in between.
func (m *model) handOver(skew time.Duration) {
	if m.resume == nil {
		m.still()
	}
	if m.resume == nil || len(m.leavers) > 0 {
		return // as an upgrade while the router before still ends its requests
	}
	m.resume = nil
	m.jumped = m.jumped || skew != 0
	before := &leaver{bench: m.bench, heirs: m.heirs(skew)}
	m.driver.recover = nil
	for _, h := range before.heirs {
		m.driver.recover = append(m.driver.recover, h)
	}
	m.allowed = max(m.allowed, len(before.heirs))
	m.bench = newBenchWith(m.tb, before.pool.cfg, m.driver, func(deps *Deps) {
		deps.Pins = func(context.Context) (list []workspace.Ref, err error) {
			for name := range m.pins {
				if m.pins[name] {
					list = append(list, refOf(name))
				}
			}
			return list, nil
		}
	})
	m.seen = 0
	for name := range m.pins {
		m.pins[name] = m.pool.Pinned(refOf(name))
	}
	m.leavers = append(m.leavers, before)
	m.compareTimes(before, skew)
	before.pool.LetGo()
	before.cancel()
}

// compareTimes looks whether workers are as old and as long at rest as they were.
func (m *model) compareTimes(before *leaver, skew time.Duration) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for _, l := range m.pool.ready {
		past := before.heirs[l.id].past
		ready, end := m.pool.timeAt(l.readyAt), m.pool.timeAt(l.lastEnd.Load())
		if skew >= 0 && (!ready.Equal(past.ReadyAt) || !end.Equal(past.LastEnd)) {
			m.fault("S8: %s was ready at %v and used at %v; taken over it was at %v and %v", l.ref, past.ReadyAt, past.LastEnd, ready, end)
		}
	}
}

// heirs gives what the next pool finds: also those that this one could not prove gone, which do not serve.
func (m *model) heirs(skew time.Duration) map[LaunchID]*heir {
	heirs := map[LaunchID]*heir{}
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.launch == nil {
			continue
		}
		l := s.launch
		own := l.worker.(*heir)
		h := newHeir(own.fakeWorker)
		h.quarantined, h.before = s.state == StateQuarantined, p
		h.requests = l.gate.load().leases()
		h.past = Past{StartedAt: l.started.Round(0).Add(-skew), ReadyAt: p.timeAt(l.readyAt).Add(-skew), LastEnd: p.timeAt(l.lastEnd.Load()).Add(-skew)}
		heirs[l.id] = h
	}
	return heirs
}

// follow tells the pool what the one before still has, as often as that changes.
func (m *model) follow() {
	for _, before := range slices.Clone(m.leavers) {
		held := map[LaunchID]int{}
		for _, hold := range before.pool.Holds() {
			held[hold.Launch] = hold.Leases
		}
		for id, h := range before.heirs {
			if had, _ := h.Elsewhere(); had > 0 && held[id] == 0 {
				m.lastEnd[id] = time.Now()
			}
			h.have(held[id])
		}
		if closed(before.pool.closed) {
			m.leavers = slices.DeleteFunc(m.leavers, func(other *leaver) bool { return other == before })
			if err := <-before.ran; err != nil && !errors.Is(err, ErrNotGone) {
				m.fault("Run of the pool before: %v", err)
			}
		}
	}
}
