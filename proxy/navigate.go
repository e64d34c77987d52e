package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"workspace-router/internal/workspace"
)

// sendToHost answers a page that is opened under a path prefix with the workspace's own host: pages of different
// workspaces must not share an origin. It says nothing about whether there is such a workspace.
func (c *chain) sendToHost(x *exchange) error {
	if !x.inPath || x.pathTenant != "" || x.onHost || x.browser || c.deps.Sessions == nil || c.bound.name != "" || !navigation(x.r) || hasCredential(x.r.Header) {
		return nil
	}
	named, err := parseSelector(x.pathName, fromPath)
	if err != nil {
		return err
	}
	domain := localDomain
	if !localHost(x.r.Host) {
		domain = x.settings.BaseDomain
	}
	if domain == "" || !workspace.IsHostLabel(named.name) || named.tenant != "" && !workspace.IsHostLabel(named.tenant) {
		return nil // its host is told by /workspaces, to those who may know it
	}
	host := strings.ToLower(named.String()) + "." + domain
	if _, port, err := net.SplitHostPort(x.r.Host); err == nil {
		host = net.JoinHostPort(host, port)
	}
	path := x.path.Raw
	if path == "" {
		path = "/"
	}
	x.redirect(http.StatusTemporaryRedirect, "//"+host+withQuery(path, x.r.URL))
	return nil
}

// browserInstead answers what a browser got no page for: with the log-in, where there is one.
func (c *chain) browserInstead(x *exchange, err error) error {
	if x.session != "" && errors.Is(err, workspace.ErrNotFound) {
		err = workspace.ErrUnauthenticated // a session of another workspace, or of one whose name is another's now
	}
	if !errors.Is(err, workspace.ErrUnauthenticated) || x.w.status != 0 {
		return err
	}
	if c.guestRoute(x) {
		return c.answerGuest(x)
	}
	if !x.browser || !navigation(x.r) || c.credentialInHeader(x) {
		return err
	}
	location := x.own(logInPath)
	if next := localPath(withQuery(rawPath(x.r), x.r.URL)); next != "" && next != "/" {
		location += "?next=" + url.QueryEscape(next)
	}
	x.redirect(http.StatusSeeOther, location)
	return nil
}

func withQuery(path string, u *url.URL) string {
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + u.RawQuery
}
