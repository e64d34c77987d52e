// Package admin is the operator's HTTP API, the listing of workspaces, health and the mount of metrics. It declares what
// it needs of the pool and the catalog, decides who may do what by the principal's permissions, and never starts a
// worker but where it is told to in so many words. A request that follows events starts one goroutine, which ends with
// the request.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"workspace-router/internal/workspace"
)

// Surface is where the API is offered.
type Surface int

// The surfaces.
const (
	Public   Surface = iota + 1 // the bare listener, whose other paths belong to workers
	Operator                    // the operator's listener: metrics as well
	Local                       // the socket in the data directory: as Operator
)

// Config of an Admin.
type Config struct {
	// OperationTimeout bounds start, evict and restart; 0 is 150 s, which is beyond the ready timeout of every shipped kind.
	OperationTimeout time.Duration
	// Heartbeat is how often a stream without events says that it lives; 0 is 15 s.
	Heartbeat time.Duration
}

// Authenticator gives the principal of a request. Errors are, or wrap, workspace.ErrUnauthenticated and
// workspace.ErrCatalogUnavailable.
type Authenticator interface {
	Authenticate(r *http.Request) (*workspace.Principal, error)
}

// Directory is the catalog.
type Directory interface {
	// Lookup gives a workspace, deleted ones included, or workspace.ErrNotFound.
	Lookup(ctx context.Context, tenant, name workspace.Name) (workspace.Workspace, error)
	// List gives the workspaces that are not deleted, of one tenant or, with an empty name, of all.
	List(ctx context.Context, tenant workspace.Name) ([]workspace.Workspace, error)
	// Create makes a workspace of the given tenant, name, display name, kind, idle time-out and policy for what was
	// left unfinished; created is false where it was there.
	Create(ctx context.Context, wanted workspace.Workspace) (made workspace.Workspace, created bool, err error)
	// Update changes what is not nil of a workspace, in the words of workspace.Workspace, and gives it as it is then.
	Update(ctx context.Context, ref workspace.Ref, displayName *string, idleTimeout *time.Duration, resume *string) (workspace.Workspace, error)
}

// Workers is what the pool says.
type Workers interface {
	// Workers gives the live workers.
	Workers(ctx context.Context) ([]Worker, error)
	// Worker gives the workspace's worker; one that is not running has the state "cold" or "failed".
	Worker(ctx context.Context, ref workspace.Ref) (Worker, error)
	// Pool says how full the pool is.
	Pool(ctx context.Context) (Pool, error)
	// Explain says why the workspace's worker is where it is.
	Explain(ctx context.Context, ref workspace.Ref) (Explanation, error)
}

// Operations is what the pool can be told. Each returns when it is done, when it is refused (an error that wraps
// workspace.ErrRefused, ErrCapacity or another sentinel), or when ctx ends.
type Operations interface {
	// Start starts the worker and waits until it is ready; reset forgets earlier failures first.
	Start(ctx context.Context, ref workspace.Ref, reset bool) error
	// Evict stops the worker and returns when it is proven gone. Without force it refuses one that is leased or busy.
	Evict(ctx context.Context, ref workspace.Ref, force bool) error
	// Restart is Evict and then Start.
	Restart(ctx context.Context, ref workspace.Ref, force bool) error
	// Pin keeps a worker from being evicted, or lets it be again.
	Pin(ctx context.Context, ref workspace.Ref, pinned bool) error
}

// Events is the pool's record of what it did.
type Events interface {
	// Since gives the events that are kept with an id above the given one, the oldest first.
	Since(ctx context.Context, id uint64) ([]Event, error)
	// Follow calls emit for each event with an id above the given one, those that are kept first, until ctx ends or
	// emit fails, and gives that error.
	Follow(ctx context.Context, id uint64, emit func(Event) error) error
}

// Kinds are the kinds of workers that workspaces may have, at one moment.
type Kinds struct {
	Default   string // of a workspace that is made without naming one
	Names     []string
	Resumable []string // those whose workers can be told to go on with work that was left unfinished
}

// Deps of an Admin. The first six are needed; without one of the others there is nothing of its kind.
type Deps struct {
	Directory    Directory
	Environments Environments
	Workers      Workers
	Operations   Operations
	Events       Events
	Kinds        func() Kinds  // as they are now; it does not block
	BaseDomain   func() string // below which workspaces have hosts, as it is now; blank is localhost
	Metrics      http.Handler
	Ready        func(context.Context) error    // nil once requests can be taken
	LogFile      func(ref workspace.Ref) string // where the workers of a workspace are logged
	Closing      <-chan struct{}                // ends streams, so that an orderly end does not wait for their readers
	// Reload reads the configuration anew and says what came of it. An error that wraps problem.ErrConfigInvalid says what
	// is wrong with it, and that nothing was changed.
	Reload func(context.Context) (Reload, error)
	Report func(*http.Request, error) // is given each error that is answered with status 500 and above
}

// identified is what a ResponseWriter may be beside one: it is told who asks, for the access log.
type identified interface {
	Identified(*workspace.Principal)
}

// Admin serves the API. It is safe for concurrent use.
type Admin struct {
	config Config
	deps   Deps
	routes []route
}

// New checks what it is given and starts nothing.
func New(config Config, deps Deps) (*Admin, error) {
	if deps.Directory == nil || deps.Environments == nil || deps.Workers == nil || deps.Operations == nil || deps.Events == nil || deps.Kinds == nil {
		return nil, errors.New("cannot make the operator API: Directory, Environments, Workers, Operations, Events and Kinds are needed")
	}
	if config.OperationTimeout == 0 {
		config.OperationTimeout = 150 * time.Second
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = 15 * time.Second
	}
	a := &Admin{config: config, deps: deps}
	a.routes = a.table()
	for _, route := range a.routes {
		if route.access == 0 || len(route.surfaces) == 0 {
			return nil, fmt.Errorf("cannot make the operator API: %s %s does not say who may use it", route.method, route.path)
		}
	}
	return a, nil
}
