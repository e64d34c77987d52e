package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"workspace-router/internal/kind"
)

// launch does a start from description to proof, without the lock, and reports what came of it.
func (p *Pool) launch(l *launch) {
	ctx, cancel := context.WithCancel(p.work)
	defer cancel()
	if !p.prepare(l, cancel) {
		return
	}
	spec, err := p.describe(ctx, l)
	if err != nil {
		p.refuseStart(l, err)
		return
	}
	timeout := spec.Kind.Ready.Timeout
	if timeout <= 0 {
		timeout = p.cfg.StartTimeout
	}
	ctx, cancelStart := context.WithTimeoutCause(ctx, timeout, errNotReady)
	defer cancelStart()
	worker, err := p.deps.Driver.Start(ctx, spec, p.onProgress(l))
	p.onDriver(ctx, l, worker, err)
}

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
	spec.Ref, spec.Launch, spec.Term = l.ref, l.id, term
	if spec.WorkerName == "" {
		spec.WorkerName = l.ref.Generation.WorkerName()
	}
	p.locked(func() { l.kind, l.term, l.idleTimeout = spec.Kind, term, spec.IdleTimeout })
	return spec, nil
}

// refuseStart ends a launch that the Driver was never asked for.
func (p *Pool) refuseStart(l *launch, err error) {
	p.locked(func() {
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
		}
	}
}

// onDriver takes what the Driver's Start came to.
func (p *Pool) onDriver(ctx context.Context, l *launch, worker Worker, err error) {
	var endpoint Endpoint
	var transport Transport
	if err == nil {
		endpoint, transport, err = p.reach(worker)
	}
	var failure *StartError
	if err != nil {
		failure = p.startFailure(ctx, l, err)
		if worker == nil {
			l.releaseTerm(p.work)
		}
	}
	p.locked(func() {
		if !l.current() {
			return // cannot be: a slot keeps its launch until Start has returned
		}
		l.worker, l.failure, l.endpoint, l.transport = worker, failure, endpoint, transport
		if l.slot.state == StateStopping {
			l.failure = nil // a start that was cancelled is no failure
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
func (p *Pool) startFailure(ctx context.Context, l *launch, err error) *StartError {
	var known *StartError
	if errors.As(err, &known) {
		return known
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	failure := &StartError{Cause: CauseInternal, Elapsed: time.Since(l.started), Err: err}
	if len(l.phases) > 0 {
		failure.Phase = l.phases[len(l.phases)-1].phase
	}
	switch {
	case errors.Is(context.Cause(ctx), errNotReady):
		failure.Cause = CauseNeverReady
	case ctx.Err() != nil:
		failure.Cause = CauseCancelled
	}
	return failure
}
