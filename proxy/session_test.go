package proxy

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

const (
	alphaHost    = "alpha.localhost"
	alphaSession = "router_session=session+" + adminKey + "+gen-alpha+default"
	pageAccept   = "text/html,application/xhtml+xml,*/*;q=0.8"
)

// by makes the headers of a request without a key.
func by(host string, pairs ...string) http.Header {
	h := http.Header{"X-Api-Key": {"none"}, "Host": {host}}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// TestSession_WhereTheCookieCounts goes through what a browser, a page of another workspace and a thief can send.
func TestSession_WhereTheCookieCounts(t *testing.T) {
	t.Parallel()
	const wrong, other = "router_session=session+sk-wrong+gen-alpha+default", "router_session=session+" + adminKey + "+gen-beta+default"
	tests := map[string]struct {
		method, path string
		header       http.Header
		shared       bool
		status       int
		code         string
	}{
		"on its host":                    {"GET", "/query", by(alphaHost, "Cookie", alphaSession), false, 200, ""},
		"on its host, by TLS's name":     {"GET", "/query", by(alphaHost, "Cookie", "__Host-"+alphaSession), false, 200, ""},
		"among others":                   {"GET", "/query", by(alphaHost, "Cookie", "a=b; "+wrong+"; "+alphaSession), false, 200, ""},
		"on its host, under its prefix":  {"GET", "/w/alpha/query", by(alphaHost, "Cookie", alphaSession), false, 200, ""},
		"on its host, another prefix":    {"GET", "/w/beta/query", by(alphaHost, "Cookie", alphaSession), false, 400, "workspace_conflict"},
		"with a guest's token beside":    {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Authorization", "Bearer "+fakeGuest), false, 200, ""},
		"a guest's token alone":          {"GET", "/query", by(alphaHost, "Authorization", "Bearer "+fakeGuest), false, 401, "unauthenticated"},
		"with another token beside":      {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Authorization", "Bearer x"), false, 401, "unauthenticated"},
		"guest's token on no host":       {"GET", "/query", by("localhost", "Authorization", "Bearer "+fakeGuest), false, 401, "unauthenticated"},
		"an invalid one":                 {"GET", "/query", by(alphaHost, "Cookie", wrong), false, 401, "unauthenticated"},
		"on another's host":              {"GET", "/query", by("beta.localhost", "Cookie", alphaSession), false, 401, "unauthenticated"},
		"on an unknown host":             {"GET", "/query", by("nowhere.localhost", "Cookie", alphaSession), false, 401, "unauthenticated"},
		"another's on its host":          {"GET", "/query", by(alphaHost, "Cookie", other), false, 401, "unauthenticated"},
		"on the bare listener":           {"GET", "/query", by("localhost", "Cookie", alphaSession), false, 401, "unauthenticated"},
		"on the router's own routes":     {"GET", "/w/alpha/query", by("127.0.0.1", "Cookie", alphaSession), false, 401, "unauthenticated"},
		"under the prefix":               {"GET", "/w/alpha/query", by("localhost", "Cookie", alphaSession), false, 401, "unauthenticated"},
		"under the prefix, shared":       {"GET", "/w/alpha/query", by("localhost", "Cookie", alphaSession), true, 200, ""},
		"another's prefix, shared":       {"GET", "/w/beta/query", by("localhost", "Cookie", alphaSession), true, 401, "unauthenticated"},
		"bare, shared":                   {"GET", "/query", by("localhost", "Cookie", alphaSession), true, 401, "unauthenticated"},
		"no more than the data":          {"GET", "/unnamed", by(alphaHost, "Cookie", alphaSession), false, 403, "permission_denied"},
		"as a header's credential":       {"GET", "/query", by(alphaHost, "Authorization", "Bearer session+"+adminKey+"+gen-alpha+default"), false, 401, "unauthenticated"},
		"sent by its own page":           {"POST", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "same-origin", "Origin", "http://alpha.localhost"), false, 200, ""},
		"typed in":                       {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "none"), false, 200, ""},
		"a link elsewhere":               {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), false, 200, ""},
		"a frame elsewhere":              {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), false, 403, "cross_origin"},
		"a form elsewhere":               {"POST", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), false, 403, "cross_origin"},
		"an image elsewhere":             {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), false, 403, "cross_origin"},
		"a script's fetch elsewhere":     {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Origin", "http://beta.localhost"), false, 403, "cross_origin"},
		"another port's page":            {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Origin", "http://alpha.localhost:8080"), false, 403, "cross_origin"},
		"a page without an origin":       {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Origin", "null"), false, 403, "cross_origin"},
		"an origin that only begins so":  {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Origin", "http://alpha.localhost.evil.example"), false, 403, "cross_origin"},
		"two origins":                    {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Origin", "http://alpha.localhost", "Origin", "http://beta.localhost"), false, 403, "cross_origin"},
		"an old browser, reading":        {"GET", "/query", by(alphaHost, "Cookie", alphaSession), false, 200, ""},
		"an old browser, writing":        {"POST", "/upload", by(alphaHost, "Cookie", alphaSession), false, 403, "cross_origin"},
		"an old browser, own page":       {"POST", "/upload", by(alphaHost, "Cookie", alphaSession, "Origin", "https://alpha.localhost"), false, 200, ""},
		"a service worker for all":       {"GET", "/query", by(alphaHost, "Cookie", alphaSession, "Service-Worker", "script", "Sec-Fetch-Site", "same-origin"), false, 403, "cross_origin"},
		"a service worker for a part":    {"GET", "/query/sw.js", by(alphaHost, "Cookie", alphaSession, "Service-Worker", "script", "Sec-Fetch-Site", "same-origin"), false, 200, ""},
		"a service worker, prefix":       {"GET", "/w/alpha/query", by("localhost", "Cookie", alphaSession, "Service-Worker", "script"), true, 403, "cross_origin"},
		"a key beside it decides alone":  {"GET", "/query", http.Header{"Host": {alphaHost}, "X-Api-Key": {"sk-wrong"}, "Cookie": {alphaSession}}, false, 401, "unauthenticated"},
		"a key needs no origin":          {"POST", "/query", http.Header{"Host": {alphaHost}, "X-Api-Key": {adminKey}, "Cookie": {alphaSession}, "Origin": {"http://beta.localhost"}}, false, 200, ""},
		"a key beside another's session": {"GET", "/query", http.Header{"Host": {alphaHost}, "X-Api-Key": {adminKey}, "Cookie": {other}}, false, 200, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo, withSettings(func(s *Settings) { s.SharedOrigins = test.shared }))
			got := r.do(test.method, test.path, test.header, "")
			if got.status != test.status || got.code() != test.code {
				t.Errorf("got %d %q: %s", got.status, got.code(), got.body)
			}
			if test.status == 200 && got.header.Get("Worker-Of") != "gen-alpha" {
				t.Errorf("%q answered", got.header.Get("Worker-Of"))
			}
			r.settled()
		})
	}
}

func TestSession_DoesNotCountOnABoundListener(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withConfig(func(c *Config) { c.Bound = "alpha" }))
	if got := r.do(http.MethodGet, "/query", by(alphaHost, "Cookie", alphaSession), ""); got.status != http.StatusUnauthorized {
		t.Errorf("got %d", got.status)
	}
	if got := r.do(http.MethodGet, "/.router/login", by(alphaHost), ""); got.status != http.StatusNotFound || got.code() != "not_found" {
		t.Errorf("the log-in: got %d", got.status)
	}
}

func TestSession_EndsWhileTheRequestWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.pool.refuse(func(ctx context.Context, _ workspace.Ref, wish supervisor.Wish) error {
		r.auth.revoked.Store(true)
		return wish.Recheck(ctx)
	})
	if got := r.do(http.MethodGet, "/query", by(alphaHost, "Cookie", alphaSession), ""); got.status != http.StatusUnauthorized {
		t.Errorf("got %d", got.status)
	}
}

// A WebSocket is not held by CORS: only its Origin tells whose page opens it.
func TestSession_WebSocketsNeedTheirOwnOrigin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		origin, site string
		status       int
	}{
		"its own page":        {"http://alpha.localhost", "same-origin", 200},
		"another workspace's": {"http://beta.localhost", "same-site", 403},
		"another's, claiming": {"http://beta.localhost", "same-origin", 403},
		"nobody's":            {"", "", 403},
		"nobody's, claiming":  {"", "same-origin", 403},
	} {
		r := newRig(t, echo)
		h := by(alphaHost, "Cookie", alphaSession, "Connection", "Upgrade", "Upgrade", "websocket")
		if test.origin != "" {
			h.Set("Origin", test.origin)
		}
		if test.site != "" {
			h.Set("Sec-Fetch-Site", test.site)
		}
		if got := r.do(http.MethodGet, "/query", h, ""); got.status != test.status {
			t.Errorf("%s: got %d: %s", name, got.status, got.body)
		}
	}
}

// The router's cookie reaches no worker and no worker can set it; the worker's own come and go on its host only.
func TestSession_CookiesGoToWhomTheyBelong(t *testing.T) {
	t.Parallel()
	worker := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "router_session=stolen; Path=/")
		w.Header().Add("Set-Cookie", "__Host-router_session=stolen; Path=/; Secure")
		w.Header().Add("Set-Cookie", "own=1; Path=/; Domain=localhost")
		w.Header().Set("Seen-Cookie", r.Header.Get("Cookie"))
	}
	for name, test := range map[string]struct {
		path   string
		header http.Header
		seen   string
	}{
		"on the host":        {"/query", by(alphaHost, "Cookie", "a=1; "+alphaSession+"; b=\"2\"", "Cookie", "Router_Session=x; __Host-router_session=y"), `a=1; b="2"`},
		"only the router's":  {"/query", by(alphaHost, "Cookie", alphaSession), ""},
		"with a key":         {"/query", http.Header{"Host": {alphaHost}, "Cookie": {"a=1; " + alphaSession}}, "a=1"},
		"on a shared origin": {"/w/alpha/query", http.Header{"Cookie": {"a=1; " + alphaSession}}, ""},
	} {
		r := newRig(t, worker)
		got := r.do(http.MethodGet, test.path, test.header, "")
		if got.status != http.StatusOK || got.header.Get("Seen-Cookie") != test.seen {
			t.Errorf("%s: got %d, the worker saw %q", name, got.status, got.header.Get("Seen-Cookie"))
		}
		if set := got.header.Values("Set-Cookie"); len(set) != 1 || !strings.HasPrefix(set[0], "own=1;") {
			t.Errorf("%s: the worker set %q", name, set)
		}
	}
}

func TestSession_AnswersVaryByTheCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	if got := r.do(http.MethodGet, "/query", by(alphaHost, "Cookie", alphaSession), ""); got.header.Get("Vary") != "Cookie" {
		t.Errorf("got %q", got.header.Get("Vary"))
	}
}
