package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// logIn sends the log-in's form as its own page does, unless the headers say otherwise.
func (r *rig) logIn(path string, h http.Header, form url.Values) answer {
	r.tb.Helper()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if _, set := h["Origin"]; !set && h.Get("Sec-Fetch-Site") == "" {
		h.Set("Sec-Fetch-Site", "same-origin")
		h.Set("Origin", "http://"+h.Get("Host"))
	}
	return r.do(http.MethodPost, path, h, form.Encode())
}

func TestLogIn_PageIsThePlainSameForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	var first string
	for _, host := range []string{alphaHost, "nowhere.localhost", "gone.localhost"} {
		got := r.do(http.MethodGet, "/.router/login?next=/query%3Fa%3D%22%3E", by(host, "Accept", pageAccept), "")
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: got %d %s", host, got.status, got.body)
		}
		if first == "" {
			first = got.body
		}
		if got.body != first {
			t.Errorf("%s has another page", host)
		}
		if !strings.Contains(got.body, `value="/query?a=&#34;&gt;"`) || strings.Contains(got.body, "<script") {
			t.Errorf("the page is %s", got.body)
		}
		policy := got.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%q is not in %q", want, policy)
			}
		}
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("the headers are %v", got.header)
		}
	}
	if looked := r.dir.names(func(d *fakeDirectory) []string { return d.lookups }); len(looked) > 0 || len(r.pool.wished()) > 0 {
		t.Errorf("for the page %q were looked up", looked)
	}
}

func TestLogIn_GivesACookieForThisHost(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	got := r.logIn("/.router/login", by(alphaHost), url.Values{"key": {" " + adminKey + "\n"}, "next": {"/query?a=b"}})
	want := "router_session=session+sk-admin+gen-alpha+default; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/query?a=b" || got.header.Get("Set-Cookie") != want {
		t.Fatalf("got %d to %q with %q", got.status, got.header.Get("Location"), got.header.Get("Set-Cookie"))
	}
	cookie, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if page := r.do(http.MethodGet, "/query", by(alphaHost, "Cookie", cookie), ""); page.status != http.StatusOK {
		t.Errorf("with the cookie: got %d", page.status)
	}
	out := r.logIn("/.router/logout", by(alphaHost, "Cookie", cookie), nil)
	if out.status != http.StatusSeeOther || out.header.Get("Location") != "/.router/login" || !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logging out: got %d, %v", out.status, out.header)
	}
	behindTLS := by(alphaHost, "Origin", "https://"+alphaHost)
	if got := r.logIn("/.router/login", behindTLS, url.Values{"key": {adminKey}}).header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-router_session=") || !strings.Contains(got, "; Secure;") {
		t.Errorf("behind TLS: got %q", got)
	}
}

func TestLogOut_HasAPageForPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	got := r.do(http.MethodGet, "/.router/logout", by(alphaHost, "Accept", pageAccept), "")
	if got.status != http.StatusOK || !strings.Contains(got.body, `<form method="post" action="/.router/logout">`) {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if set := got.header.Get("Set-Cookie"); set != "" {
		t.Errorf("a link to the page logs out: %q", set)
	}
	if strings.Contains(got.body, `name="key"`) || !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the page is %s, with %v", got.body, got.header)
	}
	got = r.do(http.MethodDelete, "/.router/logout", by(alphaHost), "")
	if got.status != http.StatusMethodNotAllowed {
		t.Errorf("another method: got %d, want 405", got.status)
	}
}

func TestLogIn_Refuses(t *testing.T) {
	t.Parallel()
	key := func(key string) url.Values { return url.Values{"key": {key}} }
	tests := map[string]struct {
		header http.Header
		path   string
		form   url.Values
		status int
		code   string // blank for the page
	}{
		"a wrong key":             {by(alphaHost), "/.router/login", key("sk-wrong"), 401, ""},
		"no key":                  {by(alphaHost), "/.router/login", nil, 401, ""},
		"a key too long":          {by(alphaHost), "/.router/login", key(strings.Repeat("a", 600)), 401, ""},
		"an unknown workspace":    {by("nowhere.localhost"), "/.router/login", key(adminKey), 401, ""},
		"an invisible one":        {by(alphaHost), "/.router/login", key(guestKey), 401, ""},
		"an unknown generation":   {by("ws-00000000000000000000000000000000.localhost"), "/.router/login", key(adminKey), 401, ""},
		"a deleted one":           {by("gone.localhost"), "/.router/login", key(adminKey), 401, ""},
		"a workspace to be made":  {by("new.localhost"), "/.router/login", key(adminKey), 401, ""},
		"an invalid label":        {by("a.b.c.localhost"), "/.router/login", key(adminKey), 400, "workspace_invalid"},
		"a cross-site form":       {by(alphaHost, "Sec-Fetch-Site", "cross-site"), "/.router/login", key(adminKey), 403, "cross_origin"},
		"another workspace's":     {by(alphaHost, "Sec-Fetch-Site", "same-site", "Origin", "http://beta.localhost"), "/.router/login", key(adminKey), 403, "cross_origin"},
		"another's, claiming":     {by(alphaHost, "Sec-Fetch-Site", "same-origin", "Origin", "http://beta.localhost"), "/.router/login", key(adminKey), 403, "cross_origin"},
		"from nowhere":            {by(alphaHost, "Sec-Fetch-Site", "none"), "/.router/login", key(adminKey), 403, "cross_origin"},
		"an origin of nobody":     {by(alphaHost, "Origin", "null"), "/.router/login", key(adminKey), 403, "cross_origin"},
		"too large":               {by(alphaHost), "/.router/login", key(strings.Repeat("a", 9<<10)), 413, "body_too_large"},
		"no form":                 {by(alphaHost, "Content-Type", "text/plain"), "/.router/login", key(adminKey), 400, "bad_request"},
		"a form of parts":         {by(alphaHost, "Content-Type", "multipart/form-data; boundary=x"), "/.router/login", key(adminKey), 400, "bad_request"},
		"on the bare listener":    {by("localhost"), "/.router/login", key(adminKey), 404, "not_found"},
		"under a prefix":          {by("localhost"), "/w/alpha/.router/login", key(adminKey), 404, "not_found"},
		"something else":          {by(alphaHost), "/.router/other", nil, 404, "not_found"},
		"the corner":              {by(alphaHost), "/.router", nil, 404, "not_found"},
		"a cross-site log-out":    {by(alphaHost, "Sec-Fetch-Site", "same-site"), "/.router/logout", nil, 403, "cross_origin"},
		"another path's selector": {by(alphaHost), "/w/beta/.router/login", key(adminKey), 400, "workspace_conflict"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(s *Settings) { s.AutoCreate = true }))
			got := r.logIn(test.path, test.header, test.form)
			if got.status != test.status || got.code() != test.code || got.header.Get("Set-Cookie") != "" {
				t.Errorf("got %d %q, cookie %q: %s", got.status, got.code(), got.header.Get("Set-Cookie"), got.body)
			}
			if test.code == "" && !strings.Contains(got.body, "not valid here") {
				t.Errorf("got %s", got.body)
			}
			if created := r.dir.names(func(d *fakeDirectory) []string { return d.created }); created != nil || len(r.pool.wished()) > 0 {
				t.Errorf("%q were made", created)
			}
		})
	}
}

func TestLogIn_SlowsDownWhoFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	for range 2 * logInBurst { // those that succeed cost nothing
		if got := r.logIn("/.router/login", by(alphaHost), url.Values{"key": {adminKey}}); got.status != http.StatusSeeOther {
			t.Fatalf("got %d", got.status)
		}
	}
	for range logInBurst {
		if got := r.logIn("/.router/login", by(alphaHost), url.Values{"key": {"sk-wrong"}}); got.status != http.StatusUnauthorized {
			t.Fatalf("got %d", got.status)
		}
	}
	got := r.logIn("/.router/login", by(alphaHost), url.Values{"key": {adminKey}})
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || got.header.Get("Set-Cookie") != "" {
		t.Errorf("got %d, retry %q", got.status, got.header.Get("Retry-After"))
	}
}

func TestThrottle_TellsNetworksApart(t *testing.T) {
	t.Parallel()
	limits, err := newThrottle()
	if err != nil {
		t.Fatal(err)
	}
	for range logInBurst + 3 {
		limits.failed("2001:db8::1")
	}
	for client, waits := range map[string]bool{"2001:db8::ffff": true, "2001:db8:0:1::1": false, "192.0.2.1": false, "": false} {
		if wait := limits.wait(client); wait > 0 != waits {
			t.Errorf("%q waits %v", client, wait)
		}
	}
}

func TestNavigation_LeadsToTheLogIn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, path string
		header       http.Header
		shared       bool
		status       int
		location     string
	}{
		"a page":                     {"GET", "/query?a=b&c", by(alphaHost, "Accept", pageAccept), false, 303, "/.router/login?next=%2Fquery%3Fa%3Db%26c"},
		"the root":                   {"GET", "/", by(alphaHost, "Accept", pageAccept), false, 303, "/.router/login"},
		"under the prefix there":     {"GET", "/w/alpha/query", by(alphaHost, "Accept", pageAccept), false, 303, "/.router/login?next=%2Fw%2Falpha%2Fquery"},
		"of an unknown workspace":    {"GET", "/query", by("nowhere.localhost", "Accept", pageAccept), false, 303, "/.router/login?next=%2Fquery"},
		"with an old session":        {"GET", "/query", by(alphaHost, "Accept", pageAccept, "Cookie", "router_session=old"), false, 303, "/.router/login?next=%2Fquery"},
		"with another's session":     {"GET", "/query", by("beta.localhost", "Accept", pageAccept, "Cookie", alphaSession), false, 303, "/.router/login?next=%2Fquery"},
		"with a guest's token":       {"GET", "/query", by(alphaHost, "Accept", pageAccept, "Authorization", "Bearer "+fakeGuest), false, 303, "/.router/login?next=%2Fquery"},
		"an API client":              {"GET", "/query", by(alphaHost, "Accept", "application/json"), false, 401, ""},
		"a form":                     {"POST", "/query", by(alphaHost, "Accept", pageAccept), false, 401, ""},
		"with a wrong key":           {"GET", "/query", http.Header{"X-Api-Key": {"sk-wrong"}, "Host": {alphaHost}, "Accept": {pageAccept}}, false, 401, ""},
		"on the bare listener":       {"GET", "/query", by("localhost", "Accept", pageAccept), false, 401, ""},
		"to its host":                {"GET", "/w/Alpha/query?a=b", by("localhost:9621", "Accept", pageAccept), false, 307, "//alpha.localhost:9621/query?a=b"},
		"to its host, the root":      {"GET", "/w/alpha", by("127.0.0.1:9621", "Accept", pageAccept), false, 307, "//alpha.localhost:9621/"},
		"to its host, with tenant":   {"GET", "/w/acme.solo/", by("[::1]:9621", "Accept", pageAccept), false, 307, "//acme.solo.localhost:9621/"},
		"to its host, encoded":       {"GET", "/w/alpha/a%2Fb", by("rag.example", "Accept", pageAccept), false, 307, "//alpha.rag.example/a%2Fb"},
		"to no host, no domain":      {"GET", "/w/alpha/", by("other.example", "Accept", pageAccept, "Authorization", "x"), false, 401, ""},
		"to no host, no label":       {"GET", "/w/no_label/", by("localhost", "Accept", pageAccept), false, 401, ""},
		"to no host, no name":        {"GET", "/w/a%20b/", by("localhost", "Accept", pageAccept), false, 400, ""},
		"with a key":                 {"GET", "/w/alpha/query", http.Header{"Accept": {pageAccept}}, false, 200, ""},
		"an API client, by path":     {"GET", "/w/alpha/query", by("localhost"), false, 401, ""},
		"shared, by path":            {"GET", "/w/alpha/query", by("localhost", "Accept", pageAccept), true, 303, "/w/alpha/.router/login?next=%2Fw%2Falpha%2Fquery"},
		"shared, an API client":      {"GET", "/w/alpha/query", by("localhost"), true, 401, ""},
		"shared, on the bare root":   {"GET", "/query", by("localhost", "Accept", pageAccept), true, 401, ""},
		"shared, the host still has": {"GET", "/query", by(alphaHost, "Accept", pageAccept), true, 303, "/.router/login?next=%2Fquery"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(s *Settings) { s.SharedOrigins, s.BaseDomain = test.shared, "rag.example" }))
			got := r.do(test.method, test.path, test.header, "")
			if got.status != test.status || got.header.Get("Location") != test.location {
				t.Errorf("got %d to %q: %s", got.status, got.header.Get("Location"), got.body)
			}
		})
	}
}

func TestLogIn_UnderThePrefixWhereOriginsAreShared(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withSettings(func(s *Settings) { s.SharedOrigins = true }))
	page := r.do(http.MethodGet, "/w/alpha/.router/login", by("localhost"), "")
	if page.status != http.StatusOK || !strings.Contains(page.body, `action="/w/alpha/.router/login"`) {
		t.Errorf("got %d %s", page.status, page.body)
	}
	got := r.logIn("/w/alpha/.router/login", by("localhost", "Sec-Fetch-Site", "same-origin"), url.Values{"key": {adminKey}})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/w/alpha/" || !strings.Contains(got.header.Get("Set-Cookie"), "; Path=/w/alpha;") {
		t.Errorf("got %d, %v", got.status, got.header)
	}
}

// Nothing that a link may carry leads away from the host after a log-in.
func TestLocalPath(t *testing.T) {
	t.Parallel()
	for path, local := range map[string]bool{
		"/": true, "/a/b?c=d#e": true, "/.//evil.example": true, "/@evil.example": true, "/%2f%2fevil": true,
		"": false, "a": false, "//evil.example": false, "///evil.example": false, `/\evil.example`: false, `\\evil.example`: false,
		"http://evil.example": false, "javascript:alert(1)": false, "/\t/evil.example": false, "/\n/evil.example": false, " /": false, "/ä": false,
		"/" + strings.Repeat("a", maxNext): false,
	} {
		want := ""
		if local {
			want = path
		}
		if got := localPath(path); got != want {
			t.Errorf("%q: got %q", path, got)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/a", "//x", "/\\x", "/\t/x", "/%0d%0aSet-Cookie:x", "/a:b@c"} {
		f.Add(seed)
	}
	base, err := url.Parse("http://alpha.localhost:9621/.router/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		local := localPath(path)
		if local == "" {
			return
		}
		if strings.ContainsAny(local, "\\\r\n\t ") {
			t.Errorf("%q was let through", local)
		}
		next, err := base.Parse(local)
		if err == nil && (next.Host != base.Host || next.Scheme != base.Scheme || next.User != nil) {
			t.Errorf("%q leads to %q", path, next)
		}
	})
}

func TestGuest_LightRAGsPagesAreToldToGoOn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, path string
		header       http.Header
		status       int
		body         string
	}{
		"bare":                         {"GET", "/auth-status", by("localhost"), 200, `{"auth_configured":false,"access_token":"a-guest","token_type":"bearer","auth_mode":"disabled",`},
		"bare, wrong key":              {"GET", "/auth-status", http.Header{"X-Api-Key": {"sk-wrong"}}, 200, `{"auth_configured":false,`},
		"bare, log-in":                 {"POST", "/login", by("localhost"), 200, `{"access_token":"a-guest","token_type":"bearer","auth_mode":"disabled",`},
		"on a host, nobody":            {"GET", "/auth-status", by(alphaHost), 200, `{"auth_configured":false,`},
		"on a host, a stale token":     {"GET", "/auth-status", by(alphaHost, "Authorization", "Bearer stale"), 200, `{"auth_configured":false,`},
		"on a host, a session":         {"GET", "/auth-status", by(alphaHost, "Cookie", alphaSession), 200, `{"auth_configured":false,`},
		"on a host, a key":             {"POST", "/login", http.Header{"Host": {alphaHost}}, 200, `{"access_token":"a-guest",`},
		"under a prefix":               {"GET", "/w/alpha/auth-status", by("localhost"), 200, `{"auth_configured":false,`},
		"an unknown one's":             {"GET", "/w/nowhere/auth-status", by("localhost"), 200, `{"auth_configured":false,`},
		"by another method":            {"POST", "/auth-status", by("localhost"), 401, "{"},
		"reading the log-in":           {"GET", "/login", by("localhost"), 401, "{"},
		"another kind's own, by a key": {"GET", "/w/plain/auth-status", nil, 404, "{"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			got := r.do(test.method, test.path, test.header, "")
			if got.status != test.status || !strings.HasPrefix(got.body, test.body) {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if len(r.pool.wished()) > 0 {
				t.Error("a worker was asked for")
			}
		})
	}
}

// A kind without such routes answers on them itself.
func TestGuest_OtherKindsKeepTheirOwnRoutes(t *testing.T) {
	t.Parallel()
	plain := strings.ReplaceAll(strings.ReplaceAll(testKind, "path: /auth-status", "path: /x1"), "path: /login", "path: /x2")
	r := newRig(t, echo, withKind(plain))
	for path, want := range map[string]string{"/auth-status": "GET /auth-status ", "/query": "GET /query "} {
		if got := r.do(http.MethodGet, path, http.Header{"Host": {alphaHost}}, ""); got.status != http.StatusOK || got.body != want {
			t.Errorf("got %d %q", got.status, got.body)
		}
	}
}

// Without sessions there is no log-in, and nothing else changes.
func TestSessions_MayBeLeftOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, func(r *rig) { r.deps.Sessions = nil })
	for path, status := range map[string]int{"/query": 401, "/.router/login": 404, "/auth-status": 401} {
		if got := r.do(http.MethodGet, path, by(alphaHost, "Cookie", alphaSession, "Accept", pageAccept), ""); got.status != status {
			t.Errorf("%s: got %d", path, got.status)
		}
	}
	if got := r.do(http.MethodGet, "/query", http.Header{"Host": {alphaHost}}, ""); got.status != http.StatusOK {
		t.Errorf("with a key: got %d", got.status)
	}
}
