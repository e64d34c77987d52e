package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// refOf makes a workspace whose generation says its name, "name" or "tenant.name".
func refOf(name string) workspace.Ref {
	if tenant, rest, found := strings.Cut(name, "."); found {
		return workspace.Ref{Tenant: workspace.Name(tenant), Name: workspace.Name(rest), Generation: workspace.Generation("generation-of-" + name)}
	}
	return workspace.Ref{Tenant: workspace.DefaultTenant, Name: workspace.Name(name), Generation: workspace.Generation("generation-of-" + name)}
}

// script says how the workers of one workspace behave.
type script struct {
	start     time.Duration // how long a start takes
	startErr  error         // and how it fails
	deaf      bool          // a start that does not end by its context
	hangs     chan struct{} // and neither by its time, but when this is closed
	leavesOne bool          // a failed start leaves a worker to be stopped
	stop      time.Duration // how long a stop takes
	notGone   int           // how many stops come to no proof
	notGoneIn time.Duration // after how long it is gone all the same; 0 is never
	noHTTP    bool          // it has no endpoint
	busy      *kind.Busy
	answer    func() (status int, body string) // of the busy probe
	leftovers *kind.Leftovers
	resume    kind.Resume
	serve     func(method, path string) (status int, body string) // instead of answer
	grace     time.Duration
	lastLog   []string
	cost      kind.Cost     // that its kind declares
	pss       int64         // that it takes now; 0 is 1 MiB
	files     int           // the same, of descriptors; 0 is 12
	release   time.Duration // how long it takes to give its term back
}

// fakeDriver starts workers that are nothing but channels. It sees what a real one could not show: whether two workers
// of one generation were ever alive, and how many there were at most.
type fakeDriver struct {
	mu         sync.Mutex
	scripts    map[workspace.Generation]script
	fallback   script
	live       map[workspace.Generation]int
	total      int
	most       int
	starts     map[workspace.Generation]int
	stops      []string
	workers    map[workspace.Generation]*fakeWorker // the last one of each
	faults     []string
	recover    []Worker
	recoverErr error
	lost       map[workspace.Generation]chan struct{}
	describe   error
	terms      int  // that were not given back
	transports int  // whose connections were not closed
	survive    bool // its workers can go on under the next pool
}

func newFakeDriver() *fakeDriver {
	return &fakeDriver{
		fallback: script{start: 10 * time.Millisecond, stop: 10 * time.Millisecond},
		scripts:  map[workspace.Generation]script{}, live: map[workspace.Generation]int{}, starts: map[workspace.Generation]int{},
		workers: map[workspace.Generation]*fakeWorker{}, lost: map[workspace.Generation]chan struct{}{},
	}
}

func (d *fakeDriver) set(name string, s script) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scripts[refOf(name).Generation] = s
}

func (d *fakeDriver) scriptOf(g workspace.Generation) script {
	if s, found := d.scripts[g]; found {
		return s
	}
	return d.fallback
}

func (d *fakeDriver) startsOf(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts[refOf(name).Generation]
}

func (d *fakeDriver) worker(name string) *fakeWorker {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.workers[refOf(name).Generation]
}

// enter counts a worker from the moment it may exist.
func (d *fakeDriver) enter(spec Spec) script {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := spec.Ref.Generation
	d.starts[g]++
	d.live[g]++
	d.total++
	d.most = max(d.most, d.total)
	if d.live[g] > 1 {
		d.faults = append(d.faults, fmt.Sprintf("S1: %d workers of %s", d.live[g], spec.Ref))
	}
	return d.scriptOf(g)
}

func (d *fakeDriver) exit(g workspace.Generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live[g]--
	d.total--
}

func (d *fakeDriver) Recover(context.Context) ([]Worker, error) { return d.recover, d.recoverErr }

func (d *fakeDriver) Start(ctx context.Context, spec Spec, report func(Progress)) (Worker, error) {
	s := d.enter(spec)
	report(Progress{Launch: spec.Launch, Phase: PhaseSpawned, At: time.Now()})
	done := ctx.Done()
	if s.deaf {
		done = nil
	}
	if s.hangs != nil {
		<-s.hangs
	}
	err := s.startErr
	select {
	case <-after(s.start):
	case <-done:
		err = &StartError{Cause: CauseCancelled, Phase: PhaseSpawned, Err: context.Cause(ctx)}
	}
	switch {
	case err == nil:
		report(Progress{Launch: spec.Launch, Phase: PhaseReady, At: time.Now()})
		report(Progress{Launch: spec.Launch, Phase: PhaseProven, At: time.Now()})
		return d.shape(d.newWorker(spec, s)), nil
	case s.leavesOne:
		return d.shape(d.newWorker(spec, s)), err
	}
	d.exit(spec.Ref.Generation)
	return nil, err
}

func (d *fakeDriver) newWorker(spec Spec, s script) *fakeWorker {
	w := &fakeWorker{driver: d, spec: spec, script: s, gone: make(chan struct{}), refusals: s.notGone}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workers[spec.Ref.Generation] = w
	return w
}

// shape gives the worker the form in which the pool has it.
func (d *fakeDriver) shape(w *fakeWorker) Worker {
	if d.survive {
		return newHeir(w)
	}
	return w
}

type fakeWorker struct {
	driver *fakeDriver
	spec   Spec
	script script
	gone   chan struct{}
	once   sync.Once

	mu       sync.Mutex
	asked    bool
	forced   bool
	refusals int
	exit     Exit
}

func (w *fakeWorker) Spec() Spec { return w.spec }

func (w *fakeWorker) Endpoint(name string) (Endpoint, bool) {
	dial := func(context.Context) (net.Conn, error) { return nil, errors.New("a fake has no connections") }
	return Endpoint{Dial: dial, Scheme: "http", Host: string(w.spec.Ref.Name)}, name == kind.HTTPEndpoint && !w.script.noHTTP
}

func (w *fakeWorker) end(exit Exit) {
	w.once.Do(func() {
		w.mu.Lock()
		w.exit = exit
		w.mu.Unlock()
		w.driver.exit(w.spec.Ref.Generation)
		close(w.gone)
	})
}

// die ends the worker without being asked.
func (w *fakeWorker) die() { w.end(Exit{Code: 3, LastLog: w.script.lastLog}) }

func (w *fakeWorker) ask(force bool) (refuse bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.asked {
		w.driver.mu.Lock()
		w.driver.stops = append(w.driver.stops, string(w.spec.Ref.Name))
		w.driver.mu.Unlock()
	}
	w.asked = true
	w.forced = w.forced || force
	if w.refusals > 0 {
		w.refusals--
		return true
	}
	return false
}

func (w *fakeWorker) Stop(ctx context.Context, force bool) error {
	if w.ask(force) {
		if w.script.notGoneIn > 0 {
			time.AfterFunc(w.script.notGoneIn, func() { w.end(Exit{Expected: true}) })
		}
		return ErrNotGone
	}
	wait := w.script.stop
	if force {
		wait = 0
	}
	select {
	case <-w.gone:
	case <-after(wait):
		w.end(Exit{Expected: true})
	case <-ctx.Done():
		return fmt.Errorf("cannot stop: %w", ErrNotGone)
	}
	return nil
}

func (w *fakeWorker) wasAsked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (w *fakeWorker) Gone() <-chan struct{} { return w.gone }

func (w *fakeWorker) Exit() Exit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exit
}

func (w *fakeWorker) Usage(context.Context) (Usage, error) {
	w.driver.mu.Lock()
	defer w.driver.mu.Unlock()
	usage := Usage{PID: 4711, PSS: 1 << 20, Files: 12}
	s := w.driver.scriptOf(w.spec.Ref.Generation)
	if s.pss > 0 {
		usage.PSS = s.pss
	}
	if s.files > 0 {
		usage.Files = s.files
	}
	return usage, nil
}

// fakeTransport answers as the script of its host says.
type fakeTransport struct {
	driver *fakeDriver
	host   string
}

func (t *fakeTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.driver.mu.Lock()
	s := t.driver.scriptOf(refOf(t.host).Generation)
	t.driver.mu.Unlock()
	status, body := http.StatusOK, "{}"
	switch {
	case s.serve != nil:
		status, body = s.serve(request.Method, request.URL.Path)
	case s.answer != nil:
		status, body = s.answer()
	}
	if status == 0 {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: request}, nil
}

func (t *fakeTransport) CloseIdleConnections() {
	t.driver.mu.Lock()
	defer t.driver.mu.Unlock()
	t.driver.transports--
}

// bench is a pool that runs in a bubble, with the fakes around it.
type bench struct {
	tb     testing.TB
	pool   *Pool
	driver *fakeDriver
	cancel context.CancelFunc
	ran    chan error
}

// testConfig has round numbers and no chance in it.
func testConfig(workers int) Config {
	cfg := Defaults()
	cfg.MaxWorkers = workers
	cfg.Node = "node-1"
	cfg.StartConcurrency = 4
	cfg.Backoff.Jitter = 0
	return cfg
}

// newBench runs a pool and, when the test ends, ends it and looks whether a promise was broken on the way.
func newBench(tb testing.TB, cfg Config, driver *fakeDriver) *bench {
	tb.Helper()
	return newBenchWith(tb, cfg, driver, func(*Deps) {})
}

// newBenchWith does so with other dependencies.
func newBenchWith(tb testing.TB, cfg Config, driver *fakeDriver, change func(*Deps)) *bench {
	tb.Helper()
	return runBench(tb, newPool(tb, cfg, driver, change), driver)
}

// newPool makes a pool that does not run.
func newPool(tb testing.TB, cfg Config, driver *fakeDriver, change func(*Deps)) *Pool {
	tb.Helper()
	deps := depsOf(driver)
	change(&deps)
	pool, err := New(cfg, deps)
	if err != nil {
		tb.Fatal(err)
	}
	return pool
}

// runBench runs it.
func runBench(tb testing.TB, pool *Pool, driver *fakeDriver) *bench {
	tb.Helper()
	b := &bench{tb: tb, pool: pool, driver: driver, ran: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() { b.ran <- pool.Run(ctx) }()
	tb.Cleanup(func() { // of a test that failed before its end
		cancel()
		<-pool.closed
	})
	<-pool.Opened()
	return b
}

func depsOf(driver *fakeDriver) Deps {
	return Deps{
		Driver:    driver,
		Ownership: driver,
		Describe: func(_ context.Context, ref workspace.Ref) (Spec, error) {
			driver.mu.Lock()
			defer driver.mu.Unlock()
			s := driver.scriptOf(ref.Generation)
			return Spec{Ref: ref, Kind: kindOf(s), Resume: s.resume}, driver.describe
		},
		NewTransport: func(e Endpoint) Transport {
			driver.mu.Lock()
			defer driver.mu.Unlock()
			driver.transports++
			return &fakeTransport{driver: driver, host: e.Host}
		},
	}
}

func kindOf(s script) *kind.Kind {
	return &kind.Kind{Name: "fake", Busy: s.busy, Leftovers: s.leftovers, Stop: kind.Stop{Grace: s.grace}, Cost: s.cost}
}

// Acquire makes the fake an Ownership whose terms the test can end.
func (d *fakeDriver) Acquire(_ context.Context, ref workspace.Ref) (Term, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := make(chan struct{})
	d.lost[ref.Generation] = lost
	d.terms++
	return &fakeTerm{driver: d, lost: lost, release: d.scriptOf(ref.Generation).release}, nil
}

type fakeTerm struct {
	driver  *fakeDriver
	lost    chan struct{}
	release time.Duration
}

func (*fakeTerm) Number() uint64          { return 7 }
func (t *fakeTerm) Lost() <-chan struct{} { return t.lost }

func (t *fakeTerm) Release(context.Context) error {
	<-after(t.release)
	t.driver.mu.Lock()
	defer t.driver.mu.Unlock()
	t.driver.terms--
	return nil
}

// end ends the pool and gives Run's error.
func (b *bench) end() error {
	b.cancel()
	err := <-b.ran
	b.driver.mu.Lock()
	defer b.driver.mu.Unlock()
	for _, fault := range b.driver.faults {
		b.tb.Error(fault)
	}
	if b.driver.most > b.pool.cfg.MaxWorkers {
		b.tb.Errorf("S2: %d workers at once, allowed are %d", b.driver.most, b.pool.cfg.MaxWorkers)
	}
	if err == nil && b.driver.total != 0 {
		b.tb.Errorf("%d workers were left", b.driver.total)
	}
	if err == nil && b.driver.terms != 0 {
		b.tb.Errorf("%d terms were not given back", b.driver.terms)
	}
	if err == nil && b.driver.transports != 0 {
		b.tb.Errorf("S7: the connections of %d launches were not closed", b.driver.transports)
	}
	for _, event := range b.pool.Events(0) {
		if event.Type == EventIllegal {
			b.tb.Errorf("workspace %q: %s", event.Workspace, event.Detail)
		}
	}
	return err
}

// get takes a lease or fails the test.
func (b *bench) get(name string) *Lease {
	b.tb.Helper()
	lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{Principal: "key:" + name})
	if err != nil {
		b.tb.Fatalf("cannot lease %q: %v", name, err)
	}
	return lease
}

// use takes a lease and ends it.
func (b *bench) use(name string) {
	b.tb.Helper()
	b.get(name).Release()
}

type outcome struct {
	name  string
	lease *Lease
	err   error
	after time.Duration
}

// ask takes a lease in a goroutine.
func (b *bench) ask(name string, wish Wish) <-chan outcome {
	result := make(chan outcome, 1)
	began := time.Now()
	go func() {
		lease, err := b.pool.Acquire(context.Background(), refOf(name), wish)
		result <- outcome{name, lease, err, time.Since(began)}
	}()
	return result
}

// state is the workspace's state now.
func (b *bench) state(name string) State {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	if s := b.pool.slots[refOf(name).Generation]; s != nil {
		return s.state
	}
	return StateCold
}

func (b *bench) wantState(name string, want State) {
	b.tb.Helper()
	synctest.Wait()
	if got := b.state(name); got != want {
		b.tb.Errorf("workspace %q is %s, want %s", name, got, want)
	}
}

// bubble runs a test over a pool in a bubble of its own time, and ends the pool.
func bubble(t *testing.T, cfg Config, test func(*bench)) {
	t.Helper()
	bubbleWith(t, cfg, newFakeDriver, test)
}

func bubbleWith(t *testing.T, cfg Config, driver func() *fakeDriver, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cfg, driver())
		test(b)
		if err := b.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// bubbleOf does so with other dependencies.
func bubbleOf(t *testing.T, cfg Config, change func(*Deps), test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, cfg, newFakeDriver(), change)
		test(b)
		if err := b.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets time go by, in a bubble.
func pass(d time.Duration) { <-after(d) }

// after is time.After by another means. A timer's channel that is due when it is read runs the timer in the reader's
// goroutine, and where two do so at once in a bubble, the race detector of Go 1.26 loses its footing and ends the program.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	if d <= 0 {
		close(done)
	} else {
		time.AfterFunc(d, func() { close(done) })
	}
	return done
}

// old makes a worker that the driver still sees from before.
func (d *fakeDriver) old(name string) *fakeWorker {
	spec := Spec{Ref: refOf(name), WorkerName: name, Launch: LaunchID("old-" + name), Kind: kindOf(d.scriptOf(refOf(name).Generation))}
	return d.newWorker(spec, d.enter(spec))
}

// lose ends the term under which the workspace's last worker was started.
func (d *fakeDriver) lose(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if lost := d.lost[refOf(name).Generation]; lost != nil {
		close(lost)
		delete(d.lost, refOf(name).Generation)
	}
}
