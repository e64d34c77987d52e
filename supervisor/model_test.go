package supervisor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// The model: random interleavings of everything that can happen to a pool, and after each step everything that must
// hold. One bubble per case, inside the property; the verdict comes out of it by value, so that rapid can shrink the
// case. `go test -run Model -soak 10m` goes on for as long as is said.
var soak = flag.Duration("soak", 0, "how long TestModel goes on, beyond its usual number of cases")

const modelBatches = 40 // of as many cases as -rapid.checks says, 100 by default

func TestModel(t *testing.T) {
	t.Parallel()
	property := func(rt *rapid.T) {
		c := drawCase(rt)
		var verdict []string
		synctest.Test(t, func(t *testing.T) { verdict = c.run(t) })
		if len(verdict) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(verdict, "\n"), c)
		}
	}
	began := time.Now()
	for batch := 0; batch < modelBatches || time.Since(began) < *soak; batch++ {
		rapid.Check(t, property)
		if t.Failed() {
			return
		}
	}
}

// modelCase is one case: the size of the pool and what happens.
type modelCase struct {
	workers, starts int
	residency       time.Duration
	idle            time.Duration
	memory          int64 // MiB
	perTenant       int   // workers; 0 is no cap
	leases          int   // of one tenant; 0 is no cap
	priced          bool  // the pool knows the largest cost beforehand
	old             []string
	steps           []step
}

func (c modelCase) String() string {
	text := fmt.Sprintf("pool of %d, %d starts at once, residency %v, idle timeout %v, %d MiB, per tenant %d workers and %d leases, priced %v, old %v",
		c.workers, c.starts, c.residency, c.idle, c.memory, c.perTenant, c.leases, c.priced, c.old)
	for i, s := range c.steps {
		text += fmt.Sprintf("\n%3d %s", i, s)
	}
	return text
}

type step struct {
	verb      string
	name      string // of a workspace
	n         int    // which lease, which client, how many workers
	memory    int64  // MiB
	perTenant int
	wish      Wish
	lasts     time.Duration
	script
	force bool
}

func (s step) String() string {
	switch s.verb {
	case "pass":
		return fmt.Sprint("pass ", s.lasts)
	case "acquire":
		return fmt.Sprintf("acquire %s %s within %v", s.name, s.wish.Class, s.wish.Wait)
	case "release", "leave":
		return fmt.Sprint(s.verb, " ", s.n)
	case "script":
		return fmt.Sprintf("script %s: costs %d MiB, takes %d MiB, start %v (fails %v, leaves one %v, deaf %v), stop %v (not gone %d times), busy %v",
			s.name, s.cost.Memory>>20, s.pss>>20, s.start, s.startErr != nil, s.leavesOne, s.deaf, s.stop, s.notGone, s.busy != nil)
	case "hand over", "jump":
		return fmt.Sprint(s.verb, " ", s.lasts)
	case "evict":
		return fmt.Sprintf("evict %s (force %v)", s.name, s.force)
	}
	return s.verb + " " + s.name
}

func drawCase(rt *rapid.T) modelCase {
	seconds := func(list ...float64) *rapid.Generator[time.Duration] {
		var durations []time.Duration
		for _, s := range list {
			durations = append(durations, time.Duration(s*float64(time.Second)))
		}
		return rapid.SampledFrom(durations)
	}
	verbs := []string{
		"acquire", "acquire", "acquire", "acquire", "release", "release", "release", "pass", "pass", "pass", "leave",
		"script", "script", "reload", "jump", "still", "hand over", "evict", "pin", "unpin", "crash", "reset", "cut", "start", "list", "lose",
	}
	names := rapid.SampledFrom([]string{"a", "b", "c", "t.d", "t.e"})
	one := rapid.Custom(func(rt *rapid.T) step {
		s := step{verb: rapid.SampledFrom(verbs).Draw(rt, "verb"), name: names.Draw(rt, "name")}
		switch s.verb {
		case "acquire":
			s.wish.Class = rapid.SampledFrom([]kind.Class{kind.Active, kind.Active, kind.Active, kind.Passive, kind.Never}).Draw(rt, "class")
			s.wish.Wait = seconds(25, 0.005, 3, 60).Draw(rt, "wait")
		case "release", "leave":
			s.n = rapid.IntRange(0, 9).Draw(rt, "n")
		case "hand over":
			s.lasts = seconds(0, 0, 0.5, -0.5, 3600, -3600).Draw(rt, "the wall clock jumps by")
		case "jump":
			s.lasts = seconds(0.5, 1, 3600, 86400).Draw(rt, "by")
		case "reload":
			s.n = rapid.IntRange(1, 4).Draw(rt, "workers")
			s.memory = rapid.Int64Range(1, 6).Draw(rt, "tens of MiB") * 10
			s.perTenant = rapid.IntRange(0, 2).Draw(rt, "per tenant")
		case "pass":
			s.lasts = seconds(0.005, 0.5, 1, 3, 30, 600).Draw(rt, "for")
		case "evict":
			s.force = rapid.Bool().Draw(rt, "force")
		case "script":
			s.start = seconds(0.01, 0, 1, 40).Draw(rt, "start")
			s.cost.Memory = kind.Size(rapid.SampledFrom([]int64{0, 10, 30, 70}).Draw(rt, "cost")) << 20
			s.pss = rapid.SampledFrom([]int64{0, 5, 30, 80}).Draw(rt, "takes") << 20
			s.stop = seconds(0.01, 0, 3, 40).Draw(rt, "stop")
			if rapid.IntRange(0, 3).Draw(rt, "fails") == 3 {
				s.startErr = errBroken
				s.leavesOne = rapid.Bool().Draw(rt, "leaves one")
			}
			s.notGone = rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(rt, "not gone")
			s.deaf = s.start < 2*time.Second && rapid.Bool().Draw(rt, "deaf")
			if rapid.IntRange(0, 3).Draw(rt, "asks") == 3 {
				s.busy = asking()
				idle := rapid.Bool().Draw(rt, "idle")
				s.answer = func() (int, string) { return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, !idle) }
			}
		}
		return s
	})
	return modelCase{
		workers:   rapid.IntRange(1, 3).Draw(rt, "workers"),
		starts:    rapid.IntRange(1, 3).Draw(rt, "starts"),
		residency: seconds(1, 0).Draw(rt, "residency"),
		idle:      seconds(0, 0, 20).Draw(rt, "idle timeout"),
		memory:    rapid.SampledFrom([]int64{1000, 60, 30}).Draw(rt, "memory"),
		perTenant: rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(rt, "per tenant"),
		leases:    rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "leases"),
		priced:    rapid.Bool().Draw(rt, "priced"),
		old:       rapid.SampledFrom([][]string{nil, nil, {"a"}, {"t.d", "b"}}).Draw(rt, "old"),
		steps:     rapid.SliceOfN(one, 1, 60).Draw(rt, "steps"),
	}
}

// model is what the outside knows of the pool: who waits, who holds what, and what it was told.
type model struct {
	*bench
	resume    func()    // ends that the pool is still; nil while it is not
	leavers   []*leaver // pools before it that have not ended
	residency time.Duration
	jumped    bool // the pool's clock, past what the model knows of time
	allowed   int  // workers: the most that ever were, or that were taken over
	pending   []*client
	held      []*client
	operators int
	answered  chan *client
	pins      map[string]bool
	lastEnd   map[LaunchID]time.Time // of the last active lease that this model released
	asks      map[string]bool        // workspaces whose workers may have to be asked first
	seen      uint64                 // events
	ready     map[LaunchID]*resident
	faults    []string
}

type client struct {
	name     string
	pool     *Pool
	wish     Wish
	cancel   context.CancelFunc
	deadline time.Time
	left     bool
	cut      bool // by a pool that is not its own
	lease    *Lease
	err      error
	at       time.Time
}

// resident is a launch that is ready, by the events.
type resident struct {
	name  string
	since time.Time
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func (c modelCase) run(t *testing.T) []string {
	cfg := testConfig(c.workers)
	cfg.StartConcurrency = c.starts
	cfg.MinResidency = c.residency
	cfg.IdleTimeout = c.idle
	cfg.MeasureEvery = 5 * time.Minute // a case lasts for hours
	cfg.Memory, cfg.TenantMaxWorkers, cfg.TenantMaxLeases = c.memory<<20, c.perTenant, c.leases
	if c.priced {
		cfg.LargestCost.Memory = 70 << 20
	}
	driver := newFakeDriver()
	driver.survive = true
	for _, name := range c.old {
		driver.recover = append(driver.recover, newHeir(driver.old(name)))
	}
	m := &model{
		bench: newBench(t, cfg, driver), allowed: max(c.workers, len(c.old)), residency: c.residency, answered: make(chan *client, 1000),
		pins: map[string]bool{}, lastEnd: map[LaunchID]time.Time{}, asks: map[string]bool{}, ready: map[LaunchID]*resident{},
	}
	for i, s := range c.steps {
		m.do(s)
		synctest.Wait()
		m.follow()
		synctest.Wait()
		m.look()
		if len(m.faults) > 0 {
			m.fault("after step %d, %s", i, s)
			break
		}
	}
	m.finish()
	return m.faults
}

func (m *model) do(s step) {
	switch s.verb {
	case "pass":
		pass(s.lasts)
	case "acquire":
		m.acquire(s)
	case "release":
		if s.n < len(m.held) {
			m.release(m.held[s.n])
		}
	case "leave":
		if s.n < len(m.pending) {
			m.pending[s.n].left = true
			m.pending[s.n].cancel()
		}
	case "script":
		m.asks[s.name] = m.asks[s.name] || s.busy != nil
		m.driver.set(s.name, s.script)
	case "reload":
		cfg := m.pool.cfg
		cfg.MaxWorkers, cfg.Memory, cfg.TenantMaxWorkers = s.n, s.memory<<20, s.perTenant
		if m.pool.Reconfigure(cfg) == nil {
			m.allowed = max(m.allowed, s.n)
		}
	case "jump":
		m.jumped = true
		m.pool.locked(func() { m.pool.born = m.pool.born.Add(-s.lasts) }) // whatever comes next is decided by it
	case "still":
		m.still()
	case "hand over":
		m.handOver(s.lasts)
	case "evict":
		m.operate(func(ctx context.Context) { _ = m.pool.Evict(ctx, refOf(s.name), s.force) })
	case "start":
		m.operate(func(ctx context.Context) { _ = m.pool.Start(ctx, refOf(s.name)) })
	case "pin":
		m.pins[s.name] = m.pool.Pin(refOf(s.name)) == nil
	case "unpin":
		delete(m.pins, s.name)
		_ = m.pool.Unpin(refOf(s.name))
	case "crash":
		if w := m.driver.worker(s.name); w != nil {
			w.die()
		}
	case "reset":
		m.pool.Reset(refOf(s.name))
	case "cut":
		m.pool.Cut(Filter{Generation: refOf(s.name).Generation})
		for _, c := range m.held { // those of the pool before go on, and pin no more
			c.cut = c.cut || c.name == s.name && c.pool != m.pool
		}
	case "lose":
		m.driver.lose(s.name)
	case "list":
		m.operate(func(ctx context.Context) { m.pool.List(ctx) })
	}
}

func (m *model) acquire(s step) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{name: s.name, pool: m.pool, wish: s.wish, cancel: cancel, deadline: time.Now().Add(s.wish.Wait)}
	m.pending = append(m.pending, c)
	go func() {
		c.lease, c.err = c.pool.Acquire(ctx, refOf(s.name), s.wish)
		c.at = time.Now()
		m.answered <- c
	}()
}

func (m *model) release(c *client) {
	if c.wish.Class == kind.Active && c.pool == m.pool {
		m.lastEnd[c.lease.Launch()] = time.Now()
	}
	m.held = slices.DeleteFunc(m.held, func(other *client) bool { return other == c })
	c.lease.Release()
	c.lease.Release()
}

// operate does what an operator does, who waits for the outcome up to a minute.
func (m *model) operate(f func(context.Context)) {
	m.operators++
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	go func() {
		defer cancel()
		f(ctx)
		m.answered <- nil
	}()
}

// collect takes the answers that have come.
func (m *model) collect() {
	for {
		select {
		case c := <-m.answered:
			if c == nil {
				m.operators--
				continue
			}
			m.pending = slices.DeleteFunc(m.pending, func(other *client) bool { return other == c })
			m.take(c)
		default:
			return
		}
	}
}

// take looks at one answer.
func (m *model) take(c *client) {
	c.cancel()
	switch {
	case c.at.After(c.deadline):
		m.fault("S10: %s was answered %v late", c.name, c.at.Sub(c.deadline))
	case c.err == nil && c.lease == nil:
		m.fault("%s got neither a lease nor an error", c.name)
	case c.err == nil:
		m.held = append(m.held, c)
	case c.pool != m.pool && errors.Is(c.err, workspace.ErrClosing): // it waited when its pool let go
	case !known(c):
		m.fault("%s (%s) got an error that nobody knows: %v", c.name, c.wish.Class, c.err)
	}
}

// known reports whether the error is one that Acquire's comment names, and that fits the wish.
func known(c *client) bool {
	var capacity *CapacityError
	if errors.As(c.err, &capacity) && capacity.Reason == ReasonTenantLease {
		return true // a running worker's, too
	}
	for _, sentinel := range []error{workspace.ErrCapacity, workspace.ErrUnavailable, workspace.ErrTimeout, workspace.ErrQuarantined} {
		if errors.Is(c.err, sentinel) {
			return c.wish.Class != kind.Never
		}
	}
	return errors.Is(c.err, workspace.ErrCold) && c.wish.Class != kind.Active || errors.Is(c.err, context.Canceled) && c.left
}

// finish lets everybody leave, and looks whether all is given back.
func (m *model) finish() {
	if m.resume != nil {
		m.resume()
	}
	for _, c := range slices.Clone(m.pending) {
		c.left = true
		c.cancel()
	}
	pass(time.Hour)
	synctest.Wait()
	m.follow()
	m.collect()
	for _, c := range slices.Clone(m.held) {
		m.release(c)
	}
	pass(time.Hour)
	synctest.Wait()
	m.collect()
	if len(m.pending) > 0 || m.operators > 0 {
		m.fault("S10: %d clients and %d operators were never answered", len(m.pending), m.operators)
	}
	m.pool.mu.Lock()
	for _, s := range m.pool.slots {
		if s.launch != nil && s.launch.gate.load().leases() != 0 {
			m.fault("%s has %d leases when all were released", s.ref, s.launch.gate.load().leases())
		}
	}
	m.pool.mu.Unlock()
	m.cancel()
	if err := <-m.ran; err != nil {
		m.fault("Run: %v", err)
	}
	if n := m.driver.total; n != 0 {
		m.fault("S8: %d workers are left", n)
	}
}
