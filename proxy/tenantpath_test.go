package proxy

import (
	"net/http"
	"testing"
)

// The tenant API's path selects as the table of selectors says, and is gone before the worker sees the request.
func TestTenantPath_Selects(t *testing.T) {
	t.Parallel()
	const acme, bases = "/api/v1/tenants/acme/knowledge-bases", "/knowledge-bases/"
	for name, test := range map[string]struct {
		key, path, header, host string
		status                  int
		code, worker, saw       string
	}{
		"names":                       {path: acme + "/alpha/query?a=b", status: 200, worker: "gen-acme-alpha", saw: "GET /query?a=b "},
		"the knowledge base's id":     {path: acme + "/gen-acme-alpha/query", status: 200, worker: "gen-acme-alpha", saw: "GET /query "},
		"the tenant's id":             {path: "/api/v1/tenants/id-acme" + bases + "alpha/query", status: 200, worker: "gen-acme-alpha"},
		"in another case":             {path: "/api/v1/tenants/ACME" + bases + "Alpha/query", status: 200, worker: "gen-acme-alpha"},
		"encoded":                     {path: "/api/v1/tenants/%61cme" + bases + "%61lpha/query", status: 200, worker: "gen-acme-alpha", saw: "GET /query "},
		"the root":                    {path: acme + "/alpha/", status: 200, worker: "gen-acme-alpha", saw: "GET / "},
		"an encoded slash stays":      {path: acme + "/alpha/query/a%2Fb", status: 200, worker: "gen-acme-alpha", saw: "GET /query/a%2Fb "},
		"one's own":                   {key: acmeKey, path: acme + "/alpha/query", status: 200, worker: "gen-acme-alpha"},
		"another tenant":              {key: acmeKey, path: "/api/v1/tenants/default" + bases + "alpha/query", status: 403, code: "tenant_forbidden"},
		"another that is not there":   {key: acmeKey, path: "/api/v1/tenants/nobody" + bases + "alpha/query", status: 403, code: "tenant_forbidden"},
		"none, for who sees all":      {path: "/api/v1/tenants/nobody" + bases + "alpha/query", status: 404, code: "tenant_not_found"},
		"another tenant's id of one":  {path: acme + "/gen-alpha/query", status: 404, code: "workspace_not_found"},
		"unknown":                     {key: acmeKey, path: acme + "/nothing/query", status: 404, code: "workspace_not_found"},
		"bound to another workspace":  {key: guestKey, path: "/api/v1/tenants/default" + bases + "alpha/query", status: 404, code: "workspace_not_found"},
		"no name":                     {path: acme + "/a%20b/query", status: 400, code: "workspace_invalid"},
		"a header that agrees":        {path: acme + "/alpha/query", header: "acme.alpha", status: 200, worker: "gen-acme-alpha"},
		"a header that agrees, by id": {path: acme + "/gen-acme-alpha/query", header: "acme.alpha", status: 200, worker: "gen-acme-alpha"},
		"a header that differs":       {path: acme + "/alpha/query", header: "beta", status: 400, code: "workspace_conflict"},
		"a header of another tenant":  {path: acme + "/alpha/query", header: "default.alpha", status: 400, code: "workspace_conflict"},
		"without a credential":        {key: "none", path: acme + "/alpha/query", status: 401, code: "unauthenticated"},
		"the knowledge base itself":   {path: acme + "/alpha", status: 200, saw: "own " + acme + "/alpha"},
		"the listing":                 {path: acme, status: 200, saw: "own " + acme},
		"something else of a tenant":  {path: "/api/v1/tenants/acme/api-keys/alpha/query", status: 200, saw: "own /api/v1/tenants/acme/api-keys/alpha/query"},
		"on a workspace's host":       {path: acme + "/alpha/query", host: "beta.localhost", status: 200, worker: "gen-beta", saw: "GET " + acme + "/alpha/query "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			h := http.Header{}
			for field, value := range map[string]string{"X-Api-Key": test.key, "Lightrag-Workspace": test.header, "Host": test.host} {
				if value != "" {
					h.Set(field, value)
				}
			}
			got := r.do(http.MethodGet, test.path, h, "")
			if got.status != test.status || got.code() != test.code || got.header.Get("Worker-Of") != test.worker || test.saw != "" && got.body != test.saw {
				t.Errorf("got %d %q by %q: %q", got.status, got.code(), got.header.Get("Worker-Of"), got.body)
			}
		})
	}
}

// A worker's references come back under the whole prefix.
func TestTenantPath_ReferencesFollowThePrefix(t *testing.T) {
	t.Parallel()
	const prefix = "/api/v1/tenants/acme/knowledge-bases/alpha"
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/webui/")
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		w.Header().Set("Saw-Prefix", r.Header.Get("X-Forwarded-Prefix"))
		w.WriteHeader(http.StatusFound)
	})
	got := r.do(http.MethodGet, prefix+"/query", http.Header{"Accept": {"text/html"}}, "").header
	if got.Get("Location") != prefix+"/webui/" || got.Get("Set-Cookie") != "a=b; Path="+prefix+"/" || got.Get("Saw-Prefix") != prefix {
		t.Errorf("got %v", got)
	}
}
