package browser

import (
	"net/url"
	"strings"
	"testing"
)

// page is the path of a page of the worker that sends what it is told to.
func page(path string, sent url.Values) string { return path + "?" + sent.Encode() }

// TestHostile_ServiceWorkers has beta's page try to put a program of its own before the log-in of its host.
func TestHostile_ServiceWorkers(t *testing.T) {
	t.Parallel()
	g := newGround(t, "localhost")
	program := url.Values{"type": {"text/javascript"}, "body": {"self.onfetch = () => {}"}}
	widened := url.Values{"type": program["type"], "body": program["body"], "header": {"Service-Worker-Allowed: /"}}
	register := func(script, scope string) string {
		return g.run(t, `return navigator.serviceWorker.register("`+script+`", {scope: "`+scope+`"}).then(r => "registered for " + r.scope)`)
	}
	for name, refused := range map[string][2]string{
		"in the root":        {page("/page.js", program), "/"},
		"with a wider scope": {page("/page/wide", program), "/"},
		"widened by header":  {page("/page/header", widened), "/"},
		"before the log-in":  {page("/page/corner", widened), "/.router/"},
	} {
		if got := register(refused[0], refused[1]); !strings.HasPrefix(got, "SecurityError") && !strings.HasPrefix(got, "TypeError") {
			t.Errorf("%s: %s", name, got)
		}
	}
	g.ended(t, "page.js", "GET 403 cross_origin")
	if got := register(page("/page/below", program), "/page/"); got != "registered for "+g.beta.base+"/page/" {
		t.Errorf("one for its own pages: %s", got)
	}
}

// TestHostile_CookiesAndStorage has beta's page and worker go for what the browser keeps for alpha.
func TestHostile_CookiesAndStorage(t *testing.T) {
	t.Parallel()
	g := newGround(t, "rag.test")
	g.alpha.Eval(t, `localStorage.setItem("mine", "secret"); document.cookie = "mine=secret"`, nil)
	for name, script := range map[string]string{
		"cookies":          `return document.cookie`,
		"storage":          `return JSON.stringify(localStorage)`,
		"databases":        `return JSON.stringify(await indexedDB.databases()) + JSON.stringify(await caches.keys())`,
		"another's window": `const w = window.open(A + "/page/window"); await later(1000); return peek(w) + (() => { try { return w.localStorage.getItem("mine") } catch (e) { return e.name } })()`,
		"its own domain":   `document.domain = "rag.test"; const w = window.open(A + "/page/window"); await later(1000); return peek(w)`,
	} {
		if got := g.run(t, script); strings.Contains(got, "secret") || strings.Contains(got, "router_session") {
			t.Errorf("%s: the page reads %s", name, got)
		}
	}
	// The worker says who the visitor is: not on any host, its own included.
	sent := url.Values{"header": {
		"Set-Cookie: router_session=stolen; Path=/", "Set-Cookie: __Host-router_session=stolen; Path=/; Secure",
		"Set-Cookie: wide=1; Domain=rag.test; Path=/", "Set-Cookie: narrow=1; Path=/", `Clear-Site-Data: "*"`,
	}}
	g.beta.Open(t, g.beta.base+page("/page/cookies", sent))
	names := map[string]bool{}
	for _, cookie := range g.visitor.Cookies(t) {
		names[cookie.Name] = true
		if cookie.Value == "stolen" || strings.HasPrefix(cookie.Domain, ".") {
			t.Errorf("the worker has set %+v", cookie)
		}
	}
	if !names["narrow"] || !names["router_session"] {
		t.Errorf("got the cookies %v, want the worker's own and the sessions'", names)
	}
	// A page may plant a cookie for the whole domain. It is not the visitor's session, and does not end it.
	g.run(t, `document.cookie = "router_session=planted; domain=rag.test; path=/"`)
	for _, page := range []tab{g.alpha, g.beta} {
		page.Open(t, page.base+"/page/after")
		page.Until(t, "the visitor to be logged in still", `document.title === "hostile"`)
	}
	if mine := g.alpha.Text(t, `localStorage.getItem("mine") + document.cookie`); !strings.Contains(mine, "secret") {
		t.Errorf("alpha's page has lost what it kept: %q", mine)
	}
	for _, visit := range g.seen(t, g.alpha) {
		if strings.Contains(visit.Cookie, "router_session") {
			t.Errorf("the worker got the router's cookie: %+v", visit)
		}
	}
}

// TestHostile_Opener has alpha's page open beta's, which then goes for the window that opened it.
func TestHostile_Opener(t *testing.T) {
	t.Parallel()
	g := newGround(t, "rag.test")
	g.alpha.Eval(t, `localStorage.setItem("mine", "secret")`, nil)
	body := `<script>try { document.title = opener.document.body.innerText + opener.localStorage.mine } catch (e) { document.title = e.name }` +
		`; fetch("/page/opener-said", {method: "POST", body: document.title})</script>`
	g.alpha.Eval(t, `window.open("`+g.beta.base+page("/page/opened", url.Values{"body": {body}})+`"); null`, nil)
	g.ended(t, "opener-said", "POST 200 ")
	for _, visit := range g.seen(t, g.beta) {
		if visit.Path == "/page/opener-said" && visit.Body != "SecurityError" {
			t.Errorf("the opener's page gave away %q", visit.Body)
		}
	}
}
