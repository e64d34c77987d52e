package main

import (
	"context"
	"fmt"
	"time"

	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// pinUndoTimeout bounds the taking back of a pin that could not be kept, which its request does not end.
const pinUndoTimeout = 5 * time.Second

// pinner keeps an operator's pins in the catalog, from where the next router has them, in step with the pool's.
type pinner struct {
	pool    *supervisor.Pool
	catalog *catalog.Catalog
	turn    chan struct{} // takes one: pins are set one after the other, so that the two cannot end up different
}

func newPinner(pool *supervisor.Pool, c *catalog.Catalog) *pinner {
	return &pinner{pool: pool, catalog: c, turn: make(chan struct{}, 1)}
}

// set pins the workspace, or lifts its pin. Where it fails, it can be asked for again; a pin that fails does not count.
func (p *pinner) set(ctx context.Context, ref workspace.Ref, pinned bool) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if !pinned {
		if err := p.catalog.SetPinned(ctx, ref.Generation, false); err != nil {
			return err
		}
		return p.pool.Unpin(ref)
	}
	before := p.pool.Pinned(ref)
	if err := p.pool.Pin(ref); err != nil {
		return err
	}
	err := p.catalog.SetPinned(ctx, ref.Generation, true)
	if err == nil || before {
		return err
	}
	return p.undo(ctx, ref, err)
}

// undo takes back a pin of which it is not known whether the catalog has it: a commit that fails may have taken effect.
func (p *pinner) undo(ctx context.Context, ref workspace.Ref, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pinUndoTimeout)
	defer cancel()
	_ = p.catalog.SetPinned(ctx, ref.Generation, false) // it fails for the same reason, and the first is told
	if err := p.pool.Unpin(ref); err != nil {
		return fmt.Errorf("%w; %w", cause, err)
	}
	return cause
}
