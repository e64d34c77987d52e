package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// TestSelection_Answers is the table of situations and answers of docs/ARCHITECTURE.md, as far as selection decides.
func TestSelection_Answers(t *testing.T) {
	t.Parallel()
	const header, other = "Lightrag-Workspace", "X-Workspace-Id"
	tests := map[string]struct {
		key    string // the admin's where blank
		path   string
		header http.Header
		config func(*Settings)
		status int
		code   string
		worker string // generation whose worker answered
		echo   string // LIGHTRAG-WORKSPACE of the answer
	}{
		"path":                          {path: "/w/alpha/query", status: 200, worker: "gen-alpha", echo: "alpha"},
		"path in another case":          {path: "/w/ALPHA/query", status: 200, worker: "gen-alpha", echo: "alpha"},
		"path, encoded":                 {path: "/%77/al%70ha/query", status: 200, worker: "gen-alpha", echo: "alpha"},
		"path with tenant":              {path: "/w/acme.solo/query", status: 200, worker: "gen-acme-solo", echo: "acme.solo"},
		"path with the default tenant":  {path: "/w/default.alpha/query", status: 200, worker: "gen-alpha", echo: "alpha"},
		"header":                        {path: "/query", header: http.Header{header: {"beta"}}, status: 200, worker: "gen-beta", echo: "beta"},
		"second header":                 {path: "/query", header: http.Header{other: {"beta"}}, status: 200, worker: "gen-beta", echo: "beta"},
		"both headers, first wins":      {path: "/query", header: http.Header{header: {"alpha"}, other: {"beta"}}, status: 200, worker: "gen-alpha", echo: "alpha"},
		"header with tenant":            {path: "/query", header: http.Header{header: {"acme.alpha"}}, status: 200, worker: "gen-acme-alpha", echo: "acme.alpha"},
		"default":                       {path: "/query", status: 200, worker: "gen-default", echo: "default"},
		"default by name":               {path: "/query", config: func(c *Settings) { c.DefaultWorkspace = "beta" }, status: 200, worker: "gen-beta", echo: "beta"},
		"default not allowed":           {path: "/query", config: func(c *Settings) { c.AllowDefault = false }, status: 400, code: "workspace_required"},
		"bound key, no selector":        {key: guestKey, path: "/query", status: 200, worker: "gen-beta", echo: "beta"},
		"bound key, no default allowed": {key: guestKey, path: "/query", config: func(c *Settings) { c.AllowDefault = false }, status: 200, worker: "gen-beta", echo: "beta"},
		"path and equal header":         {path: "/w/alpha/query", header: http.Header{header: {"Alpha"}}, status: 200, worker: "gen-alpha", echo: "alpha"},
		"path and header with tenant":   {path: "/w/alpha/query", header: http.Header{header: {"default.alpha"}}, status: 200, worker: "gen-alpha", echo: "alpha"},
		"path and another header":       {path: "/w/alpha/query", header: http.Header{header: {"beta"}}, status: 400, code: "workspace_conflict"},
		"path and unknown header":       {path: "/w/alpha/query", header: http.Header{header: {"nowhere"}}, status: 400, code: "workspace_conflict"},
		"path and other tenant's":       {path: "/w/alpha/query", header: http.Header{header: {"acme.alpha"}}, status: 400, code: "workspace_conflict"},
		"path and second header":        {path: "/w/alpha/query", header: http.Header{other: {"beta"}}, status: 400, code: "workspace_conflict"},
		"path and blank header":         {path: "/w/alpha/query", header: http.Header{header: {""}}, status: 400, code: "workspace_invalid"},
		"blank header":                  {path: "/query", header: http.Header{header: {""}}, status: 400, code: "workspace_invalid"},
		"blank first header":            {path: "/query", header: http.Header{header: {""}, other: {"beta"}}, status: 400, code: "workspace_invalid"},
		"header twice":                  {path: "/query", header: http.Header{header: {"alpha", "alpha"}}, status: 400, code: "workspace_invalid"},
		"second header twice":           {path: "/query", header: http.Header{other: {"alpha", "beta"}}, status: 400, code: "workspace_invalid"},
		"header with a list":            {path: "/query", header: http.Header{header: {"alpha, beta"}}, status: 400, code: "workspace_invalid"},
		"header with a path":            {path: "/query", header: http.Header{header: {"../alpha"}}, status: 400, code: "workspace_invalid"},
		"header too long":               {path: "/query", header: http.Header{header: {strings.Repeat("a", 65)}}, status: 400, code: "workspace_invalid"},
		"path without a name":           {path: "/w", status: 400, code: "workspace_invalid"},
		"path with a blank name":        {path: "/w/", status: 400, code: "workspace_invalid"},
		"path with a bad name":          {path: "/w/a%20b/query", status: 400, code: "workspace_invalid"},
		"path with a slash in the name": {path: "/w/a%2Fb/query", status: 400, code: "workspace_invalid"},
		"path with two dots":            {path: "/w/a.b.c/query", status: 400, code: "workspace_invalid"},
		"unknown":                       {path: "/w/nowhere/query", status: 404, code: "workspace_not_found"},
		"unknown tenant":                {path: "/w/nowhere.alpha/query", status: 404, code: "workspace_not_found"},
		"invisible":                     {key: guestKey, path: "/w/alpha/query", status: 404, code: "workspace_not_found"},
		"invisible tenant":              {key: acmeKey, path: "/w/default.alpha/query", status: 404, code: "workspace_not_found"},
		"invisible deleted":             {key: acmeKey, path: "/w/default.gone/query", status: 404, code: "workspace_not_found"},
		"own tenant by bare name":       {key: acmeKey, path: "/w/alpha/query", status: 200, worker: "gen-acme-alpha", echo: "acme.alpha"},
		"own tenant in another case":    {key: acmeKey, path: "/w/ACME.alpha/query", status: 200, worker: "gen-acme-alpha", echo: "acme.alpha"},
		"in two tenants":                {key: bothKey, path: "/w/alpha/query", status: 400, code: "workspace_ambiguous"},
		"in one of two tenants":         {key: bothKey, path: "/w/solo/query", status: 200, worker: "gen-acme-solo", echo: "acme.solo"},
		"in two, with the tenant":       {key: bothKey, path: "/w/acme.alpha/query", status: 200, worker: "gen-acme-alpha", echo: "acme.alpha"},
		"deleted":                       {path: "/w/gone/query", status: 410, code: "workspace_deleted"},
		"being provisioned":             {path: "/w/fresh/query", status: 503, code: "workspace_provisioning"},
		"no credential":                 {key: "none", path: "/w/alpha/query", status: 401, code: "unauthenticated"},
		"no credential, unknown":        {key: "none", path: "/w/nowhere/query", status: 401, code: "unauthenticated"},
		"wrong credential":              {key: "sk-wrong", path: "/w/alpha/query", status: 401, code: "unauthenticated"},
		"lacking permission":            {key: readerKey, path: "/w/alpha/upload", status: 403, code: "permission_denied", echo: "alpha"},
		"a route that no table names":   {key: readerKey, path: "/w/alpha/unnamed", status: 403, code: "permission_denied", echo: "alpha"},
		"the same for an admin":         {path: "/w/alpha/unnamed", status: 200, worker: "gen-alpha", echo: "alpha"},
		"an encoded slash":              {key: readerKey, path: "/w/alpha/query/a%2Fb", status: 403, code: "permission_denied", echo: "alpha"},
		"closed":                        {path: "/w/alpha/closed", status: 403, code: "route_closed", echo: "alpha"},
		"dot segments":                  {path: "/w/alpha/../beta/query", status: 400, code: "path_invalid"},
		"encoded dot segments":          {path: "/w/alpha/%2e%2e/beta/query", status: 400, code: "path_invalid"},
		"an empty segment":              {path: "/w//query", status: 400, code: "path_invalid"},
		"console on this listener":      {path: "/console/", status: 404, code: "not_found"},
		"metrics on this listener":      {path: "/metrics", status: 404, code: "not_found"},
		"console of a worker":           {path: "/w/alpha/console/", status: 200, worker: "gen-alpha", echo: "alpha"},
		"a longer word than w":          {path: "/workspace/", status: 200, worker: "gen-default", echo: "default"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(c *Settings) {
				if test.config != nil {
					test.config(c)
				}
			}))
			h := test.header.Clone()
			if h == nil {
				h = http.Header{}
			}
			if test.key != "" {
				h.Set("X-API-Key", test.key)
			}
			method := http.MethodGet
			if strings.HasSuffix(test.path, "/upload") {
				method = http.MethodPost
			}
			got := r.do(method, test.path, h, "")
			if got.status != test.status || got.code() != test.code || got.header.Get("Worker-Of") != test.worker || got.header.Get(header) != test.echo {
				t.Errorf("got %d %q by %q, echoed %q: %s", got.status, got.code(), got.header.Get("Worker-Of"), got.header.Get(header), got.body)
			}
			if got.header.Get("X-Request-Id") == "" {
				t.Error("the answer has no request id")
			}
			if created := r.dir.names(func(d *fakeDirectory) []string { return d.created }); created != nil {
				t.Errorf("%q were made", created)
			}
			if test.worker == "" && len(r.pool.wished()) > 0 {
				t.Error("a worker was asked for")
			}
			r.settled()
		})
	}
}

// The answer to a name that is not there and to one that may not be seen differs in nothing but the request's id, and
// the same questions are asked for both.
func TestSelection_UnknownAndInvisibleAreTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	ask := func(path string) answer {
		got := r.do(http.MethodGet, path, http.Header{"X-Api-Key": {acmeKey}, "X-Request-Id": {"same"}}, "")
		got.header.Del("Date")
		return got
	}
	unknown, invisible := ask("/w/default.nowhere/query"), ask("/w/default.alpha/query")
	if diff := cmp.Diff(unknown, invisible, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("unknown - invisible +\n%s", diff)
	}
	if unknown.status != http.StatusNotFound {
		t.Errorf("got %d", unknown.status)
	}
	want := []string{"default.nowhere", "default.alpha"}
	if diff := cmp.Diff(want, r.dir.names(func(d *fakeDirectory) []string { return d.lookups })); diff != "" {
		t.Errorf("look-ups: want - got +\n%s", diff)
	}
}

func TestSelection_CreatesForThoseWhoMay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		key, path string
		status    int
		created   []string
	}{
		"an admin":                    {adminKey, "/w/new/query", 200, []string{"new"}},
		"an admin in a tenant":        {adminKey, "/w/acme.new/query", 200, []string{"acme.new"}},
		"a tenant's own":              {acmeKey, "/w/new/query", 200, []string{"acme.new"}},
		"of several the default":      {bothKey, "/w/new/query", 200, []string{"new"}},
		"of several the named":        {bothKey, "/w/acme.new/query", 200, []string{"acme.new"}},
		"not in another's tenant":     {acmeKey, "/w/default.new/query", 404, nil},
		"not without the permission":  {readerKey, "/w/new/query", 404, nil},
		"not by a bound key":          {guestKey, "/w/new/query", 404, nil},
		"not a name that was deleted": {adminKey, "/w/gone/query", 410, nil},
		"not with an invalid name":    {adminKey, "/w/a%20b/query", 400, nil},
		"not what is there":           {adminKey, "/w/alpha/query", 200, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(c *Settings) { c.AutoCreate = true }))
			got := r.do(http.MethodGet, test.path, http.Header{"X-Api-Key": {test.key}}, "")
			if got.status != test.status {
				t.Errorf("got %d: %s", got.status, got.body)
			}
			if diff := cmp.Diff(test.created, r.dir.names(func(d *fakeDirectory) []string { return d.created })); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func TestSelection_RedirectsToTheRootOfAWorkspace(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	for path, want := range map[string]string{
		"/w/alpha": "/w/alpha/", "/w/alpha?a=b%20": "/w/alpha/?a=b%20", "/w/acme.solo": "/w/acme.solo/", "/w/nowhere": "/w/nowhere/",
	} {
		if got := r.do(http.MethodPost, path, nil, ""); got.status != http.StatusPermanentRedirect || got.header.Get("Location") != want {
			t.Errorf("%s: got %d to %q", path, got.status, got.header.Get("Location"))
		}
	}
}

func TestSelection_AnswersVaryByTheSelectorsHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		echo(w, r)
	})
	if got := r.get("/query").header.Values("Vary"); !cmp.Equal(got, []string{"Accept-Encoding", varyBySelection}) {
		t.Errorf("without a selector: got %q", got)
	}
	if got := r.get("/w/alpha/query").header.Values("Vary"); !cmp.Equal(got, []string{"Accept-Encoding"}) {
		t.Errorf("by path: got %q", got)
	}
}

func TestSelection_ReportsACatalogThatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.dir.err = workspace.ErrCatalogUnavailable
	got := r.get("/w/alpha/query")
	if got.status != http.StatusServiceUnavailable || got.code() != "catalog_unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %q, retry %q", got.status, got.code(), got.header.Get("Retry-After"))
	}
}
