package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// Who may do what: the status for each of people, "" being nobody.
func TestRoutes_AreOpenToWhomTheyAreMeantFor(t *testing.T) {
	t.Parallel()
	type statuses map[string]int
	everybody := statuses{"": 401, "admin": 200, "operator": 200, "owner": 200, "alpha": 200, "reader": 200, "nonsense": 401}
	operating := statuses{"": 401, "admin": 200, "operator": 200, "owner": 200, "alpha": 200, "reader": 403}
	cases := map[string]statuses{
		"GET /livez":                        {"": 200, "nonsense": 200},
		"GET /readyz":                       {"": 200},
		"GET /metrics":                      {"": 401, "admin": 200, "operator": 200, "owner": 403, "reader": 403},
		"GET /workspaces":                   everybody,
		"GET /api/v1/whoami":                everybody,
		"GET /api/v1/workspaces":            everybody,
		"GET /api/v1/workspaces/alpha":      everybody,
		"GET /api/v1/workspaces/beta":       {"": 401, "admin": 200, "operator": 200, "owner": 200, "alpha": 404, "reader": 200},
		"GET /api/v1/workspaces/acme.alpha": {"": 401, "admin": 200, "operator": 200, "owner": 404, "alpha": 404, "reader": 404},
		"GET /api/v1/workspaces/nothing":    {"": 401, "admin": 404, "operator": 404, "owner": 404, "alpha": 404, "reader": 404},
		"GET /api/v1/workspaces/gone":       {"": 401, "admin": 410, "operator": 410, "owner": 410, "alpha": 404, "reader": 410},
		"GET /api/v1/workspaces/no%20name":  {"admin": 400},
		"POST /api/v1/workspaces":           {"": 401, "admin": 201, "operator": 403, "owner": 201, "alpha": 403, "reader": 403},
		"PATCH /api/v1/workspaces/alpha":    {"": 401, "admin": 200, "operator": 403, "owner": 403, "alpha": 403, "reader": 403},
		"PATCH /api/v1/workspaces/beta":     {"alpha": 404},
		"GET /api/v1/workspaces/alpha/env":  {"": 401, "admin": 200, "operator": 200, "owner": 403, "alpha": 403, "reader": 403},
		"PUT /api/v1/workspaces/alpha/env":  {"": 401, "admin": 200, "operator": 403, "owner": 403, "alpha": 403, "reader": 403},
		"PATCH /api/v1/workspaces/none/env": {"": 401, "admin": 404, "operator": 403, "owner": 403},
		"GET /api/v1/workers":               operating,
		"GET /api/v1/pool":                  {"": 401, "admin": 200, "operator": 200, "owner": 403, "alpha": 403, "reader": 403},
		"GET /api/v1/events":                operating,
		"GET /api/v1/workers/nothing":       {"": 401, "admin": 404, "owner": 404, "reader": 404},
		"POST /api/v1/workers/beta/evict":   {"": 401, "admin": 200, "owner": 200, "alpha": 404, "reader": 403},
		"GET /nothing":                      {"": 404, "admin": 404},
		"GET /api/v1/nothing":               {"admin": 404},
		"DELETE /api/v1/workers":            {"admin": 405},
		"POST /livez":                       {"": 405},
		"GET /api/v1/workers/alpha/evict":   {"admin": 405},
		"POST /api/v1/config/reload":        {"": 401, "admin": 200, "operator": 200, "owner": 403, "alpha": 403, "reader": 403},
		"GET /api/v1/config/reload":         {"admin": 405},
	}
	for _, one := range []string{
		"GET /api/v1/workers/alpha", "GET /api/v1/workers/alpha/explain", "POST /api/v1/workers/alpha/start", "POST /api/v1/workers/alpha/evict",
		"POST /api/v1/workers/alpha/restart", "POST /api/v1/workers/alpha/pin", "POST /api/v1/workers/alpha/unpin",
	} {
		cases[one] = operating
	}
	for request, want := range cases {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			for who, status := range want {
				handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
				method, path, _ := strings.Cut(request, " ")
				body := ""
				if request == "POST /api/v1/workspaces" {
					body = `{"name": "fresh"}`
				}
				if strings.HasSuffix(request, "/env") {
					body = `{"variables": {}}`
				}
				out := ask(t, handler, who, method, path, body)
				if out.Code != status {
					t.Errorf("%q gets %d, want %d: %s", who, out.Code, status, out.Body)
				}
				code(t, out)
				if status == 401 && out.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%q gets 401 without WWW-Authenticate", who)
				}
				if status == 405 && out.Header().Get("Allow") == "" {
					t.Errorf("%q gets 405 without Allow", who)
				}
			}
		})
	}
}

// New refuses a route that does not say it; here the table as it is.
func TestRoutes_SayWhoMayUseThem(t *testing.T) {
	t.Parallel()
	a := newAdmin(t, newWorld().deps())
	for _, r := range a.routes {
		if r.access == 0 || len(r.surfaces) == 0 || r.serve == nil {
			t.Errorf("%s %s is not whole", r.method, r.path)
		}
	}
}

func TestUnknownAndInvisible_AreAnsweredAlike(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Public, authenticator{})
	for _, verb := range []string{"", "/explain"} {
		unknown := ask(t, handler, "alpha", "GET", "/api/v1/workers/nothing"+verb, "")
		invisible := ask(t, handler, "alpha", "GET", "/api/v1/workers/beta"+verb, "")
		if unknown.Code != 404 || unknown.Body.String() != invisible.Body.String() || unknown.Code != invisible.Code {
			t.Errorf("unknown: %d %s, invisible: %d %s", unknown.Code, unknown.Body, invisible.Code, invisible.Body)
		}
		if diff := cmp.Diff(unknown.Header(), invisible.Header()); diff != "" {
			t.Errorf("the headers differ:\n%s", diff)
		}
	}
}

func TestSurfaces_PublicHasNoMetrics(t *testing.T) {
	t.Parallel()
	a := newAdmin(t, newWorld().deps())
	for surface, want := range map[Surface]int{Public: 404, Operator: 200, Local: 200} {
		if out := ask(t, a.Handler(surface, authenticator{}), "admin", "GET", "/metrics", ""); out.Code != want {
			t.Errorf("surface %d answers /metrics with %d, want %d", surface, out.Code, want)
		}
	}
}

func TestMetrics_AreOpenOnLoopbackToItsOwnHosts(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
	cases := map[string]struct {
		remote, host string
		want         int
	}{
		"by address":             {"127.0.0.1:5", "127.0.0.1:9622", 200},
		"by name":                {"127.0.0.1:5", "localhost:9622", 200},
		"IPv6":                   {"[::1]:5", "[::1]:9622", 200},
		"mapped IPv4":            {"[::ffff:127.0.0.1]:5", "127.0.0.1", 200},
		"a page's own name":      {"127.0.0.1:5", "evil.example:9622", 421},
		"from another machine":   {"10.0.0.1:5", "127.0.0.1:9622", 401},
		"the socket has no peer": {"@", "localhost", 401},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, out := request(t, "GET", "/metrics")
			r.RemoteAddr, r.Host = tc.remote, tc.host
			handler.ServeHTTP(out, r)
			if out.Code != tc.want {
				t.Errorf("got %d, want %d", out.Code, tc.want)
			}
		})
	}
}

func TestListings_ShowWhatThePrincipalMaySee(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
	names := func(t *testing.T, who, path string) (list []string) {
		t.Helper()
		out := ask(t, handler, who, "GET", path, "")
		var shapes []struct{ Tenant, Workspace string }
		var wrapped struct {
			Workspaces []struct{ Tenant, Workspace string }
		}
		if json.Unmarshal(out.Body.Bytes(), &shapes) != nil {
			if err := json.Unmarshal(out.Body.Bytes(), &wrapped); err != nil {
				t.Fatalf("%s: %s", path, out.Body)
			}
			shapes = wrapped.Workspaces
		}
		for _, s := range shapes {
			list = append(list, strings.TrimPrefix(s.Tenant+"."+s.Workspace, "."))
		}
		return list
	}
	all := []string{"acme.alpha", "default.alpha", "default.beta"}
	cases := map[string]map[string][]string{
		"/api/v1/workspaces": {"admin": all, "operator": all, "owner": all[1:], "alpha": {"default.alpha"}, "reader": all[1:]},
		"/api/v1/workers":    {"admin": all, "operator": all, "owner": all[1:], "alpha": {"default.alpha"}},
		"/api/v1/events":     {"admin": append(all[:3:3], ""), "operator": append(all[:3:3], ""), "owner": all[1:], "alpha": {"default.alpha"}},
		"/workspaces":        {"admin": {"acme.alpha", "alpha", "beta"}, "owner": {"alpha", "beta"}, "alpha": {"alpha"}, "reader": {"alpha", "beta"}},
	}
	for path, people := range cases {
		for who, want := range people {
			if diff := cmp.Diff(want, names(t, who, path)); diff != "" {
				t.Errorf("%s for %s (-want +got):\n%s", path, who, diff)
			}
		}
	}
}

// Whoever lists workspaces reads where a browser finds them.
func TestListings_NameTheHosts(t *testing.T) {
	t.Parallel()
	deps := newWorld().deps()
	for domain, want := range map[string][]string{
		"":            {"acme.alpha.localhost", "alpha.localhost", "beta.localhost"},
		"rag.example": {"acme.alpha.rag.example", "alpha.rag.example", "beta.rag.example"},
	} {
		deps.BaseDomain = func() string { return domain }
		handler := newAdmin(t, deps).Handler(Operator, authenticator{})
		var own []Workspace
		var listing struct{ Workspaces []Listed }
		decode(t, ask(t, handler, "admin", "GET", "/api/v1/workspaces", ""), &own)
		decode(t, ask(t, handler, "admin", "GET", "/workspaces", ""), &listing)
		var inOwn, inListing []string
		for i := range own {
			inOwn = append(inOwn, own[i].Host)
		}
		for i := range listing.Workspaces {
			inListing = append(inListing, listing.Workspaces[i].Host)
		}
		if diff := cmp.Diff(want, inOwn); diff != "" {
			t.Errorf("%q (-want +got):\n%s", domain, diff)
		}
		if diff := cmp.Diff(want, inListing); diff != "" {
			t.Errorf("%q, in LightRAG's listing (-want +got):\n%s", domain, diff)
		}
	}
}

func TestListings_AreArraysWhenEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces, w.workers, w.kept = nil, nil, nil
	handler := newAdmin(t, w.deps()).Handler(Operator, authenticator{})
	for path, want := range map[string]string{
		"/api/v1/workspaces": "[]\n", "/api/v1/workers": "[]\n", "/api/v1/events": "[]\n", "/workspaces": `{"workspaces":[]}` + "\n",
	} {
		if out := ask(t, handler, "admin", "GET", path, ""); out.Body.String() != want {
			t.Errorf("%s gives %q, want %q", path, out.Body, want)
		}
	}
}

func TestWorker_HasTheNamesThatScriptsRelyOn(t *testing.T) {
	t.Parallel()
	out := ask(t, newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{}), "admin", "GET", "/api/v1/workers", "")
	var list []map[string]any
	if err := json.Unmarshal(out.Body.Bytes(), &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %v", out.Body, err)
	}
	for _, name := range []string{
		"workspace", "tenant", "kind", "state", "pid", "launch", "started_at", "ready_ms", "leases", "idle_seconds", "busy", "pinned",
		"pss_bytes", "fds", "requests", "node",
	} {
		if _, found := list[0][name]; !found {
			t.Errorf("%q is missing", name)
		}
	}
}

func TestResolve_ABareNameInSeveralTenantsIsAmbiguous(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
	out := ask(t, handler, "both", "GET", "/api/v1/workers/alpha", "")
	if code(t, out) != "workspace_ambiguous" || !strings.Contains(out.Body.String(), "default.alpha, acme.alpha") {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
	if out := ask(t, handler, "both", "GET", "/api/v1/workers/acme.alpha", ""); out.Code != 200 {
		t.Errorf("with the tenant: %d %s", out.Code, out.Body)
	}
}

func TestOperations_ReachThePool(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ path, body, want string }{
		"start":          {"/start", "", "start g-alpha"},
		"start, reset":   {"/start", `{"reset": true}`, "start g-alpha reset"},
		"evict":          {"/evict", "{}", "evict g-alpha"},
		"evict, force":   {"/evict", `{"force": true}`, "evict g-alpha force"},
		"by query":       {"/evict?force=true", "", "evict g-alpha force"},
		"restart":        {"/restart", "", "restart g-alpha"},
		"restart, force": {"/restart", `{"force": true}`, "restart g-alpha force"},
		"pin":            {"/pin", "", "pin g-alpha"},
		"unpin":          {"/unpin", "", "unpin g-alpha"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workers/ALPHA"+tc.path, tc.body)
			if diff := cmp.Diff([]string{tc.want}, w.calls); diff != "" || out.Code != 200 {
				t.Errorf("status %d, calls (-want +got):\n%s", out.Code, diff)
			}
			var worker Worker
			if err := json.Unmarshal(out.Body.Bytes(), &worker); err != nil || worker.PID != 7 {
				t.Errorf("the answer is %s, want the worker", out.Body)
			}
		})
	}
}

func TestOperations_RefuseBodiesThatSayNothingKnown(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"an unknown field": `{"forced": true}`, "no object": `true`, "two values": `{} {}`, "no JSON": `force`,
		"a wrong type": `{"force": "yes"}`,
	} {
		w := newWorld()
		out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workers/alpha/evict", body)
		if code(t, out) != "bad_request" || len(w.calls) != 0 {
			t.Errorf("%s: %d %s, calls %v", name, out.Code, out.Body, w.calls)
		}
	}
	w := newWorld()
	out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workers/alpha/evict", `{"force": `+strings.Repeat(" ", maxBody)+`true}`)
	if out.Code != http.StatusRequestEntityTooLarge || len(w.calls) != 0 {
		t.Errorf("too large: %d %s", out.Code, out.Body)
	}
	if out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workers/alpha/evict?force=maybe", ""); code(t, out) != "bad_request" {
		t.Errorf("force=maybe: %d", out.Code)
	}
}

func TestErrors_AreToldToThoseWhoOperate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.err = fmt.Errorf("%w: exit status 3, /srv/secret", workspace.ErrUnavailable)
	handler := newAdmin(t, w.deps()).Handler(Operator, authenticator{})
	out := ask(t, handler, "alpha", "POST", "/api/v1/workers/alpha/start", "")
	if out.Code != 503 || !strings.Contains(out.Body.String(), "exit status 3") {
		t.Errorf("the operator gets %d %s, want the cause", out.Code, out.Body)
	}
	out = ask(t, handler, "reader", "GET", "/api/v1/workspaces", "") // the listing fails by the same error
	if out.Code != 503 || strings.Contains(out.Body.String(), "exit status 3") {
		t.Errorf("the reader gets %d %s, want no cause", out.Code, out.Body)
	}
	if len(w.reported) != 2 || !errors.Is(w.reported[0], workspace.ErrUnavailable) {
		t.Errorf("reported were %v, want both", w.reported)
	}
}

func TestHandler_TellsTheRecordWhoAsks(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
	for path, want := range map[string]string{"/api/v1/whoami": "key:alpha", "/api/v1/workers/nothing": "key:alpha", "/livez": ""} {
		r, out := request(t, "GET", path)
		r.Header.Set("X-API-Key", "alpha")
		record := &recording{ResponseRecorder: out}
		handler.ServeHTTP(record, r)
		if record.who != want {
			t.Errorf("%s is recorded as of %q, want %q", path, record.who, want)
		}
	}
}

func TestErrors_ACatalogThatFailsIsNoRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a := newAdmin(t, w.deps())
	if out := ask(t, a.Handler(Operator, authenticator{err: workspace.ErrCatalogUnavailable}), "admin", "GET", "/api/v1/whoami", ""); code(t, out) != "catalog_unavailable" {
		t.Errorf("the authenticator's: %d %s", out.Code, out.Body)
	}
	w.err = workspace.ErrCatalogUnavailable
	if out := ask(t, a.Handler(Operator, authenticator{}), "admin", "GET", "/api/v1/workers/alpha", ""); code(t, out) != "catalog_unavailable" {
		t.Errorf("the directory's: %d %s", out.Code, out.Body)
	}
}

func TestOperations_EndAtTheirDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deps := newWorld().deps()
		deps.Operations = stuck{deps.Operations}
		out := ask(t, newAdmin(t, deps).Handler(Operator, authenticator{}), "admin", "POST", "/api/v1/workers/alpha/evict", "")
		if code(t, out) != "worker_timeout" {
			t.Errorf("got %d %s", out.Code, out.Body)
		}
	})
}

type stuck struct{ Operations }

func (stuck) Evict(ctx context.Context, _ workspace.Ref, _ bool) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestCreateWorkspace(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		who, body string
		status    int
		want      Workspace
	}{
		"plain":            {"owner", `{"name": "New"}`, 201, Workspace{Workspace: "New", Tenant: "default", Kind: "embedded", Host: "new.localhost"}},
		"everything given": {"admin", `{"name": "x", "tenant": "acme", "kind": "other", "display_name": "X!"}`, 201, Workspace{Workspace: "x", Tenant: "acme", Kind: "other", DisplayName: "X!", Host: "acme.x.localhost"}},
		"qualified":        {"admin", `{"name": "acme.x"}`, 201, Workspace{Workspace: "x", Tenant: "acme", Kind: "embedded", Host: "acme.x.localhost"}},
		"both, agreeing":   {"admin", `{"name": "acme.x", "tenant": "ACME"}`, 201, Workspace{Workspace: "x", Tenant: "acme", Kind: "embedded", Host: "acme.x.localhost"}},
		"again after gone": {"owner", `{"name": "gone"}`, 201, Workspace{Workspace: "gone", Tenant: "default", Kind: "embedded", Host: "gone.localhost"}},
		"both, differing":  {"admin", `{"name": "acme.x", "tenant": "default"}`, 400, Workspace{}},
		"no name":          {"admin", `{}`, 400, Workspace{}},
		"an invalid name":  {"admin", `{"name": "a b"}`, 400, Workspace{}},
		"an unknown kind":  {"admin", `{"name": "x", "kind": "nope"}`, 400, Workspace{}},
		"in use":           {"owner", `{"name": "ALPHA"}`, 409, Workspace{}},
		"another tenant":   {"owner", `{"name": "acme.x"}`, 403, Workspace{}},
		"not permitted":    {"alpha", `{"name": "x"}`, 403, Workspace{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := ask(t, newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{}), tc.who, "POST", "/api/v1/workspaces", tc.body)
			if out.Code != tc.status {
				t.Fatalf("got %d %s, want %d", out.Code, out.Body, tc.status)
			}
			if code(t, out); tc.status != 201 {
				return
			}
			var got Workspace
			if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			tc.want.Generation, tc.want.State = "g-new", "active"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadyz_SaysWhetherRequestsCanBeTaken(t *testing.T) {
	t.Parallel()
	deps := newWorld().deps()
	var err error
	deps.Ready = func(context.Context) error { return err }
	handler := newAdmin(t, deps).Handler(Public, authenticator{})
	if out := ask(t, handler, "", "GET", "/readyz", ""); out.Code != 200 {
		t.Errorf("ready: %d", out.Code)
	}
	err = errors.New("the catalog at /srv/x does not answer")
	out := ask(t, handler, "", "GET", "/readyz", "")
	if out.Code != 503 || out.Header().Get("Retry-After") == "" || strings.Contains(out.Body.String(), "/srv/x") {
		t.Errorf("not ready: %d %s", out.Code, out.Body)
	}
	if out := ask(t, handler, "", "GET", "/livez", ""); out.Code != 200 {
		t.Errorf("alive although not ready: %d", out.Code)
	}
}

func TestNew_RefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}, Deps{}); err == nil {
		t.Error("an API without a pool was made")
	}
}

const aWhile = 5 * time.Second
