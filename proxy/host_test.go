package proxy

import (
	"net/http"
	"strings"
	"testing"
)

func TestHost_SelectsItsWorkspace(t *testing.T) {
	t.Parallel()
	const header = "Lightrag-Workspace"
	tests := map[string]struct {
		key, host, path string
		header          string
		status          int
		code            string
		worker          string
	}{
		"by name":                          {host: "alpha.localhost", path: "/query", status: 200, worker: "gen-alpha"},
		"with a port, in another case":     {host: "ALPHA.LocalHost:9621", path: "/query", status: 200, worker: "gen-alpha"},
		"with a dot at its end":            {host: "alpha.localhost.:80", path: "/query", status: 200, worker: "gen-alpha"},
		"below the configured domain":      {host: "alpha.rag.example", path: "/query", status: 200, worker: "gen-alpha"},
		"of another tenant":                {host: "acme.solo.localhost", path: "/query", status: 200, worker: "gen-acme-solo"},
		"of another tenant, below the own": {host: "acme.solo.rag.example", path: "/query", status: 200, worker: "gen-acme-solo"},
		"by generation":                    {host: unnamedHost, path: "/query", status: 200, worker: string(unnamedGeneration)},
		"by generation, in capitals":       {host: strings.ToUpper(unnamedHost), path: "/query", status: 200, worker: string(unnamedGeneration)},
		"the local name itself":            {host: "localhost:80", path: "/query", status: 200, worker: "gen-default"},
		"the configured domain itself":     {host: "rag.example", path: "/query", status: 200, worker: "gen-default"},
		"an address":                       {host: "[::1]:80", path: "/query", status: 200, worker: "gen-default"},
		"another domain":                   {host: "alpha.other.example", path: "/query", status: 200, worker: "gen-default"},
		"a domain that ends alike":         {host: "alpha.bigrag.example", path: "/query", status: 200, worker: "gen-default"},

		"unknown":                {host: "nowhere.localhost", path: "/query", status: 404, code: "workspace_not_found"},
		"an unknown generation":  {host: strings.Replace(unnamedHost, "ab.", "ac.", 1), path: "/query", status: 404, code: "workspace_not_found"},
		"invisible":              {key: guestKey, host: "alpha.localhost", path: "/query", status: 404, code: "workspace_not_found"},
		"invisible, generation":  {key: acmeKey, host: unnamedHost, path: "/query", status: 404, code: "workspace_not_found"},
		"deleted":                {host: "gone.localhost", path: "/query", status: 410, code: "workspace_deleted"},
		"no label":               {host: ".localhost", path: "/query", status: 400, code: "workspace_invalid"},
		"three labels":           {host: "a.b.c.localhost", path: "/query", status: 400, code: "workspace_invalid"},
		"a label too long":       {host: strings.Repeat("a", 65) + ".localhost", path: "/query", status: 400, code: "workspace_invalid"},
		"no credential":          {key: "none", host: "alpha.localhost", path: "/query", status: 401, code: "unauthenticated"},
		"no credential, unknown": {key: "none", host: "nowhere.localhost", path: "/query", status: 401, code: "unauthenticated"},

		"and the path":                  {host: "alpha.localhost", path: "/w/alpha/query", status: 200, worker: "gen-alpha"},
		"and another path":              {host: "alpha.localhost", path: "/w/beta/query", status: 400, code: "workspace_conflict"},
		"and an unknown path":           {host: "alpha.localhost", path: "/w/nowhere/query", status: 400, code: "workspace_conflict"},
		"and the header":                {host: "alpha.localhost", path: "/query", header: "Alpha", status: 200, worker: "gen-alpha"},
		"and another header":            {host: "alpha.localhost", path: "/query", header: "beta", status: 400, code: "workspace_conflict"},
		"and a blank header":            {host: "alpha.localhost", path: "/query", header: " ", status: 400, code: "workspace_invalid"},
		"and its tenant in the header":  {host: "alpha.localhost", path: "/query", header: "default.alpha", status: 200, worker: "gen-alpha"},
		"and another tenant's":          {host: "alpha.localhost", path: "/query", header: "acme.alpha", status: 400, code: "workspace_conflict"},
		"its pages know its bare name":  {host: "acme.alpha.localhost", path: "/w/alpha/query", status: 200, worker: "gen-acme-alpha"},
		"path and header":               {host: "acme.alpha.localhost", path: "/w/alpha/query", header: "ACME.alpha", status: 200, worker: "gen-acme-alpha"},
		"path and another header":       {host: "acme.alpha.localhost", path: "/w/alpha/query", header: "default.alpha", status: 400, code: "workspace_conflict"},
		"a generation and its name":     {host: unnamedHost, path: "/w/no_label/query", status: 200, worker: string(unnamedGeneration)},
		"a generation and another name": {host: unnamedHost, path: "/w/alpha/query", status: 400, code: "workspace_conflict"},
		"a generation, an unknown name": {host: unnamedHost, path: "/w/nowhere/query", status: 400, code: "workspace_conflict"},
		"a generation, tenant and name": {host: unnamedHost, path: "/query", header: "default.no_label", status: 200, worker: string(unnamedGeneration)},
		"a generation, another tenant":  {host: unnamedHost, path: "/query", header: "acme.no_label", status: 400, code: "workspace_conflict"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(s *Settings) { s.BaseDomain, s.AutoCreate = "rag.example", false }))
			h := http.Header{"Host": {test.host}}
			if test.key != "" {
				h.Set("X-API-Key", test.key)
			}
			if test.header != "" {
				h.Set(header, strings.TrimSpace(test.header))
			}
			got := r.do(http.MethodGet, test.path, h, "")
			if got.status != test.status || got.code() != test.code || got.header.Get("Worker-Of") != test.worker {
				t.Errorf("got %d %q by %q: %s", got.status, got.code(), got.header.Get("Worker-Of"), got.body)
			}
			r.settled()
		})
	}
}

// On a workspace's host nothing is the router's but /.router/.
func TestHost_BelongsToTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	for _, path := range []string{"/livez", "/readyz", "/workspaces", "/api/v1/workers", "/console/", "/metrics", "/health"} {
		got := r.do(http.MethodGet, path, http.Header{"Host": {"alpha.localhost"}}, "")
		if want := "GET " + path + " "; got.status != http.StatusOK || got.body != want || got.header.Get("Worker-Of") != "gen-alpha" {
			t.Errorf("%s: got %d %q by %q", path, got.status, got.body, got.header.Get("Worker-Of"))
		}
		if got.header.Get("Vary") != "" {
			t.Errorf("%s: the answer varies by %q", path, got.header.Get("Vary"))
		}
		if got := r.do(http.MethodGet, path, http.Header{"Host": {"alpha.localhost"}, "X-Api-Key": {"none"}}, ""); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a credential: got %d", path, got.status)
		}
	}
}

// The path that selects is taken off on a host too, and the worker is told of it.
func TestHost_TakesThePathsSelectorOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/query/x")
		w.Header().Set("Seen-Prefix", r.Header.Get("X-Forwarded-Prefix"))
		echo(w, r)
	})
	got := r.do(http.MethodGet, "/w/Alpha/query?a=b", http.Header{"Host": {"alpha.localhost"}}, "")
	if got.body != "GET /query?a=b " || got.header.Get("Seen-Prefix") != "/w/Alpha" || got.header.Get("Location") != "/w/Alpha/query/x" {
		t.Errorf("got %q, prefix %q, location %q", got.body, got.header.Get("Seen-Prefix"), got.header.Get("Location"))
	}
}

func TestHost_MakesAWorkspaceForThoseWhoMay(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withSettings(func(s *Settings) { s.AutoCreate = true }))
	for host, status := range map[string]int{
		"new.localhost": 200, strings.Replace(unnamedHost, "ab.", "ac.", 1): 404,
	} {
		if got := r.do(http.MethodGet, "/query", http.Header{"Host": {host}}, ""); got.status != status {
			t.Errorf("%s: got %d: %s", host, got.status, got.body)
		}
	}
	if created := r.dir.names(func(d *fakeDirectory) []string { return d.created }); len(created) != 1 || created[0] != "new" {
		t.Errorf("%q were made", created)
	}
}

func TestBound_ServesOneWorkspaceOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withConfig(func(c *Config) { c.Bound = "acme.alpha" }))
	for name, test := range map[string]struct {
		key, path, host, header string
		status                  int
		code, worker            string
	}{
		"plain":                    {path: "/query", status: 200, worker: "gen-acme-alpha"},
		"path":                     {path: "/w/alpha/query", status: 200, worker: "gen-acme-alpha"},
		"path with tenant":         {path: "/w/acme.alpha/query", status: 200, worker: "gen-acme-alpha"},
		"another path":             {path: "/w/beta/query", status: 400, code: "workspace_conflict"},
		"header":                   {path: "/query", header: "alpha", status: 200, worker: "gen-acme-alpha"},
		"another header":           {path: "/query", header: "default.alpha", status: 400, code: "workspace_conflict"},
		"the host":                 {path: "/query", host: "acme.alpha.localhost", status: 200, worker: "gen-acme-alpha"},
		"another host":             {path: "/query", host: "beta.localhost", status: 400, code: "workspace_conflict"},
		"nothing of the router's":  {path: "/livez", status: 200, worker: "gen-acme-alpha"},
		"health without a key":     {key: "none", path: "/health", status: 401, code: "unauthenticated"},
		"a key is needed":          {key: "none", path: "/query", status: 401, code: "unauthenticated"},
		"a key of other workspace": {key: guestKey, path: "/query", status: 404, code: "workspace_not_found"},
	} {
		h := http.Header{}
		for key, value := range map[string]string{"X-API-Key": test.key, "Host": test.host, "Lightrag-Workspace": test.header} {
			if value != "" {
				h.Set(key, value)
			}
		}
		got := r.do(http.MethodGet, test.path, h, "")
		if got.status != test.status || got.code() != test.code || got.header.Get("Worker-Of") != test.worker {
			t.Errorf("%s: got %d %q by %q: %s", name, got.status, got.code(), got.header.Get("Worker-Of"), got.body)
		}
	}
}

func TestBound_RefusesWhatIsNoName(t *testing.T) {
	t.Parallel()
	r := newParts(t, echo)
	r.config.Bound = "a b"
	if _, err := New(r.config, r.deps); err == nil || !strings.Contains(err.Error(), "bound workspace") {
		t.Errorf("got %v", err)
	}
}

// A host is below a base domain, or it is not, whatever is written.
func FuzzWorkspaceLabel(f *testing.F) {
	for _, seed := range []string{"alpha.localhost", "a.b.localhost:1", "[::1]:1", ".rag.example", "rag.example.", "x.RAG.example:80", ":", "]", "a.localhost:80:90"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		label, found := workspaceLabel(host, "rag.example")
		if !found {
			return
		}
		lower := strings.ToLower(host)
		if !strings.HasPrefix(lower, strings.ToLower(label)+".localhost") && !strings.HasPrefix(lower, strings.ToLower(label)+".rag.example") {
			t.Errorf("%q has the label %q", host, label)
		}
	})
}
