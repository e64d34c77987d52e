package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reflect answers with the request's headers as the worker saw them.
func reflect(w http.ResponseWriter, r *http.Request) {
	h := r.Header.Clone()
	h.Set("Host", r.Host)
	_ = json.NewEncoder(w).Encode(h)
}

func seen(t *testing.T, got answer) http.Header {
	t.Helper()
	var h http.Header
	if err := json.Unmarshal([]byte(got.body), &h); err != nil {
		t.Fatalf("got %d %q: %v", got.status, got.body, err)
	}
	return h
}

// Every header that must not reach a worker, in every spelling that one might take for it.
func TestRequestHeaders_DangerousOnesDoNotReachTheWorker(t *testing.T) {
	t.Parallel()
	dangerous := []string{
		"Authorization", "X-API-Key", "X-Chroma-Token", "Cookie", "Proxy-Authorization", "Proxy-Connection", "Proxy-Anything", "Proxy",
		"X-Workspace-ID", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix",
		"X-Forwarded-Port", "X-Forwarded-User", "X-Real-IP", "True-Client-IP", "Remote-User", "X-Original-URL", "X-Rewrite-URL",
		"X-HTTP-Method-Override", "X-Method-Override", "HTTP2-Settings", "X-Router-Error", "X-Secret-Thing", "X-Worker-Key",
		"TE", "Trailer", "X-Auth-Request-User", "X-Auth-Request-Access-Token", "X-WebAuth-User", "X-SSL-Client-Cert", "X-SSL-Client-S-DN",
	}
	r := newRig(t, reflect)
	for _, name := range dangerous {
		canonical := http.CanonicalHeaderKey(name)
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", "_", 1)} {
			const value = "planted"
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/w/alpha/query", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header["X-Api-Key"] = []string{adminKey}
			if canonical == "X-Workspace-Id" && !strings.Contains(spelling, "_") {
				request.Header["Lightrag-Workspace"] = []string{"alpha"} // so that the planted name does not select
			}
			if canonical != "X-Api-Key" || strings.Contains(spelling, "_") {
				request.Header[spelling] = []string{value}
			}
			for got, values := range seen(t, r.send(request)) {
				folded := http.CanonicalHeaderKey(strings.ReplaceAll(got, "_", "-"))
				if strings.Contains(strings.Join(values, " "), value) || folded == "X-Api-Key" || folded == "Lightrag-Workspace" {
					t.Errorf("%q reached the worker as %s: %q", spelling, got, values)
				}
			}
		}
	}
}

func TestRequestHeaders_SayTheTruthAboutTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, reflect)
	got := seen(t, r.do(http.MethodGet, "/w/alpha/query", http.Header{
		"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil"}, "X-Forwarded-Prefix": {"/evil"},
		"Host": {"rag.example:99"}, "X-Request-Id": {"client-1"}, "Traceparent": {"00-a-b-01"}, "X-Mine": {"kept"}, "User-Agent": {"me"},
		"Accept-Encoding": {"br"},
	}, ""))
	want := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"rag.example:99"}, "X-Forwarded-Prefix": {"/w/alpha"},
		"Host": {"rag.example:99"}, "X-Request-Id": {"client-1"}, "Traceparent": {"00-a-b-01"}, "X-Mine": {"kept"}, "User-Agent": {"me"},
		"Accept-Encoding": {"br"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	plain := seen(t, r.get("/query"))
	for _, name := range []string{"X-Forwarded-Prefix", "Traceparent"} {
		if plain.Get(name) != "" {
			t.Errorf("%s was invented: %q", name, plain.Get(name))
		}
	}
}

// A header that the client lists in Connection goes no further, but the router's own are not taken away by that.
func TestRequestHeaders_ConnectionListsOnlyTheClientsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, reflect)
	got := seen(t, r.do(http.MethodGet, "/w/alpha/query", http.Header{
		"Connection": {"X-Hop, X-Forwarded-For, X-Request-Id"}, "X-Hop": {"1"}, "X-End": {"2"},
	}, ""))
	if got.Get("X-Hop") != "" || got.Get("X-End") != "2" || got.Get("X-Forwarded-For") != "127.0.0.1" || got.Get("X-Request-Id") == "" {
		t.Errorf("got %v", got)
	}
}

func TestRequestID_IsTakenWhereItIsSane(t *testing.T) {
	t.Parallel()
	r := newRig(t, reflect)
	for id, taken := range map[string]bool{
		"a": true, "A-1_b.c": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "": false, "ä": false,
	} {
		got := r.do(http.MethodGet, "/query", http.Header{"X-Request-Id": {id}}, "")
		echoed := got.header.Get("X-Request-Id")
		if (echoed == id) != taken || !saneRequestID(echoed) || seen(t, got).Get("X-Request-Id") != echoed {
			t.Errorf("%q: echoed %q, the worker saw %q", id, echoed, seen(t, got).Get("X-Request-Id"))
		}
	}
	if a, b := requestID(http.Header{}), requestID(http.Header{}); a == b {
		t.Error("two requests got the same id")
	}
}

func TestResponseHeaders_AWorkerSpeaksOnlyForItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{
			"Service-Worker-Allowed", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Access-Control-Allow-Origin",
			"Access-Control-Allow-Credentials", "NEL", "Report-To", "X-Router-Error", "Keep-Alive",
		} {
			w.Header().Set(name, "planted")
		}
		w.Header().Set("X-Request-Id", "planted")
		w.Header().Set("LIGHTRAG-WORKSPACE", "planted")
		w.Header().Set("X-Kept", "kept")
	})
	got := r.get("/w/alpha/query").header
	for name, values := range got {
		if strings.Contains(strings.Join(values, " "), "planted") {
			t.Errorf("%s came through", name)
		}
	}
	if got.Get("X-Kept") != "kept" || len(got.Values("LIGHTRAG-WORKSPACE")) != 1 || len(got.Values("X-Request-Id")) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestRewriteLocation(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"/webui/":                     "/w/a/webui/",
		"/":                           "/w/a/",
		"/?x=/y":                      "/w/a/?x=/y",
		"/w/a/webui/":                 "/w/a/webui/",
		"/w/a":                        "/w/a",
		"/w/a?x":                      "/w/a?x",
		"/w/ab/":                      "/w/a/w/ab/",
		"webui/":                      "webui/",
		"../x":                        "../x",
		"?page=2":                     "?page=2",
		"http://rag:9/webui/":         "http://rag:9/w/a/webui/",
		"https://RAG:9/webui/?a=b#c":  "https://RAG:9/w/a/webui/?a=b#c",
		"http://rag:9":                "http://rag:9/w/a/",
		"http://rag:9?x":              "http://rag:9/w/a?x",
		"//rag:9/x":                   "//rag:9/w/a/x",
		"http://rag/x":                "http://rag/x",
		"http://elsewhere:9/x":        "http://elsewhere:9/x",
		"//elsewhere/x":               "//elsewhere/x",
		"mailto:a@b":                  "mailto:a@b",
		"ftp://rag:9/x":               "ftp://rag:9/x",
		"http://rag:9/w/a/x":          "http://rag:9/w/a/x",
		"/%zz":                        "/%zz",
		"/caf%C3%A9?q=%2F":            "/w/a/caf%C3%A9?q=%2F",
		"http://user@rag:9/x":         "http://user@rag:9/w/a/x",
		"/redirect?to=http://rag:9/x": "/w/a/redirect?to=http://rag:9/x",
	} {
		if got := rewriteLocation(location, "/w/a", "rag:9"); got != want {
			t.Errorf("%q: got %q, want %q", location, got, want)
		}
	}
}

func TestRewriteCookie(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ cookie, prefix, want string }{
		{"a=b", "/w/a", "a=b"},
		{"a=b; Path=/; HttpOnly", "/w/a", "a=b; Path=/w/a/; HttpOnly"},
		{"a=b; path=/x ;Secure", "/w/a", "a=b; Path=/w/a/x;Secure"},
		{"a=b; Path=/w/a/x", "/w/a", "a=b; Path=/w/a/x"},
		{"a=b; Path=/x", "", "a=b; Path=/x"},
		{"a=b; Domain=example.com; Max-Age=1", "", "a=b; Max-Age=1"},
		{"a=b; DOMAIN =.example.com", "/w/a", "a=b"},
		{"domain=x; Path=y", "/w/a", "domain=x; Path=y"},
		{`a="x; domain=y"`, "/w/a", `a="x`},
	} {
		if got := rewriteCookie(test.cookie, test.prefix); got != test.want {
			t.Errorf("%q: got %q, want %q", test.cookie, got, test.want)
		}
	}
}

// References under a prefix come back to the client in a form that it can follow; without one they are left alone.
func TestResponseHeaders_ReferencesFollowThePrefix(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/webui/")
		w.Header().Set("Content-Location", "/a")
		w.Header().Add("Set-Cookie", "s=1; Path=/; Domain=example.com")
		w.Header().Add("Set-Cookie", "t=2")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for path, prefix := range map[string]string{"/w/alpha/query": "/w/alpha", "/query": ""} {
		got := r.get(path).header
		host := strings.TrimPrefix(r.url, "http://")
		want := http.Header{
			"Location": {"http://" + host + prefix + "/webui/"}, "Content-Location": {prefix + "/a"},
			"Set-Cookie": {fmt.Sprintf("s=1; Path=%s/", prefix), "t=2"},
		}
		for name := range want {
			if diff := cmp.Diff(want[name], got[name]); diff != "" {
				t.Errorf("%s: %s: want - got +\n%s", path, name, diff)
			}
		}
	}
}
