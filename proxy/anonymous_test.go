package proxy

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/workspace"
)

func withAnonymous(reach Anonymous) rigOption {
	return withSettings(func(s *Settings) { s.Anonymous, s.BaseDomain, s.AutoCreate = reach, "rag.example", true })
}

// noKey is the header of a request that shows none; the rig's client sends one unless it is told.
func noKey(more ...string) http.Header {
	h := http.Header{"X-Api-Key": nil}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

func TestAnonymous_ReachesWhatItMayAndNothingElse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reach        Anonymous
		method, path string
		header       http.Header
		status       int
		code, worker string
	}{
		"nothing":                   {AnonymousNothing, "GET", "/query", noKey(), 401, "unauthenticated", ""},
		"the default workspace":     {AnonymousWorkspace, "GET", "/query", noKey(), 200, "", "gen-default"},
		"its writes":                {AnonymousWorkspace, "POST", "/upload", noKey(), 200, "", "gen-default"},
		"by its name":               {AnonymousWorkspace, "GET", "/w/default/query", noKey(), 200, "", "gen-default"},
		"by its host":               {AnonymousWorkspace, "GET", "/query", noKey("Host", "default.localhost"), 200, "", "gen-default"},
		"its health":                {AnonymousWorkspace, "GET", "/health", noKey(), 200, "", "gen-default"},
		"a route of operators":      {AnonymousWorkspace, "GET", "/unknown", noKey(), 403, "permission_denied", ""},
		"another":                   {AnonymousWorkspace, "GET", "/w/alpha/query", noKey(), 401, "unauthenticated", ""},
		"another by its header":     {AnonymousWorkspace, "GET", "/query", noKey("LIGHTRAG-WORKSPACE", "alpha"), 401, "unauthenticated", ""},
		"another by its host":       {AnonymousWorkspace, "GET", "/query", noKey("Host", "alpha.localhost"), 401, "unauthenticated", ""},
		"another tenant's":          {AnonymousWorkspace, "GET", "/w/acme.alpha/query", noKey(), 401, "unauthenticated", ""},
		"an unknown one":            {AnonymousWorkspace, "GET", "/w/nowhere/query", noKey(), 401, "unauthenticated", ""},
		"a deleted one":             {AnonymousWorkspace, "GET", "/w/gone/query", noKey(), 401, "unauthenticated", ""},
		"a wrong key":               {AnonymousWorkspace, "GET", "/query", noKey("X-API-Key", "wrong"), 401, "unauthenticated", ""},
		"an empty key":              {AnonymousWorkspace, "GET", "/query", noKey("X-API-Key", ""), 401, "unauthenticated", ""},
		"a right key":               {AnonymousWorkspace, "GET", "/w/alpha/query", noKey("X-API-Key", adminKey), 200, "", "gen-alpha"},
		"a wrong token":             {AnonymousWorkspace, "GET", "/query", noKey("Authorization", "Bearer wrong"), 401, "unauthenticated", ""},
		"a password":                {AnonymousWorkspace, "GET", "/query", noKey("Authorization", "Basic YTpi"), 401, "unauthenticated", ""},
		"a guest's token":           {AnonymousWorkspace, "GET", "/query", noKey("Authorization", "Bearer "+fakeGuest), 200, "", "gen-default"},
		"a cookie of nobody's":      {AnonymousWorkspace, "GET", "/query", noKey("Cookie", "router_session=old"), 200, "", "gen-default"},
		"the tenant":                {AnonymousTenant, "GET", "/w/alpha/query", noKey(), 200, "", "gen-alpha"},
		"the tenant's new one":      {AnonymousTenant, "GET", "/w/fresh-one/query", noKey(), 200, "", "new-fresh-one"},
		"the tenant, not another":   {AnonymousTenant, "GET", "/w/acme.alpha/query", noKey(), 401, "unauthenticated", ""},
		"the tenant's deleted":      {AnonymousTenant, "GET", "/w/gone/query", noKey(), 410, "workspace_deleted", ""},
		"the tenant's default":      {AnonymousTenant, "GET", "/query", noKey(), 200, "", "gen-default"},
		"a page of its own":         {AnonymousWorkspace, "POST", "/upload", noKey("Origin", "http://default.localhost", "Host", "default.localhost", "Sec-Fetch-Site", "same-origin"), 200, "", "gen-default"},
		"a page that is opened":     {AnonymousWorkspace, "GET", "/query", noKey("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 200, "", "gen-default"},
		"a typed address":           {AnonymousWorkspace, "GET", "/query", noKey("Sec-Fetch-Site", "none"), 200, "", "gen-default"},
		"a foreign page":            {AnonymousWorkspace, "POST", "/upload", noKey("Origin", "https://evil.example"), 401, "unauthenticated", ""},
		"a page of no origin":       {AnonymousWorkspace, "POST", "/upload", noKey("Origin", "null"), 401, "unauthenticated", ""},
		"another port's page":       {AnonymousWorkspace, "GET", "/query", noKey("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"), 401, "unauthenticated", ""},
		"a foreign image":           {AnonymousWorkspace, "GET", "/query", noKey("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), 401, "unauthenticated", ""},
		"a foreign frame":           {AnonymousWorkspace, "GET", "/query", noKey("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), 401, "unauthenticated", ""},
		"a foreign form":            {AnonymousWorkspace, "POST", "/upload", noKey("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 401, "unauthenticated", ""},
		"a bent name":               {AnonymousWorkspace, "GET", "/query", noKey("Host", "evil.example"), 421, "misdirected_request", ""},
		"a bent name with a port":   {AnonymousWorkspace, "GET", "/query", noKey("Host", "default.localhost.evil.example:9621"), 421, "misdirected_request", ""},
		"a bent name and a guest's": {AnonymousWorkspace, "GET", "/query", noKey("Host", "evil.example", "Authorization", "Bearer "+fakeGuest), 401, "unauthenticated", ""},
		"a bent name and health":    {AnonymousWorkspace, "GET", "/health", noKey("Host", "evil.example"), 421, "misdirected_request", ""},
		"the base domain":           {AnonymousWorkspace, "GET", "/query", noKey("Host", "rag.example"), 200, "", "gen-default"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withAnonymous(test.reach))
			got := r.do(test.method, test.path, test.header, "")
			if got.status != test.status || got.code() != test.code || got.header.Get("Worker-Of") != test.worker {
				t.Errorf("got %d %q by %q: %s", got.status, got.code(), got.header.Get("Worker-Of"), got.body)
			}
			if test.worker == "" && got.header.Get("LIGHTRAG-WORKSPACE") != "" && test.status == 401 {
				t.Errorf("the answer names %q", got.header.Get("LIGHTRAG-WORKSPACE"))
			}
			r.settled()
		})
	}
}

// What may be there and what is not are the same answer, header by header.
func TestAnonymous_CannotTellOtherWorkspacesApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withAnonymous(AnonymousWorkspace))
	want := r.do(http.MethodGet, "/w/nowhere/query", noKey(), "")
	for _, name := range []string{"alpha", "gone", "fresh", "acme.alpha", "acme.nowhere", "nobody.alpha"} {
		got := r.do(http.MethodGet, "/w/"+name+"/query", noKey(), "")
		withoutID := func(a answer) string { return strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "") }
		if got.status != want.status || withoutID(got) != withoutID(want) {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, want.status, want.body)
		}
	}
}

// Without a default workspace there is nothing to reach, and the strict mode holds for everybody.
func TestAnonymous_DefaultWorkspaceDecides(t *testing.T) {
	t.Parallel()
	missing := newRig(t, echo, withAnonymous(AnonymousWorkspace), withSettings(func(s *Settings) { s.DefaultWorkspace = "nowhere" }))
	if got := missing.do(http.MethodGet, "/query", noKey(), ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a default workspace: %d %s", got.status, got.body)
	}
	strict := newRig(t, echo, withAnonymous(AnonymousWorkspace), withSettings(func(s *Settings) { s.AllowDefault = false }))
	if got := strict.do(http.MethodGet, "/query", noKey(), ""); got.code() != "workspace_required" {
		t.Errorf("in strict mode: %d %s", got.status, got.body)
	}
	if got := strict.do(http.MethodGet, "/w/default/query", noKey(), ""); got.status != http.StatusOK {
		t.Errorf("in strict mode, named: %d %s", got.status, got.body)
	}
	failing := newRig(t, echo, withAnonymous(AnonymousWorkspace))
	failing.dir.fail(workspace.ErrCatalogUnavailable)
	if got := failing.do(http.MethodGet, "/query", noKey(), ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("without a catalog: %d %s", got.status, got.body)
	}
}

// On an address that others reach a page can bend its own name to it as well: without a credential, only names count that
// nobody can bend.
func TestKnownHost_OffLoopback(t *testing.T) {
	t.Parallel()
	r := newParts(t, echo)
	c := &chain{deps: r.deps}
	for host, want := range map[string]bool{
		"192.0.2.7:9621": true, "[2001:db8::7]:9621": true, "ragserver:9621": true, "rag.example": true, "alpha.rag.example:80": true,
		"evil.example": false, "192.0.2.7.evil.example": false, "rag.example.evil.example": false, "": false,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		if got := c.knownHost(request, &Settings{BaseDomain: "rag.example", Anonymous: AnonymousWorkspace}); got != want {
			t.Errorf("%q: got %v", host, got)
		}
		if !c.knownHost(request, &Settings{BaseDomain: "rag.example"}) {
			t.Errorf("%q is refused although nothing is to be had", host)
		}
	}
}

// Without a credential a listener for projects opens projects, and no workspace of another kind beside them.
func TestAnonymous_OfProjectsOpensProjectsOnly(t *testing.T) {
	t.Parallel()
	projects := withConfig(func(c *Config) {
		c.Projects = &Projects{ListAt: "/api/v1/projects", List: func(context.Context, *workspace.Principal) (any, error) { return []string{}, nil }}
	})
	for _, test := range []struct {
		projectKind string
		header      http.Header
		status      int
	}{
		{"", noKey(), 200}, {"another", noKey(), 401}, {"another", nil, 200},
	} {
		r := newRig(t, echo, withAnonymous(AnonymousTenant), projects, withSettings(func(s *Settings) { s.DefaultKind = cmp.Or(test.projectKind, s.DefaultKind) }))
		for _, path := range []string{"/w/alpha/query", "/query"} {
			got := r.do(http.MethodGet, path, test.header, "")
			if got.status != test.status || (got.header.Get("LIGHTRAG-WORKSPACE") != "") != (test.status == 200) {
				t.Errorf("%+v: %s: got %d of %q: %s", test, path, got.status, got.header.Get("LIGHTRAG-WORKSPACE"), got.body)
			}
		}
		r.settled()
	}
}
