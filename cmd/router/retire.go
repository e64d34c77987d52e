package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
	"workspace-router/supervisor/process"
)

const (
	// retireAgain is how often is tried once more what could not be done.
	retireAgain = 30 * time.Second
	// retireBound bounds one of these tries.
	retireBound = 2 * time.Minute
)

// retirer ends the workspaces that the catalog has as deleted: what is open on them, their workers, their directories.
// The catalog comes first, so that whatever ends the router meanwhile, the next one goes on from there.
type retirer struct {
	pool    *supervisor.Pool
	deleted func(context.Context) ([]workspace.Ref, error)
	data    string
	log     *zap.Logger

	mu      sync.Mutex // guards pending
	pending map[workspace.Generation]workspace.Ref
}

func newRetirer(pool *supervisor.Pool, deleted func(context.Context) ([]workspace.Ref, error), data string, log *zap.Logger) *retirer {
	return &retirer{pool: pool, deleted: deleted, data: data, log: log, pending: map[workspace.Generation]workspace.Ref{}}
}

// Retire ends one workspace. What fails is tried again later.
func (r *retirer) Retire(ctx context.Context, ref workspace.Ref) error {
	r.note(ref, true)
	r.pool.Cut(supervisor.Filter{Generation: ref.Generation})
	if err := r.pool.Evict(ctx, ref, true); err != nil {
		return fmt.Errorf("cannot stop the worker of the deleted workspace %q: %w", ref, err)
	}
	if r.pool.Pinned(ref) {
		if err := r.pool.Unpin(ref); err != nil {
			return fmt.Errorf("cannot unpin the deleted workspace %q: %w", ref, err)
		}
	}
	moved, err := process.PutAway(r.data, ref)
	if err != nil {
		return err
	}
	r.note(ref, false)
	r.log.Info("a deleted workspace was put away", zap.Stringer("workspace", ref), zap.String("generation", string(ref.Generation)), zap.Bool("data", moved))
	return nil
}

func (r *retirer) note(ref workspace.Ref, pending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pending {
		r.pending[ref.Generation] = ref
	} else {
		delete(r.pending, ref.Generation)
	}
}

// CutTenant ends what is open in a tenant.
func (r *retirer) CutTenant(tenant workspace.Name) { r.pool.Cut(supervisor.Filter{Tenant: tenant}) }

// CutKey ends what was opened with a key.
func (r *retirer) CutKey(id string) { r.pool.Cut(supervisor.Filter{Principal: "key:" + id}) }

// Run goes on with what an earlier router did not get done, and tries again what failed, until ctx ends.
func (r *retirer) Run(ctx context.Context) error {
	select {
	case <-r.pool.Opened():
	case <-ctx.Done():
		return nil
	}
	again := time.NewTicker(retireAgain)
	defer again.Stop()
	for {
		r.look(ctx)
		r.retry(ctx)
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look finds what is deleted and not put away: by a router before, which may have been one that was leaving.
func (r *retirer) look(ctx context.Context) {
	refs, err := r.deleted(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		r.log.Warn("the deleted workspaces cannot be listed", zap.Error(err))
	}
	for _, ref := range refs {
		if process.HasData(r.data, ref) {
			r.note(ref, true)
		}
	}
}

func (r *retirer) retry(ctx context.Context) {
	r.mu.Lock()
	list := make([]workspace.Ref, 0, len(r.pending))
	for _, ref := range r.pending {
		list = append(list, ref)
	}
	r.mu.Unlock()
	var all sync.WaitGroup
	for _, ref := range list { // none waits for another's worker
		all.Go(func() {
			one, cancel := context.WithTimeout(ctx, retireBound)
			defer cancel()
			if err := r.Retire(one, ref); err != nil && ctx.Err() == nil {
				r.log.Warn("a deleted workspace could not be put away yet", zap.Error(err))
			}
		})
	}
	all.Wait()
}
