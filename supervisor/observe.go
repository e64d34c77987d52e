package supervisor

import "time"

// Observer is told what is to be counted, as it happens. Its methods are called under the pool's lock: they must not
// block, and must not call the pool. Every argument is one word of a closed set; a kind is one of the configuration's.
type Observer interface {
	// ColdStart tells that a phase of a start that came to be ready was reached, and how long after the first request
	// for it. The phases up to "proven" are told together when the worker is ready. "first_byte" follows only where a
	// request was waiting; else it would say how long nobody came.
	ColdStart(kind, phase string, after time.Duration)
	// Start tells how a start ended: "ready", "failed" with its Cause, "refused" before the Driver was asked, or
	// "cancelled". The cause of the others is empty.
	Start(outcome, cause string)
	// Stop tells that a worker is asked to stop, by the reason that its event has, or "died" where nobody asked.
	Stop(reason string)
	// Resume tells how an attempt to have a worker go on with leftovers ended: "done", "partly" where some are left even so,
	// "refused" by the worker, or "ended" with the worker.
	Resume(outcome string)
	// Refusal tells that a request was refused, also where no event stands for it.
	Refusal(reason string)
}

// How starts end, as an Observer is told.
const (
	outcomeReady     = "ready"
	outcomeFailed    = "failed"
	outcomeRefused   = "refused"
	outcomeCancelled = "cancelled"
)

// stopDied is the reason of an end that nobody asked for.
const stopDied = "died"

// unobserved is the Observer where there is none.
type unobserved struct{}

func (unobserved) ColdStart(string, string, time.Duration) {}
func (unobserved) Start(string, string)                    {}
func (unobserved) Stop(string)                             {}
func (unobserved) Resume(string)                           {}
func (unobserved) Refusal(string)                          {}

// countStart tells the observer how a start ended, if this trigger ends one. The lock is held.
func (p *Pool) countStart(l *launch, from State, on Trigger) {
	switch on {
	case TriggerStarted, TriggerNotStarted, TriggerStartFailed, TriggerStartBroken:
	case TriggerNotGone:
		if from != StateStarting {
			return
		}
	default:
		return
	}
	switch {
	case l.stopAsked > 0:
		p.deps.Observer.Start(outcomeCancelled, "")
	case from == StateQuarantined: // was counted when it was given up
	case on == TriggerStarted:
		p.deps.Observer.Start(outcomeReady, "")
	case on == TriggerNotStarted:
		p.deps.Observer.Start(outcomeRefused, "")
	default:
		p.deps.Observer.Start(outcomeFailed, string(l.failure.Cause))
	}
}

// countPhases tells the observer of the phases of a start that came to be ready. The lock is held.
func (p *Pool) countPhases(l *launch) {
	for _, m := range l.phases {
		p.deps.Observer.ColdStart(l.kind.Name, string(m.phase), m.after)
	}
}

// Figures is how full the pool is at one moment.
type Figures struct {
	Workers    map[State]int // by state, those in which a worker may exist; 0 is said, too
	MaxWorkers int
	Memory     int64 // bytes that workers count for, as measured or declared, and what runs beside them
	MaxMemory  int64
	Files      int64 // descriptors, with the router's own
	MaxFiles   int64
	NextVictim string // the workspace whose worker would go first, were room needed now
	Pinned     int    // workspaces that may not be evicted
	Leases     int    // open requests and streams
	Waiters    int    // requests that wait for a worker
	Queued     int    // workspaces that wait to be admitted
	Leftovers  int    // pieces of work that workers found left unfinished, as last asked
	Resuming   int    // workers that are going on with such
}

// Figures counts now. It asks no worker.
func (p *Pool) Figures() Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := Figures{Workers: map[State]int{}, MaxWorkers: p.cfg.MaxWorkers, Pinned: len(p.pins), Waiters: p.waiters, Queued: len(p.queue)}
	f.Resuming = p.resumes.running
	f.Memory, f.MaxMemory = p.used.memory+p.ownMemory, p.cfg.Memory
	f.Files, f.MaxFiles = p.used.files+p.ownFiles, p.cfg.Files
	unused := neverRings
	if v, found := p.atRestFirst("", p.now(), &unused); found {
		f.NextVictim = v.launch.ref.String()
	}
	for _, state := range States() {
		if state.live() {
			f.Workers[state] = p.counts[state]
		}
	}
	for _, s := range p.slots {
		if s.launch != nil {
			f.Leases += s.launch.gate.load().leases()
			f.Leftovers += s.launch.leftovers.interrupted
		}
	}
	return f
}
