package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// launch does a start from description to proof, without the lock, and reports what came of it. It waits for the answer
// no longer than Config.StopMargin beyond the start's time: what hangs is quarantined, and keeps its room until it answers.
func (p *Pool) launch(l *launch) {
	ctx, cancel := context.WithCancel(p.work)
	defer cancel()
	if !p.prepare(l, cancel) {
		return
	}
	a := attempt{p: p, l: l, answer: make(chan started), hangs: make(chan struct{}, 1)}
	a.guard = time.AfterFunc(p.cfg.StartTimeout+p.cfg.StopMargin, func() {
		select {
		case a.hangs <- struct{}{}:
		default: // it was said
		}
	})
	defer a.guard.Stop()
	defer context.AfterFunc(ctx, func() { a.guard.Reset(p.cfg.StopMargin) })()
	go a.ask(ctx) // not a task: Run waits for no goroutine that may hang
	select {
	case s := <-a.answer:
		p.onStarted(l, s)
		return
	case <-a.hangs:
		p.onHanging(l)
		cancel()
	}
	select {
	case s := <-a.answer:
		p.onStarted(l, s)
	case <-p.work.Done(): // Run says that it was left
	}
}

// attempt is a start that others are asked for, and may not answer.
type attempt struct {
	p      *Pool
	l      *launch
	answer chan started
	hangs  chan struct{} // takes one, when the answer is overdue
	guard  *time.Timer   // says so
}

// started is what came of a start.
type started struct {
	refusal error // why the Driver was not asked
	worker  Worker
	err     error
	over    error // why its time was over; nil while it was not
}

// ask describes and starts. Where nobody waits for the answer any more, it stops what was started by itself.
func (a attempt) ask(ctx context.Context) {
	s := a.begin(ctx)
	select {
	case a.answer <- s:
	case <-a.p.work.Done():
		a.p.stopLate(s.worker)
	}
}

func (a attempt) begin(ctx context.Context) started {
	p := a.p
	described, cancel := context.WithTimeoutCause(ctx, p.cfg.StartTimeout, errNotDescribed)
	defer cancel()
	spec, err := p.describe(described, a.l)
	if err != nil {
		return started{refusal: err}
	}
	timeout := spec.Kind.Ready.Timeout
	if timeout <= 0 {
		timeout = p.cfg.StartTimeout
	}
	ctx, cancelStart := context.WithTimeoutCause(ctx, timeout, errNotReady)
	defer cancelStart()
	a.guard.Reset(timeout + p.cfg.StopMargin)
	worker, err := p.deps.Driver.Start(ctx, spec, p.onProgress(a.l))
	return started{worker: worker, err: err, over: context.Cause(ctx)}
}

// stopLate stops a worker that came when the pool had ended.
func (p *Pool) stopLate(worker Worker) {
	if worker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.work), p.cfg.StopMargin)
	defer cancel()
	if err := worker.Stop(ctx, true); err != nil {
		p.deps.Logger.Error("a worker that was started too late is not proven gone", zap.Error(err))
	}
}

// onHanging takes the news that neither an answer came in time nor an end when the start was cancelled.
func (p *Pool) onHanging(l *launch) {
	p.locked(func() {
		if !l.current() {
			return
		}
		l.notGone = errStartHangs
		if l.stopAsked == 0 {
			l.failure = &StartError{Cause: CauseHangs, Phase: l.reached(), Elapsed: time.Since(l.started), Err: errStartHangs}
			l.notGone = l.failure
			l.stopWhy = stopReason{reason: stopBroken}
			p.fail(l)
		}
		p.transition(l.slot, TriggerNotGone)
	})
}

// reached is the last phase that the launch came to. The lock is held.
func (l *launch) reached() Phase {
	if len(l.phases) == 0 {
		return ""
	}
	return l.phases[len(l.phases)-1].phase
}

var (
	errNotDescribed = errors.New("the workspace was not described and owned in time")
	errStartHangs   = errors.New("its start does not come back, although its time is over: what it waits for, a disk perhaps, hangs")
)

var errNotReady = errors.New("the worker was not ready in time")

// prepare gives the launch the means to be cancelled; false if it is cancelled already.
func (p *Pool) prepare(l *launch, cancel context.CancelFunc) bool {
	proceed := true
	p.locked(func() {
		l.cancel = cancel
		if l.current() && l.slot.state != StateStarting {
			proceed = false
			l.refusal = context.Canceled
			p.transition(l.slot, TriggerNotStarted)
		}
	})
	return proceed
}

// describe finds out what to start, and that it may be started here.
func (p *Pool) describe(ctx context.Context, l *launch) (Spec, error) {
	spec, err := p.deps.Describe(ctx, l.ref)
	if err != nil {
		return spec, fmt.Errorf("cannot describe workspace %q: %w", l.ref, err)
	}
	if spec.Kind == nil {
		return spec, fmt.Errorf("cannot start workspace %q: it has no kind", l.ref)
	}
	term, err := p.deps.Ownership.Acquire(ctx, l.ref)
	if err != nil {
		return spec, fmt.Errorf("cannot own workspace %q: %w", l.ref, err)
	}
	spec.Ref, spec.Launch, spec.Term, spec.StartedAt = l.ref, l.id, term, l.started
	if spec.WorkerName == "" && len(spec.Places) == 0 { // data that were there before may have none
		spec.WorkerName = l.ref.Generation.WorkerName()
	}
	p.locked(func() {
		l.kind, l.term, l.idleTimeout, l.idleOf, l.resume = spec.Kind, term, spec.IdleTimeout, spec.IdleTimeoutOf, spec.Resume
		p.declare(l, loadOf(spec.Kind.Cost))
		if e := p.overBudget(l.ref, l.declared); e != nil {
			err = e
		}
	})
	if err != nil {
		l.releaseTerm(ctx)
	}
	return spec, err
}

// refuseStart ends a launch that the Driver was never asked for.
func (p *Pool) refuseStart(l *launch, err error) {
	p.locked(func() {
		if errors.Is(err, workspace.ErrDeleted) {
			p.dropPin(l.ref)
		}
		if l.current() {
			l.refusal = err
			p.transition(l.slot, TriggerNotStarted)
		}
	})
}

// onProgress notes the phases that the Driver reports.
func (p *Pool) onProgress(l *launch) func(Progress) {
	return func(progress Progress) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if progress.Launch == l.id && l.current() && l.slot.state == StateStarting {
			l.mark(progress.Phase)
			if progress.Isolation != "" {
				l.isolation = progress.Isolation
			}
			if progress.PID != 0 {
				l.sample.usage.PID = progress.PID
			}
		}
	}
}

// onStarted takes what a start came to.
func (p *Pool) onStarted(l *launch, s started) {
	if s.refusal != nil {
		p.refuseStart(l, s.refusal)
		return
	}
	worker, err := s.worker, s.err
	var endpoint Endpoint
	var transport Transport
	if err == nil {
		endpoint, transport, err = p.reach(worker)
	}
	var failure *StartError
	if err != nil {
		failure = p.startFailure(l, err, s.over)
		if worker == nil {
			l.releaseTerm(p.work)
		}
	}
	p.locked(func() {
		if !l.current() {
			return // cannot be: a slot keeps its launch until Start has returned
		}
		l.worker, l.endpoint, l.transport = worker, endpoint, transport
		if l.slot.state == StateStarting {
			l.failure = failure // one that was cancelled is no failure; one that hung was told
		}
		switch {
		case failure == nil:
			p.transition(l.slot, TriggerStarted)
		case worker != nil:
			p.transition(l.slot, TriggerStartBroken)
		default:
			p.transition(l.slot, TriggerStartFailed)
		}
	})
}

// reach makes the transport to a worker that is ready.
func (p *Pool) reach(worker Worker) (Endpoint, Transport, error) {
	if worker == nil {
		return Endpoint{}, nil, errors.New("the driver gave neither a worker nor an error")
	}
	endpoint, found := worker.Endpoint(kind.HTTPEndpoint)
	if !found || endpoint.Dial == nil {
		return Endpoint{}, nil, fmt.Errorf("the worker has no endpoint %q", kind.HTTPEndpoint)
	}
	return endpoint, p.deps.NewTransport(endpoint), nil
}

// startFailure gives the error the form that is kept and shown.
func (p *Pool) startFailure(l *launch, err, over error) *StartError {
	var known *StartError
	if errors.As(err, &known) {
		return known
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	failure := &StartError{Cause: CauseInternal, Phase: l.reached(), Elapsed: time.Since(l.started), Err: err}
	switch {
	case errors.Is(over, errNotReady):
		failure.Cause = CauseNeverReady
	case over != nil:
		failure.Cause = CauseCancelled
	}
	return failure
}
