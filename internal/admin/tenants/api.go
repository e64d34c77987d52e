// Package tenants is the tenant API, /api/v1/tenants…: tenants, their knowledge bases (which is what it calls workspaces)
// and their API keys. It decides who may do what by the principal's permissions, before anything is looked up that its
// answer could tell of, and declares what it needs of the catalog and the pool. It starts no worker and no goroutine.
package tenants

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Root is where the API begins.
const Root = "/api/v1/tenants"

// Authenticator gives the principal of a request. Errors are, or wrap, workspace.ErrUnauthenticated and
// workspace.ErrCatalogUnavailable.
type Authenticator interface {
	Authenticate(r *http.Request) (*workspace.Principal, error)
}

// Directory is the catalog. Its errors wrap the sentinels of workspace.
type Directory interface {
	Tenants(ctx context.Context) ([]workspace.Tenant, error)
	Tenant(ctx context.Context, name workspace.Name) (workspace.Tenant, error)
	TenantByID(ctx context.Context, id string) (workspace.Tenant, error)
	// CreateTenant gives the tenant that has the name, where it is in use, with created false.
	CreateTenant(ctx context.Context, name workspace.Name, displayName string) (t workspace.Tenant, created bool, err error)
	ChangeTenant(ctx context.Context, id string, change workspace.Change) (workspace.Tenant, error)
	// DeleteTenant gives the workspaces that ended with it.
	DeleteTenant(ctx context.Context, id string) ([]workspace.Ref, error)

	// List gives the workspaces of a tenant that are not deleted.
	List(ctx context.Context, tenant workspace.Name) ([]workspace.Workspace, error)
	// Lookup and LookupGeneration give deleted ones, too.
	Lookup(ctx context.Context, tenant, name workspace.Name) (workspace.Workspace, error)
	LookupGeneration(ctx context.Context, generation workspace.Generation) (workspace.Workspace, error)
	// Create gives the workspace that has the name, where it is in use, with created false.
	Create(ctx context.Context, wanted workspace.Workspace) (w workspace.Workspace, created bool, err error)
	ChangeWorkspace(ctx context.Context, generation workspace.Generation, change workspace.Change) (workspace.Workspace, error)
	MarkDeleted(ctx context.Context, generation workspace.Generation) error

	TenantKeys(ctx context.Context, tenant workspace.Name) ([]workspace.Key, error)
	KeyByID(ctx context.Context, id string) (workspace.Key, error)
	CreateKey(ctx context.Context, key workspace.Key, hash [sha256.Size]byte) error
	RotateKey(ctx context.Context, id string, successor workspace.Key, hash [sha256.Size]byte, until time.Time) error
	RevokeKey(ctx context.Context, id string) error

	// BeginAnswer takes note of a request that may be sent again, and EndAnswer of what it was answered with.
	BeginAnswer(ctx context.Context, id, bodyHash [sha256.Size]byte) (known workspace.Answer, begun bool, err error)
	EndAnswer(ctx context.Context, id [sha256.Size]byte, answer workspace.Answer) error
}

// Workers is what the pool is told once the catalog has a change.
type Workers interface {
	// Retire cuts what is open on a deleted workspace, stops its worker and puts its data away. What it cannot do before
	// ctx ends is done later.
	Retire(ctx context.Context, ref workspace.Ref) error
	// CutTenant ends what is open in a tenant, and CutKey what was opened with a key.
	CutTenant(tenant workspace.Name)
	CutKey(id string)
}

// Kinds are the kinds of workers that knowledge bases may have, at one moment.
type Kinds struct {
	Default string
	Names   []string
}

// Deps of an API; all are needed but Report.
type Deps struct {
	Directory Directory
	Workers   Workers
	Kinds     func() Kinds
	// NewKey makes a key: the secret, what the catalog keeps of it, and the secret's hash.
	NewKey func(name string, grant workspace.Grant) (secret string, key workspace.Key, hash [sha256.Size]byte)
	// Host is where browsers reach a workspace.
	Host   func(workspace.Ref) string
	Report func(*http.Request, error) // is given each error that is answered with status 500 and above
}

// API serves the tenant API. It is safe for concurrent use.
type API struct {
	deps   Deps
	routes []route
}

// retireTimeout bounds how long a deletion waits for the worker's end.
const retireTimeout = 120 * time.Second

// New checks what it is given.
func New(deps Deps) (*API, error) {
	if deps.Directory == nil || deps.Workers == nil || deps.Kinds == nil || deps.NewKey == nil || deps.Host == nil {
		return nil, errors.New("cannot make the tenant API: Directory, Workers, Kinds, NewKey and Host are needed")
	}
	a := &API{deps: deps}
	a.routes = a.table()
	return a, nil
}

type route struct {
	method, path string
	serve        func(*call) error
}

func (a *API) table() []route {
	const (
		tenant = Root + "/{tenant}"
		bases  = tenant + "/knowledge-bases"
		keys   = tenant + "/api-keys"
	)
	return []route{
		{"GET", Root, a.listTenants},
		{"POST", Root, a.once(a.createTenant)},
		{"GET", tenant, a.showTenant},
		{"PATCH", tenant, a.changeTenant},
		{"DELETE", tenant, a.deleteTenant},
		{"GET", bases, a.listBases},
		{"POST", bases, a.once(a.createBase)},
		{"GET", bases + "/{kb}", a.showBase},
		{"PATCH", bases + "/{kb}", a.changeBase},
		{"DELETE", bases + "/{kb}", a.deleteBase},
		{"GET", keys, a.listKeys},
		{"POST", keys, a.once(a.createKey)},
		{"GET", keys + "/{key}", a.showKey},
		{"POST", keys + "/{key}/rotate", a.once(a.rotateKey)},
		{"DELETE", keys + "/{key}", a.revokeKey},
	}
}

// identified is what a ResponseWriter may be beside one: it is told who asks, for the access log.
type identified interface {
	Identified(*workspace.Principal)
}

// Handler serves the API to those whom the authenticator knows.
func (a *API) Handler(authenticator Authenticator) http.Handler {
	mux, methods := http.NewServeMux(), map[string]string{}
	for _, route := range a.routes {
		mux.HandleFunc(route.method+" "+route.path, func(w http.ResponseWriter, r *http.Request) {
			a.serve(w, r, authenticator, route.serve)
		})
		if methods[route.path] != "" {
			methods[route.path] += ", "
		}
		methods[route.path] += route.method
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allowed)
			a.serve(w, r, authenticator, func(*call) error { return problem.ErrMethodNotAllowed })
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.serve(w, r, authenticator, func(*call) error { return problem.ErrNoSuchRoute })
	})
	return mux
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, authenticator Authenticator, serve func(*call) error) {
	c := &call{w: w, r: r}
	principal, err := authenticator.Authenticate(r)
	if err == nil {
		c.principal = principal
		if record, ok := w.(identified); ok {
			record.Identified(principal)
		}
		err = serve(c)
	}
	if err == nil || problem.Silent(err) {
		return
	}
	p := problem.Of(err)
	if p.Status >= http.StatusInternalServerError && a.deps.Report != nil {
		a.deps.Report(r, err)
	}
	c.fail(p)
}
