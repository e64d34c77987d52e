package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// Authenticator turns a request's credential into a principal.
type Authenticator interface {
	// Authenticate fails with an error that wraps workspace.ErrUnauthenticated where there is no valid credential, and
	// workspace.ErrCatalogUnavailable where that cannot be known now. It may be called again later for the same request.
	Authenticate(r *http.Request) (*workspace.Principal, error)
	// AuthenticateToken is Authenticate for a credential outside of a request's headers, with the same errors.
	AuthenticateToken(ctx context.Context, token string) (*workspace.Principal, error)
}

// Sessions are the log-ins of browsers.
type Sessions interface {
	// OpenSession makes a session's token for the principal whom the key stands for, on one workspace.
	OpenSession(key string, p *workspace.Principal, ref workspace.Ref, lifetime time.Duration) (string, error)
	// ResumeSession gives the principal of a session, who sees no other workspace; the errors are those of Authenticate.
	ResumeSession(ctx context.Context, token string) (*workspace.Principal, error)
	// GuestToken makes a token without any right, and IsGuestToken knows one.
	GuestToken() (string, error)
	IsGuestToken(token string) bool
}

// Directory knows the workspaces.
type Directory interface {
	// Lookup resolves a name within a tenant without regard to case. A deleted workspace whose name was not used again is
	// given with its state. The error is, or wraps, workspace.ErrNotFound or workspace.ErrCatalogUnavailable.
	Lookup(ctx context.Context, tenant, name workspace.Name) (workspace.Workspace, error)
	// LookupGeneration gives the workspace of a generation, deleted ones included, with the same errors.
	LookupGeneration(ctx context.Context, generation workspace.Generation) (workspace.Workspace, error)
	// FindTenant finds a tenant by its id or its name. The error is, or wraps, workspace.ErrTenantNotFound or
	// workspace.ErrCatalogUnavailable.
	FindTenant(ctx context.Context, idOrName string) (workspace.Tenant, error)
	// List gives the workspaces that are not deleted, of one tenant or, with an empty name, of all.
	List(ctx context.Context, tenant workspace.Name) ([]workspace.Workspace, error)
	// Create makes a workspace; where the name has come into use meanwhile it gives the one that has it.
	Create(ctx context.Context, tenant, name workspace.Name, kind string) (workspace.Workspace, error)
}

// Kinds knows the profiles.
type Kinds interface {
	// Kind gives a profile by name; false where there is none.
	Kind(name string) (*kind.Kind, bool)
}

// Pool gives leases on workers.
type Pool interface {
	// Acquire waits for a lease within ctx and the wish. Its errors wrap those of workspace: ErrCold, ErrCapacity,
	// ErrUnavailable, ErrTimeout, ErrQuarantined, ErrClosing, and whatever the wish's Recheck said.
	Acquire(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (Lease, error)
}

// PoolFunc is a function as a Pool.
type PoolFunc func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (Lease, error)

// Acquire calls the function.
func (f PoolFunc) Acquire(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (Lease, error) {
	return f(ctx, ref, wish)
}

// Lease is the right to send one request to one launch. *supervisor.Lease is one.
type Lease interface {
	Launch() supervisor.LaunchID
	// Kind is the profile that the launch was started with.
	Kind() *kind.Kind
	Waited() time.Duration
	// Upstream carries requests to the launch. An error before anything was sent is one that wraps
	// workspace.ErrWorkerDied, a *net.OpError of "dial", or one with a method NothingSent() bool.
	Upstream() http.RoundTripper
	// OnEnded has f called when the launch ends or the lease is cut, at once if it has; f does not block.
	OnEnded(f func())
	// Release may be called more than once.
	Release()
}

// Observer is what every request is recorded with.
type Observer struct {
	Access  *telemetry.AccessLog
	Metrics *telemetry.Metrics
	Logger  *zap.Logger
}

// Deps are what the chain is made of.
type Deps struct {
	Authenticator Authenticator
	// Sessions may be nil: then browsers cannot log in, and nothing counts but headers.
	Sessions  Sessions
	Directory Directory
	Pool      Pool
	// Settings gives those that are in force. It is called once for each request and must cost next to nothing.
	Settings func() *Settings
	// Own serves the router's own routes: /livez, /readyz, /workspaces and /api/v1. It authenticates by itself, and tells
	// who asks to a ResponseWriter that has a method Identified(*workspace.Principal), as the one that it gets has.
	Own      http.Handler
	Observer Observer
	// Admission is shared by the chains that serve the same workspaces; nil makes one for this chain alone.
	Admission *Admission
}

func (d *Deps) check() error {
	if d.Authenticator == nil || d.Directory == nil || d.Settings == nil || d.Pool == nil || d.Own == nil {
		return errors.New("an authenticator, a directory, settings, a pool and a handler of the own routes are needed")
	}
	return errors.Join(d.Settings().Check(), d.Observer.check())
}

func (o *Observer) check() error {
	if o.Access == nil || o.Metrics == nil || o.Logger == nil {
		return errors.New("an access log, metrics and a logger are needed")
	}
	return nil
}
