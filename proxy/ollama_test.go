package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// chatKind also speaks Ollama.
const chatKind = testKind + `
  - {methods: [POST], path: /api/chat, permission: "query:run"}
  - {methods: [POST], path: /api/generate, permission: "query:run"}
  - {methods: [GET], path: /api/tags, permission: "query:run"}
`

func TestModel_SelectsWhereNothingElseDoes(t *testing.T) {
	t.Parallel()
	const header = "Lightrag-Workspace"
	tests := map[string]struct {
		key, path, body string
		header          http.Header
		status          int
		worker          string
	}{
		"by name":                    {path: "/api/chat", body: `{"model":"alpha","x":1}`, status: 200, worker: "gen-alpha"},
		"with the tag":               {path: "/api/generate", body: `{"model": "Alpha:latest"}`, status: 200, worker: "gen-alpha"},
		"with a tenant":              {path: "/api/chat", body: `{"model":"acme.solo:latest"}`, status: 200, worker: "gen-acme-solo"},
		"behind other things":        {path: "/api/chat", body: `{"a":{"model":"beta"},"b":["model"],"model":"alpha"}`, status: 200, worker: "gen-alpha"},
		"an unknown one":             {path: "/api/chat", body: `{"model":"llama3:8b"}`, status: 200, worker: "gen-default"},
		"no name of a workspace":     {path: "/api/chat", body: `{"model":"a b/c"}`, status: 200, worker: "gen-default"},
		"none":                       {path: "/api/chat", body: `{"prompt":"model"}`, status: 200, worker: "gen-default"},
		"no text":                    {path: "/api/chat", body: `{"model":7}`, status: 200, worker: "gen-default"},
		"no object":                  {path: "/api/chat", body: `["model","alpha"]`, status: 200, worker: "gen-default"},
		"broken":                     {path: "/api/chat", body: `{"model":"alp`, status: 200, worker: "gen-default"},
		"no body":                    {path: "/api/chat", status: 200, worker: "gen-default"},
		"too far away":               {path: "/api/chat", body: `{"a":"` + strings.Repeat("x", modelAhead) + `","model":"alpha"}`, status: 200, worker: "gen-default"},
		"at the beginning of much":   {path: "/api/chat", body: `{"model":"alpha","a":"` + strings.Repeat("x", 3*modelAhead) + `"}`, status: 200, worker: "gen-alpha"},
		"a header decides":           {path: "/api/chat", header: http.Header{header: {"beta"}}, body: `{"model":"alpha"}`, status: 200, worker: "gen-beta"},
		"the path decides":           {path: "/w/beta/api/chat", body: `{"model":"alpha"}`, status: 200, worker: "gen-beta"},
		"the host decides":           {path: "/api/chat", header: http.Header{"Host": {"beta.localhost"}}, body: `{"model":"alpha"}`, status: 200, worker: "gen-beta"},
		"another route":              {path: "/query", body: `{"model":"alpha"}`, status: 200, worker: "gen-default"},
		"before the key's workspace": {key: guestKey, path: "/api/chat", body: `{"model":"beta"}`, status: 200, worker: "gen-beta"},
		"an invisible one":           {key: guestKey, path: "/api/chat", body: `{"model":"alpha"}`, status: 200, worker: "gen-beta"},
		"the own tenant's":           {key: acmeKey, path: "/api/chat", body: `{"model":"alpha"}`, status: 200, worker: "gen-acme-alpha"},
		"in two tenants":             {key: bothKey, path: "/api/chat", body: `{"model":"alpha"}`, status: 400},
		"deleted":                    {path: "/api/chat", body: `{"model":"gone"}`, status: 410},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withKind(chatKind), withSettings(func(s *Settings) { s.AutoCreate = true }))
			h := test.header.Clone()
			if h == nil {
				h = http.Header{}
			}
			if test.key != "" {
				h.Set("X-API-Key", test.key)
			}
			got := r.do(http.MethodPost, test.path, h, test.body)
			if got.status != test.status || got.header.Get("Worker-Of") != test.worker {
				t.Fatalf("got %d by %q: %.200s", got.status, got.header.Get("Worker-Of"), got.body)
			}
			if path := strings.TrimPrefix(test.path, "/w/beta"); test.status == 200 && got.body != fmt.Sprintf("POST %s %s", path, test.body) {
				t.Errorf("the worker did not get the body whole: %d bytes of %d", len(got.body), len(test.body))
			}
			if created := r.dir.names(func(d *fakeDirectory) []string { return d.created }); created != nil {
				t.Errorf("%q were made", created)
			}
			r.settled()
		})
	}
}

func TestModels_AreTheWorkspacesThatMayBeAsked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		key  string
		want []string
	}{
		"all":        {adminKey, []string{"default:latest", "alpha:latest", "beta:latest", "acme.alpha:latest", "acme.solo:latest", "no_label:latest"}},
		"a tenant's": {acmeKey, []string{"acme.alpha:latest", "acme.solo:latest"}},
		"a bound":    {guestKey, []string{"beta:latest"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withKind(chatKind))
			got := r.do(http.MethodGet, "/api/tags", http.Header{"X-Api-Key": {test.key}}, "")
			var listing struct{ Models []model }
			if err := json.Unmarshal([]byte(got.body), &listing); err != nil {
				t.Fatalf("%d %s: %v", got.status, got.body, err)
			}
			var names []string
			for _, m := range listing.Models {
				names = append(names, m.Name)
				if m.Name != m.Model || m.Digest == "" {
					t.Errorf("got %+v", m)
				}
			}
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(r.pool.wished()) > 0 {
				t.Error("a worker was asked for")
			}
		})
	}
}

func TestModels_AreTheWorkersWhereOneIsSelected(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind, path string
		header     http.Header
		worker     string
		status     int
	}{
		"by header":             {chatKind, "/api/tags", http.Header{"Lightrag-Workspace": {"alpha"}}, "gen-alpha", 200},
		"by path":               {chatKind, "/w/alpha/api/tags", nil, "gen-alpha", 200},
		"by host":               {chatKind, "/api/tags", http.Header{"Host": {"alpha.localhost"}}, "gen-alpha", 200},
		"of a kind without any": {testKind, "/api/tags", nil, "gen-default", 200},
		"without a credential":  {chatKind, "/api/tags", http.Header{"X-Api-Key": {"none"}}, "", 401},
	} {
		r := newRig(t, echo, withKind(test.kind))
		if got := r.do(http.MethodGet, test.path, test.header, ""); got.status != test.status || got.header.Get("Worker-Of") != test.worker {
			t.Errorf("%s: got %d by %q", name, got.status, got.header.Get("Worker-Of"))
		}
	}
	r := newRig(t, echo, withKind(chatKind))
	r.dir.fail(workspace.ErrCatalogUnavailable)
	if got := r.get("/api/tags"); got.status != http.StatusServiceUnavailable {
		t.Errorf("without a catalog: got %d", got.status)
	}
}

func FuzzFirstModel(f *testing.F) {
	for _, seed := range []string{`{"model":"a"}`, `{"a":[{"b":1}],"model":"x"}`, `{"model":`, `[]`, ``, `{"a":"\ud800","model":"b"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		found := firstModel(strings.NewReader(body))
		var whole struct{ Model any }
		if strings.Count(body, "odel") != 1 || json.Unmarshal([]byte(body), &whole) != nil {
			return
		}
		if text, ok := whole.Model.(string); ok && strings.Contains(body, `"model"`) && found != text {
			t.Errorf("%q: got %q, want %q", body, found, text)
		}
	})
}
