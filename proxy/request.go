package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"

	"workspace-router/internal/kind"
)

// upstreamHost stands in the URL of requests to workers. Each launch has a transport of its own, which dials that
// launch whatever the URL says.
const upstreamHost = "worker"

// rewrite makes the request that the worker sees of the one that the client sent.
func (c *chain) rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	rewriteURL(p.Out, p.In.URL, x.path)
	p.Out.Host = p.In.Host
	cleanRequest(p.Out.Header, x.kind)
	h := p.Out.Header
	if x.record.Client != "" {
		h["X-Forwarded-For"] = x.header(x.record.Client)
	}
	scheme := "http"
	if x.https {
		scheme = "https"
	}
	h["X-Forwarded-Proto"] = x.header(scheme)
	h["X-Forwarded-Host"] = x.header(p.In.Host)
	if x.prefix != "" {
		h["X-Forwarded-Prefix"] = x.header(x.prefix)
	}
	h[headerRequestID] = x.header(x.record.RequestID)
	if x.browser && len(p.In.Header["Cookie"]) > 0 && !x.kind.Strips("Cookie") {
		// What the worker itself has set for its own host goes back to it.
		if cookies := workersCookies(p.In.Header); cookies != "" {
			h["Cookie"] = x.header(cookies)
		}
	}
	if trailer := p.In.Trailer; trailer != nil {
		// They are filled in while the body is read, into this very map, and more of them than were announced.
		cleanRequest(trailer, x.kind)
		p.Out.Trailer, x.body.atEnd = trailer, func() { cleanRequest(trailer, x.kind) }
	}
}

// rewriteURL sends the path as it was classified and the query byte for byte.
func rewriteURL(out *http.Request, in *url.URL, path kind.Path) {
	out.URL = &url.URL{
		Scheme: "http", Host: upstreamHost,
		Path: path.Decoded, RawQuery: in.RawQuery, ForceQuery: in.ForceQuery,
	}
	if out.URL.EscapedPath() == path.Raw {
		return // encoded in the usual way
	}
	if out.URL.RawPath = path.Raw; out.URL.EscapedPath() != path.Raw {
		// It holds a character that should have been encoded, and would be encoded anew: another path, perhaps.
		out.URL.Opaque = path.Raw
	}
}

// foreign are the request headers that never reach a worker: credentials, which are the router's; selectors; what
// clients say about themselves and where they come from; and what makes some programs take the request for another
// method or path than the one that was authorised.
var foreign = map[string]bool{
	"Authorization": true, "X-Api-Key": true, "X-Chroma-Token": true, "Cookie": true, "Cookie2": true,
	headerWorkspace: true, headerWorkspaceID: true, headerRequestID: true,
	"Forwarded": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "True-Client-Ip": true,
	"Remote-User": true, "X-Remote-User": true,
	"X-Original-Url": true, "X-Rewrite-Url": true,
	"X-Http-Method": true, "X-Http-Method-Override": true, "X-Method-Override": true,
	"Expect": true, "Http2-Settings": true, "Proxy": true,
}

// framing are the headers that belong to HTTP itself. The server and the transport see to them; in another spelling they
// are nothing to those, but may be to a worker.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Host": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true,
}

// foreignPrefixes are groups of such headers; the last three are those by which proxies in front of a program tell it who
// the user is.
var foreignPrefixes = []string{"X-Forwarded-", "Proxy-", "X-Router-", "X-Auth-Request-", "X-Webauth-", "X-Ssl-Client-"}

// cleanRequest removes what the worker must not see, in every spelling that a program behind CGI or WSGI takes for the
// same name: those turn `-` into `_`, so that X_API_KEY would come out as X-API-Key does.
func cleanRequest(h http.Header, k *kind.Kind) {
	for name := range h {
		if isForeign(name, k) {
			delete(h, name)
		}
	}
}

func isForeign(name string, k *kind.Kind) bool {
	if strings.IndexByte(name, '_') >= 0 {
		name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if framing[name] {
			return true
		}
	}
	if foreign[name] || k.Strips(name) {
		return true
	}
	for _, prefix := range foreignPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
