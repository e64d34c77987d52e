package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
)

// Pool runs workers: at most Config.MaxWorkers, at most one per workspace generation. Its methods may be called from
// any goroutine.
type Pool struct {
	cfg    Config
	deps   Deps
	next   func(State, Trigger) (State, Action, bool) // the table of states
	born   time.Time
	events *ring
	opened chan struct{} // closed when what was there before is accounted for
	empty  chan struct{} // closed when the pool is closing and no worker is left, but for quarantined ones
	closed chan struct{} // closed when Run is over
	rings  chan struct{} // takes one; tells Run that the timer rang

	// The warm path reads these without the lock.
	index    atomic.Pointer[map[workspace.Generation]*launch] // the launches that are ready; never changed in place
	leaseCap atomic.Int64                                     // Config.TenantMaxLeases
	hungry   atomic.Bool                                      // somebody needs room: a launch that comes to rest must say so

	// mu guards what follows, and the marked fields of slots, waiters and launches. It is never held over I/O, a wait
	// or a callback. When it is free, every slot's state agrees with its launch, and everything that could be decided
	// has been: no workspace waits while there is room and a permit for it. Locks of lease sets and of the ring are
	// taken under it, never the other way round.
	mu        sync.Mutex
	phase     phase
	slots     map[workspace.Generation]*slot
	counts    map[State]int
	live      int     // how many workers there may be; at most Config.MaxWorkers, but for those that were taken over (S2)
	used      load    // memory and files that the launches count for, declared or measured (S2)
	oversized int     // launches that take more alone than all workers may
	ownFiles  int64   // the router's own descriptors, as last counted
	ownMemory int64   // of what runs beside the workers, likewise
	queue     []*slot // those that wait to be admitted, first come first served
	waiters   int     // over all slots
	ready     []*launch
	ownIdle   int                           // of them, those with an idle time-out of their own
	tenants   map[workspace.Name]*tenantUse // those with live workers
	stuckAt   map[workspace.Name]int64      // by whose streams were searched, "" for all: when they were last, for stuck ones
	pins      map[workspace.Generation]workspace.Ref
	measured  map[string]time.Duration // by kind: how long its starts take, smoothed
	refusals  refusals
	resumes   resumes
	closingAt int64           // when the end began
	launches  uint64          // how many there ever were
	sampleAt  int64           // when the next worker is to be measured, at the earliest
	sampling  bool            // one is being measured
	after     []func()        // to be done when the lock is free
	timer     *time.Timer     // rings for what time alone changes
	lettingGo bool            // workers are left to another router
	still     bool            // they are being offered to one: none is started or stopped
	work      context.Context // the life of starts, stops and probes: that of Run, and then until all is stopped
	tasks     sync.WaitGroup
}

type phase int

const (
	phaseNew     phase = iota // nothing is started before what was there is accounted for (S8)
	phaseOpen                 // requests are served
	phaseClosing              // no new lease; what runs is drained and stopped
	phaseClosed
)

// New checks what it is given and reads the newest events of the archive. It starts nothing: see Run.
func New(cfg Config, deps Deps) (*Pool, error) {
	if err := errors.Join(cfg.check(), deps.check()); err != nil {
		return nil, fmt.Errorf("cannot make the pool: %w", err)
	}
	if deps.NewTransport == nil {
		deps.NewTransport = NewTransport
	}
	if deps.Logger == nil {
		deps.Logger = zap.NewNop()
	}
	if deps.OwnMemory == nil {
		deps.OwnMemory = func() int64 { return 0 }
	}
	if deps.OwnFiles == nil {
		deps.OwnFiles = func() int { return 0 }
	}
	if deps.Observer == nil {
		deps.Observer = unobserved{}
	}
	p := &Pool{
		cfg:      cfg,
		deps:     deps,
		next:     newStateTable().next,
		born:     time.Now().Add(-memory),
		events:   newRing(cfg.EventBuffer),
		opened:   make(chan struct{}),
		empty:    make(chan struct{}),
		closed:   make(chan struct{}),
		slots:    map[workspace.Generation]*slot{},
		counts:   map[State]int{},
		tenants:  map[workspace.Name]*tenantUse{},
		stuckAt:  map[workspace.Name]int64{},
		pins:     map[workspace.Generation]workspace.Ref{},
		measured: map[string]time.Duration{},
		rings:    make(chan struct{}, 1),
	}
	p.timer = time.AfterFunc(time.Hour, func() {
		select {
		case p.rings <- struct{}{}:
		default: // Run has not heard the last ring yet, and looks at everything
		}
	})
	p.timer.Stop()
	p.sampleAt = math.MaxInt64
	p.leaseCap.Store(int64(cfg.TenantMaxLeases))
	p.index.Store(&map[workspace.Generation]*launch{})
	p.remember()
	return p, nil
}

// Opened is closed when the workers of before are accounted for and requests are served. Until then they wait.
func (p *Pool) Opened() <-chan struct{} { return p.opened }

// memory is how far back the pool's clock reaches, for workers that are older than the pool.
const memory = 365 * 24 * time.Hour

// now is the pool's clock: nanoseconds since some time before it was made, always more than 0.
func (p *Pool) now() int64 { return int64(time.Since(p.born)) + 1 }

// locked runs f under the lock, then decides what can be decided, then does what had to wait until the lock was free.
func (p *Pool) locked(f func()) {
	after := func() []func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
		p.decide()
		after := p.after
		p.after = nil
		return after
	}()
	for _, do := range after {
		do()
	}
}

// later keeps f until the lock is free.
func (p *Pool) later(f func()) { p.after = append(p.after, f) }

// task runs f in a goroutine that Run waits for. The lock is held, so that Run is not past its waiting.
func (p *Pool) task(f func()) {
	if p.phase != phaseClosed {
		p.tasks.Go(f)
	}
}

// publish lets requests find the launch, or stops them from finding it. Few change it and all read it, so it is copied.
func (p *Pool) publish(l *launch, ready bool) {
	next := maps.Clone(*p.index.Load())
	if ready {
		next[l.ref.Generation] = l
		l.index = len(p.ready)
		p.ready = append(p.ready, l)
		p.ownIdle += l.ownIdle()
	} else {
		delete(next, l.ref.Generation)
		last := p.ready[len(p.ready)-1]
		p.ready[l.index], last.index = last, l.index
		p.ready[len(p.ready)-1] = nil
		p.ready = p.ready[:len(p.ready)-1]
		l.index = -1
		p.ownIdle -= l.ownIdle()
	}
	p.index.Store(&next)
}
