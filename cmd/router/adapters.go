package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/catalog"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/proxy"
	"workspace-router/supervisor"
)

// The packages declare what they need of each other; these types let them have it.

// profiles are the kinds, as the proxy asks for them.
type profiles map[string]*kind.Kind

// Kind gives a profile by name.
func (p profiles) Kind(name string) (*kind.Kind, bool) {
	k, found := p[name]
	return k, found
}

// describe tells the pool what to start for a workspace.
func describe(c *catalog.Catalog, inForce func() *live) func(context.Context, workspace.Ref) (supervisor.Spec, error) {
	return func(ctx context.Context, ref workspace.Ref) (supervisor.Spec, error) {
		w, err := c.LookupGeneration(ctx, ref.Generation)
		if err != nil {
			return supervisor.Spec{}, err
		}
		if w.Suspended && w.State != workspace.StateDeleted {
			return supervisor.Spec{}, workspace.ErrTenantSuspended
		}
		switch w.State {
		case workspace.StateDeleted:
			return supervisor.Spec{}, workspace.ErrDeleted
		case workspace.StateProvisioning:
			return supervisor.Spec{}, workspace.ErrProvisioning
		case workspace.StateActive:
		}
		places, err := c.Places(ctx, ref.Generation)
		if err != nil {
			return supervisor.Spec{}, err
		}
		own, err := c.Environment(ctx, ref.Generation)
		if err != nil {
			return supervisor.Spec{}, err
		}
		now := inForce()
		k, found := now.config.Profiles[w.Kind]
		if !found {
			return supervisor.Spec{}, fmt.Errorf("%w: its kind %q is not configured", workspace.ErrUnavailable, w.Kind)
		}
		idle, of := now.idleTimeout(&w)
		return supervisor.Spec{
			Ref: w.Ref, WorkerName: w.WorkerName, Kind: k, Places: places, Environ: now.environ, Environment: own,
			IdleTimeout: idle, IdleTimeoutOf: of, Resume: now.resume(&w),
			MemoryCeiling: int64(now.config.Pool.Memory),
		}, nil
	}
}

// proxyDirectory is the catalog as the data plane sees it.
type proxyDirectory struct {
	*catalog.Catalog
	places placer
}

// FindTenant looks for the id first: what looks like one may also be a name.
func (d proxyDirectory) FindTenant(ctx context.Context, text string) (workspace.Tenant, error) {
	t, err := d.TenantByID(ctx, strings.ToLower(text))
	if !errors.Is(err, workspace.ErrTenantNotFound) {
		return t, err
	}
	name, err := workspace.ParseName(text)
	if err != nil {
		return workspace.Tenant{}, workspace.ErrTenantNotFound
	}
	return d.Tenant(ctx, name)
}

// Create makes a workspace of the kind.
func (d proxyDirectory) Create(ctx context.Context, tenant, name workspace.Name, kindName string) (workspace.Workspace, error) {
	w, _, err := d.places.create(ctx, d.Catalog, catalog.NewWorkspace{Tenant: tenant, Name: name, Kind: kindName})
	if errors.Is(err, workspace.ErrTenantNotFound) { // in a selector a tenant is a part of the workspace's name
		err = fmt.Errorf("%w: %w", workspace.ErrNotFound, err)
	}
	return w, err
}

// adminDirectory is the catalog as the operator's API sees it.
type adminDirectory struct {
	*catalog.Catalog
	places placer
}

// Create makes the wanted workspace.
func (d adminDirectory) Create(ctx context.Context, wanted workspace.Workspace) (workspace.Workspace, bool, error) {
	return d.places.create(ctx, d.Catalog, catalog.NewWorkspace{
		Tenant: wanted.Tenant, Name: wanted.Name, DisplayName: wanted.DisplayName, Kind: wanted.Kind,
		IdleTimeout: wanted.IdleTimeout, Resume: wanted.Resume,
	})
}

// Update changes what is not nil.
func (d adminDirectory) Update(ctx context.Context, ref workspace.Ref, displayName *string, idleTimeout *time.Duration, resume *string) (workspace.Workspace, error) {
	return d.Catalog.Update(ctx, ref.Generation, catalog.WorkspaceChange{DisplayName: displayName, IdleTimeout: idleTimeout, Resume: resume})
}

// leases is the pool as the data plane sees it.
func leases(d *door) proxy.PoolFunc {
	return func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (proxy.Lease, error) {
		lease, err := d.enter(ctx, ref, wish)
		if err != nil {
			return nil, err // not lease: a nil *Lease is no nil Lease
		}
		return lease, nil
	}
}

// boundHandlers make a data plane for each workspace that has a listener of its own.
func boundHandlers(list []configs.BoundListener, plane proxy.Config, deps proxy.Deps) ([]http.Handler, error) {
	handlers := make([]http.Handler, 0, len(list))
	for _, one := range list {
		plane.Bound = one.Workspace
		handler, err := proxy.New(plane, deps)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one, err)
		}
		handlers = append(handlers, handler)
	}
	return handlers, nil
}

// operations is the pool as the operator's API sees it.
type operations struct {
	pool *supervisor.Pool
	pins *pinner
	node string
}

// Workers lists the live workers.
func (o operations) Workers(ctx context.Context) ([]admin.Worker, error) {
	list := []admin.Worker{}
	for _, status := range o.pool.List(ctx) {
		list = append(list, shown(status))
	}
	return list, nil
}

// Worker shows one workspace's worker.
func (o operations) Worker(ctx context.Context, ref workspace.Ref) (admin.Worker, error) {
	if status, found := o.pool.Get(ctx, ref); found {
		return shown(status), nil
	}
	return admin.Worker{
		Ref: ref, Workspace: string(ref.Name), Tenant: string(ref.Tenant), State: string(supervisor.StateCold), Node: o.node,
	}, nil
}

// Explain says why the worker is where it is.
func (o operations) Explain(_ context.Context, ref workspace.Ref) (admin.Explanation, error) {
	e := o.pool.Explain(ref)
	return admin.Explanation{
		Workspace: e.Workspace, Tenant: e.Tenant, State: string(e.State), Sentences: e.Sentences, NextVictim: e.NextVictim,
	}, nil
}

// Start makes the worker ready.
func (o operations) Start(ctx context.Context, ref workspace.Ref, reset bool) error {
	if reset {
		o.pool.Reset(ref)
	}
	return o.pool.Start(ctx, ref)
}

// Evict stops the worker.
func (o operations) Evict(ctx context.Context, ref workspace.Ref, force bool) error {
	return o.pool.Evict(ctx, ref, force)
}

// Restart stops the worker and starts it again.
func (o operations) Restart(ctx context.Context, ref workspace.Ref, force bool) error {
	return o.pool.Restart(ctx, ref, force)
}

// Pin keeps the worker, or no longer.
func (o operations) Pin(ctx context.Context, ref workspace.Ref, pinned bool) error {
	return o.pins.set(ctx, ref, pinned)
}

// Since gives the events after the id.
func (o operations) Since(_ context.Context, id uint64) ([]admin.Event, error) {
	list := []admin.Event{}
	for _, event := range o.pool.Events(id) {
		list = append(list, told(event))
	}
	return list, nil
}

// Follow gives the events after the id as they come.
func (o operations) Follow(ctx context.Context, id uint64, emit func(admin.Event) error) error {
	subscription := o.pool.Subscribe(id)
	for {
		event, err := subscription.Next(ctx)
		if err != nil {
			return err
		}
		if err := emit(told(event)); err != nil {
			return err
		}
	}
}

func shown(s supervisor.Status) admin.Worker {
	w := admin.Worker{
		Ref: s.Ref, Workspace: s.Workspace, Tenant: s.Tenant, Kind: s.Kind, State: string(s.State), PID: s.PID,
		Launch: string(s.Launch), StartedAt: s.StartedAt, ReadyMS: s.ReadyMS, Leases: s.Leases, IdleSeconds: s.IdleSeconds,
		Busy: s.Busy, Pinned: s.Pinned, Oversized: s.Oversized, PSSBytes: s.PSSBytes, FDs: s.FDs, Requests: s.Requests, Node: s.Node, Isolation: s.Isolation,
		Leftovers: s.Leftovers, FailedLeftovers: s.FailedLeftovers, Resume: string(s.Resume),
		Failures: s.Failures, RetryAfterSeconds: s.RetryAfter.Round(time.Millisecond).Seconds(),
	}
	if s.Failure != nil {
		w.Failure = s.Failure.Error()
	}
	return w
}

func told(e supervisor.Event) admin.Event {
	return admin.Event{
		Ref: e.Ref, ID: e.ID, Time: e.Time, Type: string(e.Type), Workspace: e.Workspace, Tenant: e.Tenant, Kind: e.Kind,
		Launch: string(e.Launch), Reason: e.Reason, For: e.For, Next: e.Next, Detail: e.Detail, IdleMS: e.IdleMS,
		PhasesMS: e.PhasesMS, Count: e.Count,
	}
}
