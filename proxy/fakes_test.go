package proxy

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// fakeAuth knows the rig's keys.
type fakeAuth struct {
	revoked atomic.Bool // every key is refused
	calls   atomic.Int64
}

func (a *fakeAuth) Authenticate(r *http.Request) (*workspace.Principal, error) {
	a.calls.Add(1)
	if a.revoked.Load() {
		return nil, workspace.ErrUnauthenticated
	}
	return principalOf(r.Header.Get("X-Api-Key"))
}

func (a *fakeAuth) AuthenticateToken(_ context.Context, token string) (*workspace.Principal, error) {
	a.calls.Add(1)
	if a.revoked.Load() {
		return nil, workspace.ErrUnauthenticated
	}
	return principalOf(token)
}

// fakeSessions has tokens that say what they are: "session KEY GENERATION TENANT", in the characters of a cookie.
type fakeSessions struct{ auth *fakeAuth }

const fakeGuest = "a-guest"

func (s fakeSessions) OpenSession(key string, _ *workspace.Principal, ref workspace.Ref, _ time.Duration) (string, error) {
	return strings.Join([]string{"session", key, string(ref.Generation), string(ref.Tenant)}, "+"), nil
}

func (s fakeSessions) ResumeSession(ctx context.Context, token string) (*workspace.Principal, error) {
	parts := strings.Split(token, "+")
	if len(parts) != 4 || parts[0] != "session" {
		return nil, workspace.ErrUnauthenticated
	}
	full, err := s.auth.AuthenticateToken(ctx, parts[1])
	if err != nil {
		return nil, err
	}
	data := workspace.Permissions(workspace.QueryRun, workspace.DocumentWrite, workspace.WorkspaceRead)
	return &workspace.Principal{Type: workspace.PrincipalToken, ID: full.ID, Grants: []workspace.Grant{{
		Tenant: workspace.Name(parts[3]), Workspaces: []workspace.Generation{workspace.Generation(parts[2])}, Permissions: data,
	}}}, nil
}

func (s fakeSessions) GuestToken() (string, error) { return fakeGuest, nil }

func (s fakeSessions) IsGuestToken(token string) bool { return token == fakeGuest }

func principalOf(key string) (*workspace.Principal, error) {
	data := workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite, workspace.WorkspaceCreate)
	tenant := func(name workspace.Name) workspace.Grant { return workspace.Grant{Tenant: name, Permissions: data} }
	p := &workspace.Principal{Type: workspace.PrincipalKey, ID: "key:" + strings.TrimPrefix(key, "sk-")}
	switch key {
	case adminKey:
		p.Grants = []workspace.Grant{{AllTenants: true, Permissions: workspace.AllPermissions()}}
	case readerKey:
		p.Grants = []workspace.Grant{{Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun)}}
	case guestKey:
		p.Grants = []workspace.Grant{{Tenant: "default", Workspaces: []workspace.Generation{"gen-beta"}, Permissions: data}}
	case acmeKey:
		p.Grants = []workspace.Grant{tenant("acme")}
	case bothKey:
		p.Grants = []workspace.Grant{tenant("default"), tenant("acme")}
	default:
		return nil, workspace.ErrUnauthenticated
	}
	return p, nil
}

// unnamedGeneration is that of the workspace no_label, whose name is no label of a host.
const (
	unnamedGeneration workspace.Generation = "0190b5a4-7d1e-7c3a-9b1f-0123456789ab"
	unnamedHost       string               = "ws-0190b5a47d1e7c3a9b1f0123456789ab.localhost"
)

// fakeDirectory has alpha, beta and default in the tenant default, alpha in acme, and one in every other state.
type fakeDirectory struct {
	mu      sync.Mutex
	rows    []workspace.Workspace
	lookups []string
	created []string
	err     error
}

func newFakeDirectory() *fakeDirectory {
	row := func(tenant, name workspace.Name, state workspace.State) workspace.Workspace {
		generation := "gen-" + string(name)
		if tenant != "default" {
			generation = "gen-" + string(tenant) + "-" + string(name)
		}
		return workspace.Workspace{
			Ref:  workspace.Ref{Tenant: tenant, Name: name, Generation: workspace.Generation(generation)},
			Kind: "test", WorkerName: "w" + generation, State: state,
		}
	}
	unnamed := row("default", "no_label", workspace.StateActive)
	unnamed.Generation = unnamedGeneration
	return &fakeDirectory{rows: []workspace.Workspace{
		row("default", "default", workspace.StateActive),
		row("default", "alpha", workspace.StateActive),
		row("default", "beta", workspace.StateActive),
		row("default", "fresh", workspace.StateProvisioning),
		row("default", "gone", workspace.StateDeleted),
		row("acme", "alpha", workspace.StateActive),
		row("acme", "solo", workspace.StateActive),
		unnamed,
	}}
}

func (d *fakeDirectory) Lookup(_ context.Context, tenant, name workspace.Name) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookups = append(d.lookups, string(tenant+"."+name))
	return d.findLocked(func(w workspace.Workspace) bool {
		return w.Tenant.Fold() == tenant.Fold() && w.Name.Fold() == name.Fold()
	})
}

func (d *fakeDirectory) FindTenant(_ context.Context, text string) (workspace.Tenant, error) {
	name := workspace.Name(strings.TrimPrefix(text, "id-"))
	for _, one := range []workspace.Name{"default", "acme"} {
		if name.Fold() == one.Fold() {
			return workspace.Tenant{ID: "id-" + string(one), Name: one}, nil
		}
	}
	return workspace.Tenant{}, workspace.ErrTenantNotFound
}

func (d *fakeDirectory) LookupGeneration(_ context.Context, generation workspace.Generation) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.findLocked(func(w workspace.Workspace) bool { return w.Generation == generation })
}

func (d *fakeDirectory) List(_ context.Context, tenant workspace.Name) (list []workspace.Workspace, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.rows {
		if w.State != workspace.StateDeleted && (tenant == "" || w.Tenant == tenant) {
			list = append(list, w)
		}
	}
	return list, d.err
}

func (d *fakeDirectory) findLocked(match func(workspace.Workspace) bool) (workspace.Workspace, error) {
	if d.err != nil {
		return workspace.Workspace{}, d.err
	}
	for _, w := range d.rows {
		if match(w) {
			return w, nil
		}
	}
	return workspace.Workspace{}, workspace.ErrNotFound
}

func (d *fakeDirectory) Create(_ context.Context, tenant, name workspace.Name, kind string) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := workspace.Workspace{
		Ref:  workspace.Ref{Tenant: tenant, Name: name, Generation: workspace.Generation("new-" + string(name))},
		Kind: kind, State: workspace.StateActive,
	}
	d.rows = append(d.rows, w)
	d.created = append(d.created, w.String())
	return w, nil
}

func (d *fakeDirectory) setState(name workspace.Name, state workspace.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.rows {
		if d.rows[i].Name == name {
			d.rows[i].State = state
		}
	}
}

func (d *fakeDirectory) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *fakeDirectory) names(of func(*fakeDirectory) []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), of(d)...)
}

// oneKind is the same profile whatever the name.
type oneKind struct{ kind *kind.Kind }

func (k oneKind) Kind(string) (*kind.Kind, bool) { return k.kind, k.kind != nil }
