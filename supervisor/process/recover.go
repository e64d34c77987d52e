package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

const (
	// recoverPatience bounds the proof of one worker that another router has left. It was ready once, so it answers soon
	// or not at all.
	recoverPatience = 15 * time.Second
	// recoverTogether is how many are proven at a time.
	recoverTogether = 16
	// describePatience bounds the question what a workspace is now.
	describePatience = 5 * time.Second
)

// Recover waits until the keeper has accounted for everything that an earlier one left, and proves each worker anew
// that it holds for this router. Those that are not usable have no endpoint; the pool stops them.
func (d *Driver) Recover(ctx context.Context) ([]supervisor.Worker, error) {
	if _, err := d.connected(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	survivors := d.survivors
	d.survivors = nil
	d.mu.Unlock()
	var group sync.WaitGroup
	turns := make(chan struct{}, recoverTogether)
	for _, w := range survivors {
		if closed(w.gone) {
			continue
		}
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			err := w.survives(ctx)
			if err != nil {
				d.log.Warn("a worker of before is not taken over", zap.String("launch", string(w.spec.Launch)),
					zap.Stringer("workspace", w.spec.Ref), zap.Error(err))
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("cannot take over the workers of before: %w", context.Cause(ctx))
	}
	workers := make([]supervisor.Worker, len(survivors))
	for i, w := range survivors {
		workers[i] = w
	}
	return workers, nil
}

// survives proves a worker as at its start: who listens is the launch's, and answers as this launch.
func (w *worker) survives(ctx context.Context) error {
	if w.unfit != nil {
		return w.unfit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, recoverPatience, fmt.Errorf("it does not answer within %v", recoverPatience))
	defer cancel()
	return w.prove(ctx, &start{driver: w.driver, spec: w.spec, began: time.Now(), report: func(supervisor.Progress) {}})
}

// takeUp enters a launch that the keeper holds into the table.
func (d *Driver) takeUp(ctx context.Context, l *link, nonce string, h keeper.Held) {
	if w := d.worker(h.Launch); w != nil && w.values.nonce == nonce {
		// This router's own, whose connection broke. It has been told that the worker is lost, and what it has let go of
		// must end.
		w.adoptedBy(l)
		d.discard(l, nonce, h.Launch)
		return
	}
	m, err := parseMemo(h.Memo)
	if err != nil {
		m.Generation, m.Tenant, m.Name = workspace.Generation(h.Generation), workspace.DefaultTenant, workspace.Name(h.Workspace)
	}
	if m.Preload != nil {
		d.takeUpPreloader(l, nonce, h, m)
		return
	}
	w := d.revive(l, nonce, h, m)
	if err != nil {
		w.unfit = err
	} else {
		w.unfit = w.fit(ctx, h, m)
	}
	d.mu.Lock()
	late := d.recovered
	if !late {
		d.survivors = append(d.survivors, w)
	}
	d.mu.Unlock()
	switch {
	case late: // nobody asks for it any more
		d.discard(l, nonce, h.Launch)
	case h.Gone != nil:
		w.onGone(*h.Gone)
		d.log.Warn("a worker ended while no router was there", zap.String("launch", h.Launch), zap.String("workspace", h.Workspace),
			zap.Int("status", h.Gone.Status.Code), zap.String("signal", h.Gone.Status.Signal), zap.Time("at", h.Gone.Status.At))
	case d.enter(w):
		d.ports.reserveAll(w.ports)
	}
}

func (d *Driver) discard(l *link, nonce, launch string) {
	if err := l.send(keeper.Message{Nonce: nonce, Stop: &keeper.Stop{Launch: launch}}); err != nil {
		d.log.Debug("the keeper was not asked to stop a launch", zap.String("launch", launch), zap.Error(err))
	}
}

// revive makes the worker of a launch that another router started.
func (d *Driver) revive(l *link, nonce string, h keeper.Held, m memo) *worker {
	spec := supervisor.Spec{
		Ref:        workspace.Ref{Tenant: m.Tenant, Name: m.Name, Generation: m.Generation},
		WorkerName: m.WorkerName, Launch: supervisor.LaunchID(h.Launch), StartedAt: m.Began,
		// As much of its kind as is needed to stop it; fit puts the whole in its place.
		Kind: &kind.Kind{Name: m.Kind, Stop: kind.Stop{Grace: m.Grace}},
	}
	v := d.values(spec, m.Program, m.Ports)
	v.nonce, v.secret = nonce, m.Secret
	w := newWorker(d, l, spec, v, m.Ports.all(), nil)
	w.memo, w.survivor, w.requests = m, true, h.Leases
	close(w.settled)
	if !h.SpawnedAt.IsZero() {
		w.spawned = &keeper.Spawned{
			Launch: h.Launch, PID: h.PID, Start: h.Start, LockedAt: h.LockedAt, At: h.SpawnedAt, Isolation: h.Isolation, Group: h.Group,
		}
	}
	if h.Exit != nil {
		w.onExited(*h.Exit)
	}
	return w
}

// fit says why a launch cannot be taken over, whatever it answers, or completes the worker by what its kind is now.
func (w *worker) fit(ctx context.Context, h keeper.Held, m memo) error {
	switch {
	case h.Gone != nil || h.Exit != nil || h.Stopping:
		return errors.New("it has ended, or is being stopped")
	case m.Ready.IsZero() || w.spawned == nil:
		return errors.New("it was never ready")
	case w.driver.describe == nil:
		return errors.New("nobody can say what its workspace is now")
	}
	ctx, cancel := context.WithTimeout(ctx, describePatience)
	defer cancel()
	spec, err := w.driver.describe(ctx, w.spec.Ref)
	switch {
	case err != nil:
		return fmt.Errorf("its workspace is not to be served: %w", err)
	case spec.Kind == nil || spec.Kind.Name != m.Kind:
		return fmt.Errorf("its workspace has another kind than %q now", m.Kind)
	case digest(spec.Kind) != m.Digest:
		return fmt.Errorf("the profile of its kind, %q, has changed", m.Kind)
	}
	spec.Launch, spec.WorkerName, spec.StartedAt = w.spec.Launch, m.WorkerName, m.Began
	w.spec, w.values.spec = spec, spec
	w.header, err = w.values.header(spec.Kind.Inject)
	return err
}

// Past is what the router before knew.
func (w *worker) Past() supervisor.Past {
	w.mu.Lock()
	defer w.mu.Unlock()
	past := supervisor.Past{StartedAt: w.memo.Began, ReadyAt: w.memo.Ready, LastEnd: w.memo.LastEnd}
	if w.spawned != nil {
		past.Isolation, past.PID = w.spawned.Isolation.String(), w.spawned.PID
	}
	return past
}
