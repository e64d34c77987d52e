package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// noDriver is of a pool that is asked for no worker.
type noDriver struct{}

func (noDriver) Recover(context.Context) ([]supervisor.Worker, error) { return nil, nil }

func (noDriver) Start(context.Context, supervisor.Spec, func(supervisor.Progress)) (supervisor.Worker, error) {
	return nil, errors.New("nothing is started here")
}

// pinning is a pinner on a catalog with one workspace.
func pinning(t *testing.T) (*pinner, workspace.Ref) {
	t.Helper()
	c, err := catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w, _, err := c.Create(t.Context(), catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: "alpha", Kind: "embedded"})
	if err != nil {
		t.Fatal(err)
	}
	limits := supervisor.Defaults()
	limits.MaxWorkers = 2
	pool, err := supervisor.New(limits, supervisor.Deps{
		Driver: noDriver{}, Ownership: supervisor.Local{},
		Describe: func(context.Context, workspace.Ref) (supervisor.Spec, error) {
			return supervisor.Spec{}, errors.New("not known")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return newPinner(pool, c), w.Ref
}

func wantPinned(t *testing.T, p *pinner, ref workspace.Ref, want bool) {
	t.Helper()
	list, err := p.catalog.Pins(t.Context())
	if kept := len(list) == 1 && list[0] == ref; err != nil || kept != want || p.pool.Pinned(ref) != want {
		t.Errorf("the catalog has %v (%v), the pool has it pinned: %v; want %v", list, err, p.pool.Pinned(ref), want)
	}
}

func TestPins_AreKeptAsThePoolHasThem(t *testing.T) {
	t.Parallel()
	p, ref := pinning(t)
	for _, pinned := range []bool{true, true, false, false, true} {
		if err := p.set(t.Context(), ref, pinned); err != nil {
			t.Error(err)
		}
		wantPinned(t, p, ref, pinned)
	}
	other := workspace.Ref{Tenant: "default", Name: "other", Generation: "g"}
	if err := p.set(t.Context(), other, true); !errors.Is(err, workspace.ErrRefused) {
		t.Errorf("a pin of the last place: %v", err)
	}
	wantPinned(t, p, ref, true)
}

func TestPins_OneThatCannotBeKeptDoesNotCount(t *testing.T) {
	t.Parallel()
	p, ref := pinning(t)
	unknown := workspace.Ref{Tenant: "default", Name: "other", Generation: "g"}
	if err := p.set(t.Context(), unknown, true); !errors.Is(err, workspace.ErrNotFound) || p.pool.Pinned(unknown) {
		t.Errorf("of an unknown workspace: %v", err)
	}
	if err := p.set(t.Context(), ref, true); err != nil {
		t.Fatal(err)
	}
	p.catalog.Close()
	for _, pinned := range []bool{true, false} {
		if err := p.set(t.Context(), ref, pinned); !errors.Is(err, workspace.ErrCatalogUnavailable) || !p.pool.Pinned(ref) {
			t.Errorf("without a catalog, pinned %v: %v, and it is pinned: %v", pinned, err, p.pool.Pinned(ref))
		}
	}
}

func TestPins_WaitForTheirTurnNoLongerThanTheirRequest(t *testing.T) {
	t.Parallel()
	p, ref := pinning(t)
	p.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.set(ctx, ref, true); !errors.Is(err, context.Canceled) || p.pool.Pinned(ref) {
		t.Errorf("got %v", err)
	}
}
