package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
	"workspace-router/test/browser/chromium"
)

// ground is a router over the worker of the tests, and a visitor who is logged in at two workspaces: at alpha's, which is
// theirs, and at beta's, whose pages are hostile.
type ground struct {
	*testkit.Router
	visitor     *chromium.Visitor
	alpha, beta tab
}

// newGround makes it, with the workspaces' hosts below the domain.
func newGround(t *testing.T, domain string) *ground {
	t.Helper()
	environment := []string{
		"ROUTER_KIND_FILES=" + filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"), "ROUTER_DEFAULT_KIND=hostile",
	}
	if domain != "localhost" {
		environment = append(environment, "ROUTER_BASE_DOMAIN="+domain)
	}
	g := &ground{Router: testkit.StartRouter(t, binaries, filepath.Join(testkit.ShortDir(t), "data"), environment...)}
	createWorkspace(t, g.Router, "alpha")
	createWorkspace(t, g.Router, "beta")
	alpha, beta := host(t, g.Router, "alpha."+domain), host(t, g.Router, "beta."+domain)
	g.visitor = chromium.Start(t, program,
		"--host-resolver-rules=MAP *."+domain+" 127.0.0.1, MAP *.rebound.example 127.0.0.1",
		// As over TLS, which is not needed for anything else here: the browser says by Sec-Fetch-Site where requests come from.
		"--unsafely-treat-insecure-origin-as-secure="+alpha+","+beta,
	).Visitor(t)
	g.alpha, g.beta = g.enter(t, alpha), g.enter(t, beta)
	return g
}

// enter opens a page and logs in on the way.
func (g *ground) enter(t *testing.T, base string) tab {
	t.Helper()
	opened := tab{g.visitor.Tab(t), base}
	opened.Open(t, base+"/page/home")
	logIn(t, opened.Tab, g.Key)
	opened.Until(t, "the worker's page", `document.title === "hostile"`)
	return opened
}

// tools are what the scripts of the attacks have: A is alpha's address, O the operator's, R the router's own.
const tools = `const later = ms => new Promise(done => setTimeout(done, ms));
const shown = e => new Promise(done => {
	e.onload = () => { let text = "loaded"; try { text = e.contentDocument.body.innerText } catch {} done(text) };
	e.onerror = () => done("refused"); document.body.append(e); setTimeout(() => done("nothing"), 2000) });
const element = (name, more) => Object.assign(document.createElement(name), more);
const form = async (target, url) => {
	const f = element("form", {method: "post", action: url, target}); f.append(element("input", {name: "a", value: "attack"}));
	document.body.append(f); f.submit(); await later(500); return "sent" };
const socket = url => new Promise(done => {
	const s = new WebSocket(url.replace("http", "ws")); s.onopen = () => done("open"); s.onerror = () => done("refused") });
const peek = w => { try { return w.document.body.innerText } catch (e) { return e.name } };
`

// run has beta's page run a script and gives what it came to.
func (g *ground) run(t *testing.T, script string) string {
	t.Helper()
	g.beta.Show(t) // an attack before may have opened a window over it, behind which some elements never load
	return g.beta.Text(t, fmt.Sprintf(`(async () => { const A = %q, O = %q, R = %q; %s
		try { return String(await (async () => { %s })()) } catch (e) { return e.name + ": " + e.message } })()`,
		g.alpha.base, g.Operator, g.URL, tools, script))
}

// attacks are what beta's page tries, by a part of the path that it asks for. How each ended is said for hosts
// that are sites of their own, as those below localhost, and for hosts of one site, as those below a domain; "" where the
// browser itself lets nothing out.
var attacks = map[string]struct{ script, apart, together string }{
	"fetch":        {`return fetch(A + "/page/fetch", {credentials: "include"}).then(r => r.text())`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"fetch-opaque": {`return fetch(A + "/page/fetch-opaque", {credentials: "include", mode: "no-cors"}).then(r => r.text())`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"post-opaque":  {`return fetch(A + "/page/post-opaque", {method: "POST", credentials: "include", mode: "no-cors", body: "attack"}).then(r => r.type)`, "POST 401 unauthenticated", "POST 403 cross_origin"},
	"post-json":    {`return fetch(A + "/page/post-json", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}"}).then(r => r.text())`, "OPTIONS 204 ", "OPTIONS 204 "},
	"delete":       {`return fetch(A + "/page/delete", {method: "DELETE", credentials: "include"}).then(r => r.text())`, "OPTIONS 204 ", "OPTIONS 204 "},
	"beacon":       {`return navigator.sendBeacon(A + "/page/beacon", "attack")`, "POST 401 unauthenticated", "POST 403 cross_origin"},
	"form-frame":   {`await shown(element("iframe", {name: "f"})); return form("f", A + "/page/form-frame")`, "POST 401 unauthenticated", "POST 403 cross_origin"},
	"form-window":  {`const w = window.open("about:blank", "w"); const r = await form("w", A + "/page/form-window"); return r + peek(w)`, "POST 401 unauthenticated", "POST 403 cross_origin"},
	"image":        {`return shown(element("img", {src: A + "/page/image"}))`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"script":       {`return shown(element("script", {src: A + "/page/script"}))`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"style":        {`return shown(element("link", {rel: "stylesheet", href: A + "/page/style"}))`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"frame":        {`return shown(element("iframe", {src: A + "/page/frame"}))`, "GET 303 ", "GET 403 cross_origin"},
	"object":       {`return shown(element("object", {data: A + "/page/object"}))`, "GET 303 ", "GET 403 cross_origin"},
	"domain":       {`try { document.domain = location.hostname.split(".").slice(1).join(".") } catch {}; return shown(element("iframe", {src: A + "/page/domain"}))`, "GET 303 ", "GET 403 cross_origin"},
	"events":       {`return new Promise(done => { const s = new EventSource(A + "/page/events", {withCredentials: true}); s.onmessage = e => done(e.data); s.onerror = () => { s.close(); done("refused") } })`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"socket":       {`return socket(A + "/page/socket")`, "GET 401 unauthenticated", "GET 403 cross_origin"},
	"worker":       {`return new Worker(A + "/page/worker") && "made"`, "", ""},
	"bare":         {`return fetch(R + "/w/alpha/page/bare", {credentials: "include", mode: "no-cors"}).then(r => r.text())`, "GET 401 unauthenticated", "GET 401 unauthenticated"},
	"bare-frame":   {`return shown(element("iframe", {src: R + "/w/alpha/page/bare-frame"}))`, "GET 307 , GET 303 ", "GET 307 , GET 303 "},

	"operator":        {`return fetch(O + "/api/v1/workspaces/operator", {credentials: "include"}).then(r => r.text())`, "GET 401 unauthenticated", "GET 401 unauthenticated"},
	"operator-post":   {`return fetch(O + "/api/v1/workers/operator-post/evict", {method: "POST", mode: "no-cors", credentials: "include", body: "attack"}).then(r => r.type)`, "POST 401 unauthenticated", "POST 401 unauthenticated"},
	"operator-form":   {`await shown(element("iframe", {name: "o"})); return form("o", O + "/api/v1/workers/operator-form/evict")`, "POST 401 unauthenticated", "POST 401 unauthenticated"},
	"operator-socket": {`return socket(O + "/api/v1/workspaces/operator-socket")`, "GET 401 unauthenticated", "GET 401 unauthenticated"},
	"operator-frame":  {`return shown(element("iframe", {src: O + "/api/v1/workspaces/operator-frame"}))`, "GET 401 unauthenticated", "GET 401 unauthenticated"},
}

// TestHostile_PagesReachNobodyElse has beta's page try to reach alpha's worker and the operator with the visitor's
// sessions. What counts is what arrived: at the worker nothing, at the router what it refused, and how.
func TestHostile_PagesReachNobodyElse(t *testing.T) {
	t.Parallel()
	for name, domain := range map[string]string{"sites of their own": "localhost", "one site": "rag.test"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t, domain)
			for name, attack := range attacks {
				if got := g.run(t, attack.script); strings.Contains(got, "secret") {
					t.Errorf("%s: the page reads %s", name, got)
				}
			}
			for name, attack := range attacks {
				want := attack.apart
				if domain != "localhost" {
					want = attack.together
				}
				g.ended(t, name, want)
			}
			for _, visit := range g.seen(t, g.alpha) {
				if visit.Path != "/page/home" {
					t.Errorf("alpha's worker was reached: %+v", visit)
				}
			}
			// The same request from alpha's own page arrives, so it was not the request that kept the others out.
			g.alpha.Eval(t, `fetch("/page/own", {method: "POST", body: "own"})`, nil)
			if visits := g.seen(t, g.alpha); len(visits) != 2 || visits[1].Body != "own" || visits[1].Cookie != "" {
				t.Errorf("alpha's worker was reached by %+v, want its own page, without the router's cookie", visits)
			}
		})
	}
}

// ended checks how the router's log says that a request ended, and that all of that name ended in one of these ways.
func (g *ground) ended(t *testing.T, name, want string) {
	t.Helper()
	if want == "" {
		if list := g.logged(t, name); len(list) > 0 {
			t.Errorf("%s: the router got %q, want nothing", name, list)
		}
		return
	}
	testkit.Eventually(t, "the log's line of "+name, func() error {
		if len(g.logged(t, name)) == 0 {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	if list := g.logged(t, name); slices.ContainsFunc(list, func(got string) bool { return !slices.Contains(strings.Split(want, ", "), got) }) {
		t.Errorf("%s: the router's log says %q, want %q only", name, list, want)
	}
}

// logged gives method, status and code of the requests whose path holds the name.
func (g *ground) logged(t *testing.T, name string) (list []string) {
	t.Helper()
	for line := range strings.Lines(g.Output()) {
		if !strings.Contains(line, `"logger":"access"`) {
			continue
		}
		var access struct {
			Method, Path, Code string
			Status             int
		}
		if err := json.Unmarshal([]byte(line), &access); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(access.Path+"/", "/"+name+"/") {
			list = append(list, fmt.Sprintf("%s %d %s", access.Method, access.Status, access.Code))
		}
	}
	return list
}

// visit is a request as the worker's page got it.
type visit struct{ Method, Path, Origin, Cookie, Body string }

// seen gives the visits of a worker's pages.
func (g *ground) seen(t *testing.T, page tab) (list []visit) {
	t.Helper()
	if err := json.Unmarshal([]byte(page.Text(t, `fetch("/seen").then(r => r.text())`)), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestHostile_Rebinding opens the listeners under a name that somebody else's DNS server made lead here. A page of that
// name is at home there, to its browser, and may read all that comes: so nothing may, with or without a session.
func TestHostile_Rebinding(t *testing.T) {
	t.Parallel()
	g := newGround(t, "localhost")
	for address, want := range map[string]int{
		g.URL + "/documents":            http.StatusMisdirectedRequest,
		g.URL + "/w/alpha/page/rebound": http.StatusMisdirectedRequest,
		g.URL + "/workspaces":           http.StatusMisdirectedRequest,
		g.URL + "/api/v1/workers":       http.StatusMisdirectedRequest,
		g.URL + "/.router/login":        http.StatusMisdirectedRequest,
		g.Operator + "/metrics":         http.StatusMisdirectedRequest,
		g.Operator + "/api/v1/workers":  http.StatusUnauthorized, // it takes a key from a header only
		g.Operator + "/w/alpha/page/o":  http.StatusNotFound,     // it has no workers
	} {
		page := g.visitor.Tab(t)
		address = strings.Replace(address, "127.0.0.1", "www.rebound.example", 1)
		page.Open(t, address)
		for _, asked := range page.Asked() {
			if asked.URL == address && asked.Status != want {
				t.Errorf("got %v, want %d", asked, want)
			}
		}
	}
}
