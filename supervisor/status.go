package supervisor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// Status is what is shown of one worker.
type Status struct {
	Workspace   string     `json:"workspace"`
	Tenant      string     `json:"tenant"`
	Kind        string     `json:"kind"`
	State       State      `json:"state"`
	PID         int        `json:"pid"` // 0 where there is none, or none yet
	Launch      LaunchID   `json:"launch"`
	StartedAt   *time.Time `json:"started_at"`   // null where nothing was started
	ReadyMS     float64    `json:"ready_ms"`     // from the start to its proof; 0 before
	Leases      int        `json:"leases"`       // requests and streams that are open
	IdleSeconds float64    `json:"idle_seconds"` // since the last active lease ended; 0 while there is one
	Busy        bool       `json:"busy"`         // by its own word, or because it did not say; false where the kind has no such word
	Pinned      bool       `json:"pinned"`
	Oversized   bool       `json:"oversized,omitempty"` // it takes more than all workers may, and goes as soon as it is at rest
	PSSBytes    int64      `json:"pss_bytes"`           // as last measured; 0 before
	FDs         int        `json:"fds"`
	Requests    uint64     `json:"requests"` // leases that this launch ever gave
	Node        string     `json:"node"`
	// Leftovers is work that the workspace's worker before left unfinished, FailedLeftovers what was given up, as last
	// asked; Resume is what becomes of it, in one word, or empty.
	Leftovers       int         `json:"leftovers,omitempty"`
	FailedLeftovers int         `json:"failed_leftovers,omitempty"`
	Resume          ResumeState `json:"resume,omitempty"`
	Isolation       string      `json:"isolation,omitempty"` // by what it is kept from others, and what is missing; for people

	Ref workspace.Ref `json:"-"`
	// Failure and RetryAfter are of a workspace that is backing off. They are for those who operate it.
	Failure    *StartError   `json:"-"`
	Failures   int           `json:"-"`
	RetryAfter time.Duration `json:"-"`
}

// List shows every live worker, by tenant and workspace. What must be asked of the workers is asked now, but not
// waited for beyond a fraction of a second; what did not come in time is shown as it was last known.
func (p *Pool) List(ctx context.Context) []Status {
	p.sampleAll(ctx, p.liveLaunches())
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Status, 0, len(p.slots))
	for _, s := range p.slots {
		if s.state.live() {
			list = append(list, p.status(s))
		}
	}
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Workspace, b.Workspace))
	})
	return list
}

// Get shows one workspace's worker, also while it is backing off; false where there is nothing to show but that it is
// cold. It asks the worker as List does.
func (p *Pool) Get(ctx context.Context, ref workspace.Ref) (Status, bool) {
	if l := p.launchOf(ref); l != nil {
		p.sampleAll(ctx, []*launch{l})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[ref.Generation]
	if s == nil || s.state == StateCold {
		_, pinned := p.pins[ref.Generation]
		return Status{Workspace: string(ref.Name), Tenant: string(ref.Tenant), State: StateCold, Pinned: pinned, Node: p.cfg.Node, Ref: ref}, false
	}
	return p.status(s), true
}

func (p *Pool) launchOf(ref workspace.Ref) *launch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[ref.Generation]; s != nil {
		return s.launch
	}
	return nil
}

func (p *Pool) liveLaunches() (list []*launch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.launch != nil {
			list = append(list, s.launch)
		}
	}
	return list
}

// status is what is known of the slot. The lock is held.
func (p *Pool) status(s *slot) Status {
	now := p.now()
	_, pinned := p.pins[s.ref.Generation]
	status := Status{
		Workspace: string(s.ref.Name), Tenant: string(s.ref.Tenant), State: s.state, Pinned: pinned, Node: p.cfg.Node, Ref: s.ref,
	}
	if s.state == StateFailed {
		status.Failure, status.Failures, status.RetryAfter = s.failure, s.failures, s.backingOff(now)
	}
	l := s.launch
	if l == nil {
		return status
	}
	started := l.started
	status.Launch, status.StartedAt = l.id, &started
	status.Requests = l.leases.taken()
	status.PID, status.PSSBytes, status.FDs = l.sample.usage.PID, l.sample.usage.PSS, l.sample.usage.Files
	status.Busy, status.Oversized, status.Isolation = l.busy.busy, l.oversized, l.isolation
	status.Leftovers, status.FailedLeftovers, status.Resume = l.leftovers.interrupted, l.leftovers.failed, l.leftovers.state
	if l.kind != nil {
		status.Kind = l.kind.Name
	}
	if l.readyAt > 0 {
		status.ReadyMS = milliseconds(time.Duration(l.readyAt - l.startedAt))
		status.Leases = l.gate.load().leases()
		if !l.leases.anyActive() {
			status.IdleSeconds = time.Duration(max(0, now-l.lastEnd.Load())).Seconds()
		}
	}
	return status
}

// anyActive reports whether a lease is held that counts for recency.
func (s *leaseSet) anyActive() (found bool) {
	s.each(func(l *Lease) bool {
		found = l.active
		return !found
	})
	return found
}
