package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"workspace-router/internal/workspace"
)

// A session's cookie is sent by the browser, not by the page that asks, and workspaces below one base domain are one
// site to it: SameSite alone does not keep alpha's pages from using beta's cookie. So every request whose credential is
// a cookie must come from the workspace's own pages, or be the opening of a page.

// checkOrigin refuses a request by cookie that another origin's page has caused.
func checkOrigin(x *exchange) error {
	r, h := x.r, x.r.Header
	origins, site := h["Origin"], h.Get("Sec-Fetch-Site")
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case len(origins) > 0 && !ownOrigin(x.r, x.https):
		return fmt.Errorf("%w: its Origin is not this host", workspace.ErrCrossOrigin)
	case len(h["Upgrade"]) > 0 && len(origins) == 0:
		return fmt.Errorf("%w: a change of protocol needs an Origin", workspace.ErrCrossOrigin)
	case rootServiceWorker(r):
		return fmt.Errorf("%w: a service worker here would stand between people and the log-in", workspace.ErrCrossOrigin)
	case site == "same-origin" || site == "none":
		return nil
	case site != "":
		if !safe || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document" {
			return fmt.Errorf("%w: its page is of another origin (%q)", workspace.ErrCrossOrigin, site)
		}
	case !safe && len(origins) == 0:
		return fmt.Errorf("%w: neither Origin nor Sec-Fetch-Site says where it comes from", workspace.ErrCrossOrigin)
	}
	return nil
}

// checkForm is checkOrigin for the router's own forms, which only their own page sends.
func checkForm(x *exchange) error {
	r := x.r
	site, origins := r.Header.Get("Sec-Fetch-Site"), r.Header["Origin"]
	if site != "" && site != "same-origin" || len(origins) > 0 && !ownOrigin(x.r, x.https) || site == "" && len(origins) == 0 {
		return fmt.Errorf("%w: the form must be sent by its own page", workspace.ErrCrossOrigin)
	}
	return nil
}

// ownOrigin reports whether the Origin is the host that the request came to. Where TLS ends before the router, only the
// browser knows the scheme.
func ownOrigin(r *http.Request, https bool) bool {
	values := r.Header["Origin"]
	if len(values) != 1 {
		return false
	}
	scheme, host, found := strings.Cut(values[0], "://")
	known := scheme == "https" || scheme == "http" && !https
	return found && known && strings.EqualFold(host, r.Host)
}

// secure reports whether the browser speaks TLS, as far as can be known.
func secure(x *exchange) bool {
	return x.https || ownOrigin(x.r, x.https) && strings.HasPrefix(x.r.Header["Origin"][0], "https://")
}

// rootServiceWorker reports whether a browser asks for a service worker whose scope would hold the log-in page: one in
// the workspace's root directory. Those below it cannot reach up, since no worker may widen a scope.
func rootServiceWorker(r *http.Request) bool {
	if r.Header.Get("Service-Worker") == "" {
		return false
	}
	path := r.URL.Path
	if rest, found := strings.CutPrefix(path, "/w/"); found {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	return strings.Count(path, "/") < 2
}

// navigation reports whether a browser opens a page, rather than a program asking for data.
func navigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}
