package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"workspace-router/auth"
	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
)

// rig is an API over a real catalog with the tenants acme and other, each with a knowledge base "docs"; acme has "notes", too.
type rig struct {
	t       *testing.T
	catalog *catalog.Catalog
	acme    workspace.Tenant
	other   workspace.Tenant
	docs    workspace.Workspace
	handler http.Handler
	people  map[string]*workspace.Principal

	mu    sync.Mutex // guards what follows
	told  []string   // what the pool was told
	fails error
}

type directory struct{ *catalog.Catalog }

func (d directory) Create(ctx context.Context, wanted workspace.Workspace) (workspace.Workspace, bool, error) {
	return d.Catalog.Create(ctx, catalog.NewWorkspace{Tenant: wanted.Tenant, Name: wanted.Name, DisplayName: wanted.DisplayName, Kind: wanted.Kind})
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c, err := catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := &rig{t: t, catalog: c}
	for name, into := range map[workspace.Name]*workspace.Tenant{"acme": &r.acme, "other": &r.other} {
		if *into, _, err = c.CreateTenant(t.Context(), name, "Tenant "+string(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, wanted := range []workspace.Ref{{Tenant: "other", Name: "docs"}, {Tenant: "acme", Name: "notes"}, {Tenant: "acme", Name: "docs"}} {
		if r.docs, _, err = c.Create(t.Context(), catalog.NewWorkspace{Tenant: wanted.Tenant, Name: wanted.Name, Kind: "embedded"}); err != nil {
			t.Fatal(err)
		}
	}
	everything := workspace.AllPermissions() &^ workspace.ClusterPermissions()
	person := func(name string, grant workspace.Grant) *workspace.Principal {
		return &workspace.Principal{Type: workspace.PrincipalKey, ID: "key:" + name, Grants: []workspace.Grant{grant}}
	}
	r.people = map[string]*workspace.Principal{
		"admin":    person("admin", workspace.Grant{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterAdmin)}),
		"operator": person("operator", workspace.Grant{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterOperate, workspace.AuditRead)}),
		"guardian": person("guardian", workspace.Grant{Tenant: "acme", Permissions: everything}),
		"editor": person("editor", workspace.Grant{Tenant: "acme",
			Permissions: workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite, workspace.KeyManage)}),
		"docs": person("docs", workspace.Grant{Tenant: "acme", Workspaces: []workspace.Generation{r.docs.Generation},
			Permissions: workspace.Permissions(workspace.QueryRun, workspace.WorkspaceDelete)}),
		"stranger": person("stranger", workspace.Grant{Tenant: "other", Permissions: everything}),
	}
	api, err := New(Deps{
		Directory: directory{c}, Workers: r, NewKey: auth.NewKey,
		Kinds:  func() Kinds { return Kinds{Default: "embedded", Names: []string{"embedded", "lightrag"}} },
		Host:   func(ref workspace.Ref) string { return ref.HostLabel() + ".localhost" },
		Report: func(_ *http.Request, err error) { t.Logf("reported: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.handler = api.Handler(r)
	return r
}

func (r *rig) Authenticate(request *http.Request) (*workspace.Principal, error) {
	if p := r.people[request.Header.Get("X-API-Key")]; p != nil {
		return p, nil
	}
	return nil, workspace.ErrUnauthenticated
}

func (r *rig) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, text)
}

func (r *rig) Retire(_ context.Context, ref workspace.Ref) error {
	r.note("retire " + ref.String())
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fails
}

func (r *rig) CutTenant(tenant workspace.Name) { r.note("cut " + string(tenant)) }
func (r *rig) CutKey(id string)                { r.note("cut key " + id) }

func (r *rig) tellings() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.told, ", ")
}

// ask sends a request; headers are "Name: value".
func (r *rig) ask(who, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	request := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("X-API-Key", who)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	r.handler.ServeHTTP(out, request)
	if err := checkEnvelope(out); err != nil {
		r.t.Errorf("%s %s as %q: %v: %s", method, path, who, err, out.Body)
	}
	return out
}

// checkEnvelope holds every answer to the API's form.
func checkEnvelope(out *httptest.ResponseRecorder) error {
	var answer struct {
		Status string
		Data   json.RawMessage
		Error  *struct{ Code, Message string }
	}
	if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil {
		return err
	}
	good := out.Code < 300
	switch {
	case good && (answer.Status != "success" || answer.Data == nil || answer.Error != nil):
		return errors.New("no data in an envelope")
	case !good && (answer.Status != "error" || answer.Error == nil || answer.Error.Code == "" || answer.Error.Message == ""):
		return errors.New("no error in an envelope")
	case !good && out.Header().Get("X-Router-Error") != answer.Error.Code:
		return fmt.Errorf("the header says %q", out.Header().Get("X-Router-Error"))
	}
	return nil
}

// must is ask that fails the test unless the status is the wanted one, and gives the data.
func must[T any](r *rig, who string, status int, method, path, body string, headers ...string) (data T) {
	r.t.Helper()
	out := r.ask(who, method, path, body, headers...)
	if out.Code != status {
		r.t.Fatalf("%s %s as %q: got %d, want %d: %s", method, path, who, out.Code, status, out.Body)
	}
	answer := struct{ Data *T }{&data}
	if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil {
		r.t.Fatal(err)
	}
	return data
}
