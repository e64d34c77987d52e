package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

// people are who the tests' authenticator knows, by the value of X-API-Key.
var people = map[string]*workspace.Principal{
	"admin":    {Type: workspace.PrincipalKey, ID: "key:admin", Grants: []workspace.Grant{{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterAdmin)}}},
	"operator": {Type: workspace.PrincipalKey, ID: "key:operator", Grants: []workspace.Grant{{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterOperate)}}},
	// owner operates the tenant default and may make workspaces there.
	"owner": {Type: workspace.PrincipalKey, ID: "key:owner", Grants: []workspace.Grant{{Tenant: "default",
		Permissions: workspace.Permissions(workspace.WorkspaceOperate, workspace.WorkspaceCreate, workspace.WorkspaceRead)}}},
	// alpha operates one workspace.
	"alpha": {Type: workspace.PrincipalKey, ID: "key:alpha", Grants: []workspace.Grant{{Tenant: "default", Workspaces: []workspace.Generation{"g-alpha"},
		Permissions: workspace.Permissions(workspace.WorkspaceOperate)}}},
	// reader sees the tenant default and operates nothing.
	"reader": {Type: workspace.PrincipalKey, ID: "key:reader", Grants: []workspace.Grant{{Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun)}}},
	// both belongs to two tenants.
	"both": {Type: workspace.PrincipalKey, ID: "key:both", Grants: []workspace.Grant{
		{Tenant: "default", Permissions: workspace.Permissions(workspace.WorkspaceOperate)},
		{Tenant: "acme", Permissions: workspace.Permissions(workspace.WorkspaceOperate)}}},
}

type authenticator struct{ err error }

func (a authenticator) Authenticate(r *http.Request) (*workspace.Principal, error) {
	if a.err != nil {
		return nil, a.err
	}
	if p := people[r.Header.Get("X-API-Key")]; p != nil {
		return p, nil
	}
	return nil, workspace.ErrUnauthenticated
}

// world is every dependency of an Admin, in memory. It fails loudly where it is asked for what a test did not set.
type world struct {
	reload     Reload
	reloadErr  error
	mu         sync.Mutex // guards what follows
	workspaces []workspace.Workspace
	workers    []Worker
	kept       []Event
	calls      []string
	variables  []workspace.Variable
	changes    []EnvironmentChange
	err        error // of operations and look-ups
	follow     func(ctx context.Context, since uint64, emit func(Event) error) error
	reported   []error
}

func newWorld() *world {
	w := &world{}
	for _, ref := range []workspace.Ref{
		{Tenant: "acme", Name: "alpha", Generation: "g-acme"}, {Tenant: "default", Name: "alpha", Generation: "g-alpha"},
		{Tenant: "default", Name: "beta", Generation: "g-beta"},
	} {
		w.workspaces = append(w.workspaces, workspace.Workspace{Ref: ref, DisplayName: string(ref.Name), Kind: "embedded", State: workspace.StateActive})
		w.workers = append(w.workers, Worker{Ref: ref, Workspace: string(ref.Name), Tenant: string(ref.Tenant), State: "ready", PID: 7})
		w.kept = append(w.kept, Event{Ref: ref, ID: uint64(len(w.kept) + 1), Type: "ready", Workspace: string(ref.Name), Tenant: string(ref.Tenant)})
	}
	gone := workspace.Ref{Tenant: "default", Name: "gone", Generation: "g-gone"}
	w.workspaces = append(w.workspaces, workspace.Workspace{Ref: gone, State: workspace.StateDeleted})
	w.kept = append(w.kept, Event{ID: 4, Type: "missed"})
	return w
}

func (w *world) Lookup(_ context.Context, tenant, name workspace.Name) (workspace.Workspace, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, workspace.ErrCatalogUnavailable) {
		return workspace.Workspace{}, w.err
	}
	for _, one := range w.workspaces {
		if one.Tenant.Fold() == tenant.Fold() && one.Name.Fold() == name.Fold() {
			return one, nil
		}
	}
	return workspace.Workspace{}, workspace.ErrNotFound
}

func (w *world) List(_ context.Context, tenant workspace.Name) (list []workspace.Workspace, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.workspaces {
		if one.State != workspace.StateDeleted && (tenant == "" || one.Tenant == tenant) {
			list = append(list, one)
		}
	}
	return list, w.err
}

func (w *world) Create(ctx context.Context, wanted workspace.Workspace) (workspace.Workspace, bool, error) {
	if there, err := w.Lookup(ctx, wanted.Tenant, wanted.Name); err == nil && there.State != workspace.StateDeleted {
		return there, false, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted.Generation, wanted.State = "g-new", workspace.StateActive
	w.workspaces = append(w.workspaces, wanted)
	return wanted, true, w.err
}

func (w *world) Update(ctx context.Context, ref workspace.Ref, displayName *string, idleTimeout *time.Duration, resume *string) (workspace.Workspace, error) {
	found, err := w.Lookup(ctx, ref.Tenant, ref.Name)
	if displayName != nil {
		found.DisplayName = *displayName
	}
	if idleTimeout != nil {
		found.IdleTimeout = *idleTimeout
	}
	if resume != nil {
		found.Resume = *resume
	}
	return found, err
}

func (w *world) Environment(context.Context, workspace.Ref) ([]workspace.Variable, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.variables, w.err
}

func (w *world) ChangeEnvironment(_ context.Context, _ workspace.Ref, change EnvironmentChange) ([]workspace.Variable, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, w.err
	}
	w.changes = append(w.changes, change)
	return change.Set, nil
}

func (w *world) Pool(context.Context) (Pool, error) {
	return Pool{MaxWorkers: 3, NextVictim: "alpha"}, nil
}

func (w *world) Workers(context.Context) ([]Worker, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.workers, nil
}

func (w *world) Worker(_ context.Context, ref workspace.Ref) (Worker, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.workers {
		if one.Ref == ref {
			return one, nil
		}
	}
	return Worker{Ref: ref, Workspace: string(ref.Name), State: "cold"}, nil
}

func (w *world) Explain(_ context.Context, ref workspace.Ref) (Explanation, error) {
	return Explanation{Workspace: string(ref.Name), Tenant: string(ref.Tenant), State: "ready", Sentences: []string{"It is at rest."}}, nil
}

func (w *world) note(call string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
	return w.err
}

func word(name string, b bool) string {
	if b {
		return " " + name
	}
	return ""
}

func (w *world) Start(_ context.Context, ref workspace.Ref, reset bool) error {
	return w.note("start " + string(ref.Generation) + word("reset", reset))
}

func (w *world) Evict(_ context.Context, ref workspace.Ref, force bool) error {
	return w.note("evict " + string(ref.Generation) + word("force", force))
}

func (w *world) Restart(_ context.Context, ref workspace.Ref, force bool) error {
	return w.note("restart " + string(ref.Generation) + word("force", force))
}

func (w *world) Pin(_ context.Context, ref workspace.Ref, pinned bool) error {
	return w.note(map[bool]string{true: "pin ", false: "unpin "}[pinned] + string(ref.Generation))
}

func (w *world) Since(_ context.Context, id uint64) (list []Event, _ error) {
	for _, event := range w.kept {
		if event.ID > id {
			list = append(list, event)
		}
	}
	return list, nil
}

func (w *world) Follow(ctx context.Context, id uint64, emit func(Event) error) error {
	return w.follow(ctx, id, emit)
}

func (w *world) deps() Deps {
	return Deps{
		Directory: w, Environments: w, Workers: w, Operations: w, Events: w,
		Reload: func(context.Context) (Reload, error) { return w.reload, w.reloadErr },
		Kinds: func() Kinds {
			return Kinds{Default: "embedded", Names: []string{"other", "embedded"}, Resumable: []string{"embedded"}}
		},
		Metrics: http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { io.WriteString(out, "metrics\n") }),
		Report: func(_ *http.Request, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reported = append(w.reported, err)
		},
	}
}

func newAdmin(t *testing.T, deps Deps) *Admin {
	t.Helper()
	a, err := New(Config{}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends one request as one of people (or nobody) and gives the answer.
func ask(t *testing.T, handler http.Handler, who, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if who != "" {
		r.Header.Set("X-API-Key", who)
	}
	out := httptest.NewRecorder()
	handler.ServeHTTP(out, r)
	return out
}

// recording is a ResponseWriter that wants to know who asks.
type recording struct {
	*httptest.ResponseRecorder
	who string
}

func (r *recording) Identified(p *workspace.Principal) { r.who = p.ID }

// code is the code of an error that was answered, or empty.
func code(t *testing.T, out *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct{ Code string }
	if out.Code >= 400 {
		if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil {
			t.Errorf("status %d comes with %q, want problem details", out.Code, out.Body)
		}
	}
	return answer.Code
}

// decode reads an answer's body.
func decode(t *testing.T, out *httptest.ResponseRecorder, into any) {
	t.Helper()
	if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
		t.Fatalf("cannot read %q: %v", out.Body, err)
	}
}
