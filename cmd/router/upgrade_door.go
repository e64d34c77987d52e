package main

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// doorWait is the longest that a request waits at the door, where its wish does not say.
const doorWait = 25 * time.Second

// recheckTimeout bounds the question whether a request that has waited is still allowed.
const recheckTimeout = 5 * time.Second

// door lets requests through to the pool. While another router takes the workers over, only those come through that a
// worker is running for; the others wait, and are answered when it is known which of the two starts their workers.
type door struct {
	acquire func(context.Context, workspace.Ref, supervisor.Wish) (*supervisor.Lease, error) // the pool's

	shut    atomic.Bool
	passing atomic.Int64 // requests that came through while it was open and have no answer yet

	mu    sync.Mutex    // guards what follows
	moved chan struct{} // closed when the door is opened or locked; nil while it is open
	gone  bool          // it is locked for good: another router has the workers
}

// enter gives a lease as the pool does.
func (d *door) enter(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (*supervisor.Lease, error) {
	d.passing.Add(1)
	if !d.shut.Load() {
		defer d.passing.Add(-1)
		return d.acquire(ctx, ref, wish)
	}
	d.passing.Add(-1)
	return d.enterShut(ctx, ref, wish)
}

// enterShut is the way of a request that found the door shut.
func (d *door) enterShut(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (*supervisor.Lease, error) {
	warm := wish
	warm.Class = kind.Never
	lease, err := d.acquire(ctx, ref, warm)
	if err == nil || wish.Class == kind.Never {
		return lease, err
	}
	d.mu.Lock()
	moved, gone := d.moved, d.gone
	d.mu.Unlock()
	switch {
	case gone:
		return nil, fmt.Errorf("cannot serve workspace %q: another router goes on: %w", ref, workspace.ErrClosing)
	case moved == nil: // it was opened meanwhile
		return d.enter(ctx, ref, wish)
	}
	began := time.Now()
	limit := time.NewTimer(cmp.Or(wish.Wait, doorWait))
	defer limit.Stop()
	select {
	case <-moved:
		return d.enterLate(ctx, ref, wish, began)
	case <-limit.C:
		return nil, fmt.Errorf("cannot serve workspace %q yet: another router is taking over: %w", ref, workspace.ErrClosing)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// enterLate is the way of a request that has waited at the door. What allowed it when it came may not be so any more (S4),
// and it may wait only for what is left of its time.
func (d *door) enterLate(ctx context.Context, ref workspace.Ref, wish supervisor.Wish, began time.Time) (*supervisor.Lease, error) {
	if wish.Recheck != nil {
		checking, cancel := context.WithTimeout(ctx, recheckTimeout)
		defer cancel()
		if err := wish.Recheck(checking); err != nil {
			return nil, err
		}
	}
	if wish.Wait > 0 {
		wish.Wait = max(wish.Wait-time.Since(began), time.Millisecond)
	}
	return d.enter(ctx, ref, wish)
}

// close shuts the door and returns when everybody who came through it before has an answer, or with an error when ctx ends
// before.
func (d *door) close(ctx context.Context) error {
	d.mu.Lock()
	d.moved = make(chan struct{})
	d.mu.Unlock()
	d.shut.Store(true)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		waiting := d.passing.Load()
		if waiting == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for %d requests that a worker is being started for: %w", waiting, context.Cause(ctx))
		}
	}
}

// open lets everybody through again.
func (d *door) open() { d.move(false) }

// lock turns away all who need a worker that does not run, for good.
func (d *door) lock() { d.move(true) }

func (d *door) move(gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = gone
	d.shut.Store(gone)
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
}
