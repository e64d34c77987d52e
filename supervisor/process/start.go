package process

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// portAttempts is how often a worker is started when another process takes its port first.
const portAttempts = 3

// errAddressInUse says that a port that was free when it was chosen belongs to another process.
var errAddressInUse = errors.New("another process listens on the port")

// start is one call of Start.
type start struct {
	driver *Driver
	spec   supervisor.Spec
	began  time.Time
	report func(supervisor.Progress)

	claim     *hardening   // set by prepare; see layout
	durable   <-chan error // gives one, or nil, when the claim is on the disk; nil where there is none
	isolation string       // by what the worker is held; known once it is spawned
	pid       int          // of its root, likewise
	plain     bool         // the program is to be executed, as its forked process did not come up
	class     string       // of the preloader that this launch was to be forked from; empty where of none
	mu        sync.Mutex   // guards phase
	phase     supervisor.Phase
}

// Start launches a worker and proves it. See supervisor.Driver.
func (d *Driver) Start(ctx context.Context, spec supervisor.Spec, report func(supervisor.Progress)) (supervisor.Worker, error) {
	if report == nil {
		report = func(supervisor.Progress) {}
	}
	s := &start{driver: d, spec: spec, began: time.Now(), report: report, phase: supervisor.PhaseQueued}
	for attempt := 1; ; attempt++ {
		w, err := s.run(ctx)
		if attempt < portAttempts && w != nil && errors.Is(err, errAddressInUse) && w.Stop(ctx, true) == nil {
			continue
		}
		if s.distrust(ctx, w, err) {
			continue
		}
		switch {
		case err == nil:
			s.trust()
			w.remember(func(m *memo) { m.Ready = time.Now() })
			return w, nil
		case w == nil:
			return nil, s.explain(ctx, nil, err)
		default:
			return w, s.explain(ctx, w, err)
		}
	}
}

// reached notes a phase, which is reported once.
func (s *start) reached(phase supervisor.Phase, at time.Time) {
	order := map[supervisor.Phase]int{
		supervisor.PhaseQueued: 0, supervisor.PhaseLocked: 1, supervisor.PhaseSpawned: 2,
		supervisor.PhaseReady: 3, supervisor.PhaseProven: 4,
	}
	s.mu.Lock()
	news := order[phase] > order[s.phase]
	if news {
		s.phase = phase
	}
	s.mu.Unlock()
	if news {
		s.report(supervisor.Progress{Launch: s.spec.Launch, Phase: phase, At: at, Isolation: s.isolation, PID: s.pid})
	}
}

// run is one attempt. A worker that is returned may live, whatever the error.
func (s *start) run(ctx context.Context) (*worker, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	l, err := s.driver.connected(ctx)
	if err != nil {
		return nil, &causeError{supervisor.CauseKeeper, err}
	}
	w, command, err := s.prepared(ctx, l)
	if err != nil {
		return nil, err
	}
	defer s.claim.drop()
	if err := l.send(keeper.Message{Start: command}); err != nil {
		if errors.Is(err, errKeeperDied) { // it was never sent
			s.clear(ctx, w)
			return nil, &causeError{supervisor.CauseKeeper, err}
		}
		l.file.Close() // half a command may have gone out; the keeper takes it for the router's end
		return w, &causeError{supervisor.CauseKeeper, err}
	}
	select {
	case <-w.settled:
	case <-w.exited:
		// A worker that ends at once has settled before; one that has not was lost with its keeper.
		if !closed(w.settled) {
			return w, &causeError{supervisor.CauseKeeper, errKeeperDied}
		}
	case <-ctx.Done():
		return w, context.Cause(ctx)
	}
	if w.refused != nil {
		s.clear(ctx, w)
		return nil, refusal(w.refused)
	}
	s.reached(supervisor.PhaseLocked, w.spawned.LockedAt)
	s.isolation, s.pid = w.spawned.Isolation.String(), w.spawned.PID
	s.reached(supervisor.PhaseSpawned, w.spawned.At)
	s.driver.log.Info("a worker was launched", zap.String("launch", string(s.spec.Launch)), zap.Stringer("workspace", s.spec.Ref),
		zap.Int("pid", w.spawned.PID), zap.Strings("isolation", w.spawned.Isolation.Means), zap.Strings("missing", w.spawned.Isolation.Missing))
	if w.notify != nil {
		go w.notify.follow(w)
	}
	s.durable = s.claim.begin()
	return w, w.prove(ctx, s)
}

func closed(event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	default:
		return false
	}
}

func (s *start) check() error {
	switch {
	case !keeper.ValidLaunch(string(s.spec.Launch)):
		return fmt.Errorf("the launch %q is not 8 characters of [0-9a-z]", s.spec.Launch)
	case s.spec.Kind == nil || len(s.spec.Kind.Processes) == 0:
		return errors.New("there is no kind, or it has no process")
	case len(s.spec.Kind.Processes) > 1:
		return fmt.Errorf("the kind %q has %d processes, this driver runs kinds with one", s.spec.Kind.Name, len(s.spec.Kind.Processes))
	case s.spec.Ref.Generation == "" || s.spec.Ref.Name == "" || s.spec.Ref.Tenant == "":
		return fmt.Errorf("the workspace %+v is not complete", s.spec.Ref)
	}
	return nil
}

// prepared prepares beside, as a disk may hang: the start ends with its context all the same. What it was made for then
// is removed as soon as the disk answers; until that a new start of the same workspace is refused.
func (s *start) prepared(ctx context.Context, l *link) (*worker, *keeper.Start, error) {
	d, generation := s.driver, s.spec.Ref.Generation
	if !d.claims.begin(generation) {
		return nil, nil, &causeError{supervisor.CauseHangs, errors.New("an earlier start still waits for the disk")}
	}
	type outcome struct {
		w       *worker
		command *keeper.Start
		err     error
	}
	answer := make(chan outcome) // without a buffer: an answer is taken, or it is known that nobody takes it
	go func() {
		w, command, err := s.prepare(l)
		d.claims.end(generation)
		select {
		case answer <- outcome{w, command, err}:
		case <-ctx.Done():
			if err == nil {
				s.claim.drop()
				w.neverRan()
			}
		}
	}()
	select {
	case o := <-answer:
		return o.w, o.command, o.err
	case <-ctx.Done():
	}
	return nil, nil, hangs(ctx, "cannot prepare the launch")
}

// hangs is the error of a start whose time is over while it waits for the disk.
func hangs(ctx context.Context, what string) error {
	cause := supervisor.CauseCancelled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		cause = supervisor.CauseHangs
	}
	return &causeError{cause, fmt.Errorf("%s: the disk has not answered: %w", what, context.Cause(ctx))}
}

// neverRan removes what was made for a launch of which nothing ever ran. It may wait for the disk.
func (w *worker) neverRan() {
	_ = w.driver.disk.remove(w.values.run) // the keeper clears what is left at its next start
	w.onGone(keeper.Gone{Status: keeper.Status{Code: -1, At: time.Now()}, Proof: "never ran"})
}

// clear does so, and waits for it as long as there is time.
func (s *start) clear(ctx context.Context, w *worker) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.neverRan()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// prepare makes all that the launch needs, up to the command for the keeper, and enters it into the table. Its
// generation's lock is held while the workspace's directory is touched, so that nothing that another launch still uses
// is written over; the keeper takes the lock anew.
func (s *start) prepare(l *link) (w *worker, command *keeper.Start, err error) {
	d, k := s.driver, s.spec.Kind
	process := &k.Processes[0]
	environ := s.spec.Environ
	if environ == nil {
		environ = d.config.Environ
	}
	program, err := s.program(environ)
	if err != nil {
		return nil, nil, err
	}
	ports, err := d.ports.take(k)
	if err != nil {
		return nil, nil, &causeError{supervisor.CauseInternal, err}
	}
	defer func() {
		if err != nil {
			d.ports.release(ports.all())
			_ = d.disk.remove(d.data.RunDir(string(s.spec.Launch)))
		}
	}()
	v := d.values(s.spec, program, ports)
	own, err := d.ownEnvironment(s.spec)
	if err != nil {
		return nil, nil, err
	}
	environment, err := composeEnvironment(process, v, environ, own)
	if err != nil {
		return nil, nil, err
	}
	reach, err := newReach(k, v, environment)
	if err != nil {
		return nil, nil, err
	}
	if err := d.claimPlaces(v); err != nil {
		return nil, nil, err
	}
	layout, err := d.layOut(k, v, reach)
	if err != nil {
		return nil, nil, err
	}
	s.claim = layout.claim
	defer func() {
		if err != nil {
			s.claim.drop()
		}
	}()
	notify, err := s.listen(v, &environment)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			notify.close()
		}
	}()
	args, err := v.expandAll(process.Args)
	if err != nil {
		return nil, nil, err
	}
	header, err := v.header(k.Inject)
	if err != nil {
		return nil, nil, err
	}
	w = newWorker(d, l, s.spec, v, ports.all(), header)
	w.memo = newMemo(v, k)
	w.notify = notify
	if !d.enter(w) {
		return nil, nil, fmt.Errorf("the launch %q is there already", s.spec.Launch)
	}
	command = &keeper.Start{
		Launch: string(s.spec.Launch), Generation: string(s.spec.Ref.Generation), Workspace: s.spec.Ref.String(), Nonce: v.nonce,
		Program: program, Args: append([]string{program}, args...), Env: environment, Dir: layout.working, RunDir: v.run,
		Memo: w.memo.encode(), Sandbox: d.policy(k, v, reach), Namespaces: namespaces(k.Isolation), User: layout.user,
		Limits: limits(s.spec),
		Files:  fileLimit(k.Cost, l.pid()),
		Log:    keeper.LogFile{Path: d.data.Log(s.spec.Ref.String()), Limit: d.config.LogLimit},
		Signal: int(stopSignal(k.Stop)), Grace: k.Stop.Grace,
	}
	command.Preload = s.preload(l, v, reach, command)
	return w, command, nil
}

// listen opens the launch's notification socket, where its kind can make use of it, and puts it into the environment in
// place of the router's own.
func (s *start) listen(v values, environment *[]string) (*notifier, error) {
	if !s.spec.Kind.Ready.Notify {
		*environment = notified(*environment, "")
		return nil, nil //nolint:nilnil // as documented
	}
	path := filepath.Join(v.run, notifyName)
	conn, err := s.driver.disk.listen(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the worker's word: %w", err)
	}
	*environment = notified(*environment, path)
	return newNotifier(conn), nil
}

func stopSignal(s kind.Stop) syscall.Signal {
	if signal := unix.SignalNum("SIG" + s.Signal); signal != 0 {
		return signal
	}
	return unix.SIGTERM
}

// fresh makes a value of 256 random bits that is text anywhere.
func fresh() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
