package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

func never(context.Context, workspace.Ref, supervisor.Wish) error { return workspace.ErrCold }

func TestPublic_NeedsNoCredentialAndNoWorker(t *testing.T) {
	t.Parallel()
	none := http.Header{"X-Api-Key": {"none"}}
	preflight := none.Clone()
	preflight.Set("Origin", "https://evil.example")
	preflight.Set("Access-Control-Request-Method", "POST")
	tests := map[string]struct {
		method, path string
		header       http.Header
		status       int
		body         string // how it begins
	}{
		"livez":                       {"GET", "/livez", none, 200, "own /livez"},
		"readyz":                      {"GET", "/readyz", none, 200, "own /readyz"},
		"health":                      {"GET", "/health", none, 200, `{"status":"healthy","auth_mode":"enabled","core_version":"1.2.3"`},
		"health of a named workspace": {"GET", "/health", http.Header{"X-Api-Key": {"none"}, "Lightrag-Workspace": {"alpha"}}, 200, `{"status":"healthy","auth_mode"`},
		"health, head":                {"HEAD", "/health", none, 200, ""},
		"preflight":                   {"OPTIONS", "/w/alpha/query", preflight, 204, ""},
		"health under a prefix":       {"GET", "/w/alpha/health", none, 401, "{"},
		"options without preflight":   {"OPTIONS", "/w/alpha/query", none, 401, "{"},
		"health by another method":    {"POST", "/health", none, 401, "{"},
		"own route":                   {"GET", "/api/v1/workers", none, 200, "own /api/v1/workers"}, // it refuses by itself
		"own listing":                 {"GET", "/workspaces", none, 200, "own /workspaces"},
		"the own root's neighbour":    {"GET", "/api/v11", none, 401, "{"},
		"own route under a prefix":    {"GET", "/w/alpha/livez", none, 401, "{"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			got := r.do(test.method, test.path, test.header, "")
			if got.status != test.status || !strings.HasPrefix(got.body, test.body) {
				t.Errorf("got %d %q", got.status, got.body)
			}
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s was granted", name)
				}
			}
			if len(r.pool.wished()) != 0 || len(r.dir.names(func(d *fakeDirectory) []string { return d.lookups })) != 0 {
				t.Error("a worker or a workspace was looked for")
			}
		})
	}
}

func TestHealth_IsTheWorkersWhereOneRuns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		key, path string
		header    http.Header
		cold      bool
		status    int
		body      string
	}{
		"running":                         {adminKey, "/health", nil, false, 200, "GET /health"},
		"running, by prefix":              {adminKey, "/w/alpha/health", nil, false, 200, "GET /health"},
		"cold":                            {adminKey, "/health", nil, true, 200, `{"status":"cold","workspace":"default"}`},
		"cold, by prefix":                 {adminKey, "/w/alpha/health", nil, true, 200, `{"status":"cold","workspace":"alpha"}`},
		"cold, by header":                 {adminKey, "/health", http.Header{"Lightrag-Workspace": {"beta"}}, true, 200, `{"status":"cold","workspace":"beta"}`},
		"cold, nothing to say":            {adminKey, "/w/alpha/version", nil, true, 503, `{"type":"urn:workspace-router:problem:workspace_cold"`},
		"no such default":                 {acmeKey, "/health", nil, false, 200, `{"status":"healthy"`},
		"named, not there":                {adminKey, "/health", http.Header{"Lightrag-Workspace": {"nowhere"}}, false, 404, "{"},
		"named by prefix, not there":      {adminKey, "/w/nowhere/health", nil, false, 404, "{"},
		"a wrong credential is no excuse": {"sk-wrong", "/health", nil, false, 401, "{"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			if test.cold {
				r.pool.refuse(never)
			}
			h := test.header.Clone()
			if h == nil {
				h = http.Header{}
			}
			h.Set("X-API-Key", test.key)
			got := r.do(http.MethodGet, test.path, h, "")
			if got.status != test.status || !strings.HasPrefix(got.body, test.body) {
				t.Errorf("got %d %q", got.status, got.body)
			}
			if got.status == 503 && got.header.Get("Retry-After") == "" {
				t.Error("no hint when to come again")
			}
			for _, wish := range r.pool.wished() {
				if wish.Class != "never" {
					t.Errorf("a worker was asked for as %q", wish.Class)
				}
			}
			r.settled()
		})
	}
}

func TestHealth_ShortFormIsInLightRAGsShape(t *testing.T) {
	t.Parallel()
	var got map[string]any
	if err := json.Unmarshal(shortHealth("1"), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"status", "auth_mode", "core_version", "api_version", "webui_available", "workspace_available", "api_docs_available",
		"webui_title", "webui_description", "ai_content_notice_enabled", "pipeline_busy", "pipeline_active",
	} {
		if _, found := got[key]; !found {
			t.Errorf("there is no %s", key)
		}
	}
}

// A page under a foreign name that points to this machine gets nothing; who knows a key, or comes by a name of this
// machine, does.
func TestHost_ForeignNamesOnLoopbackNeedACredential(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withConfig(func(c *Config) { c.Hosts = []string{"Rag.Example"} }))
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:9621": true, "localhost.": true, "127.0.0.1:80": true, "127.9.9.9": true, "[::1]:80": true,
		"rag.example": true, "RAG.example:443": true,
		"evil.example": false, "localhost.evil.example": false, "10.0.0.1": false, "127.0.0.1.evil.example": false, "notlocalhost": false,
	} {
		without := r.do(http.MethodGet, "/livez", http.Header{"X-Api-Key": {"none"}, "Host": {host}}, "")
		want := http.StatusOK
		if !allowed {
			want = http.StatusMisdirectedRequest
		}
		if without.status != want {
			t.Errorf("%s: got %d", host, without.status)
		}
		if !allowed && without.code() != "misdirected_request" {
			t.Errorf("%s: got %q", host, without.code())
		}
		if with := r.do(http.MethodGet, "/w/alpha/query", http.Header{"Host": {host}}, ""); with.status != http.StatusOK {
			t.Errorf("%s with a key: got %d", host, with.status)
		}
	}
}

// The own routes are recorded with who asked, though they authenticate by themselves.
func TestOwn_IsRecordedWithItsPrincipal(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withOwn(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(interface{ Identified(*workspace.Principal) }).Identified(&workspace.Principal{ID: "key:who"})
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, r.URL.Path)
	})))
	if got := r.get("/api/v1/workers?secret=1"); got.status != http.StatusTeapot || got.body != "/api/v1/workers" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	line := r.recorded(1)[0]
	for _, want := range []string{`"principal":"key:who"`, `"path":"/api/v1/workers"`, `"status":418`} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is not in %s", want, line)
		}
	}
	if strings.Contains(line, "secret") {
		t.Errorf("the query is in %s", line)
	}
}
