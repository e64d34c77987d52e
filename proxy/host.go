package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"workspace-router/internal/workspace"
)

// localDomain is a base domain on every machine: browsers take each name below it for the machine itself.
const localDomain = "localhost"

// readHost finds out whether the request came to a workspace's host, {label}.{base domain}, and by that whose the path
// is and whether cookies count: where an origin is one workspace's alone, or was declared to be one trust domain.
func (c *chain) readHost(x *exchange) error {
	_, x.onHost = workspaceLabel(x.r.Host, x.settings.BaseDomain)
	bound := c.bound.name != ""
	x.bare = !x.inPath && !x.onHost && !bound
	x.browser = c.deps.Sessions != nil && !bound && (x.onHost || x.inPath && x.pathTenant == "" && x.settings.SharedOrigins)
	return nil
}

// workspaceLabel gives what stands before a base domain in a Host header.
func workspaceLabel(host, base string) (label string, found bool) {
	name := withoutPort(host)
	if base != "" {
		if label, found = cutDomain(name, base); found || strings.EqualFold(name, base) {
			return label, found
		}
	}
	return cutDomain(name, localDomain)
}

// withoutPort cuts the port off a Host header, and the dot that may end a name.
func withoutPort(host string) string {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && strings.IndexByte(host[colon:], ']') < 0 {
		host = host[:colon]
	}
	return strings.TrimSuffix(host, ".")
}

func cutDomain(name, domain string) (label string, found bool) {
	dot := len(name) - len(domain) - 1
	if dot < 0 || name[dot] != '.' || !strings.EqualFold(name[dot+1:], domain) {
		return "", false
	}
	return name[:dot], true
}

// checkHost is the guard against DNS rebinding: a page whose name was made to point at this machine reaches the
// listener as if it were at home, but under a foreign Host, and without knowing a key.
func (c *chain) checkHost(x *exchange) error {
	if hasCredential(x.r.Header) || x.onHost || c.knownHost(x.r, x.settings) {
		return nil
	}
	return workspace.ErrMisdirected
}

// knownHost reports whether the Host header is one that the listener serves without a credential. On other addresses than
// loopback any is, where nothing is to be had so; else those that nobody can bend to lead here.
func (c *chain) knownHost(r *http.Request, s *Settings) bool {
	if localHost(r.Host) {
		return true
	}
	if _, found := workspaceLabel(r.Host, s.BaseDomain); found {
		return true
	}
	name := foldHost(r.Host)
	if c.hosts[name] || name == s.BaseDomain && name != "" {
		return true
	}
	return !onLoopback(r) && (s.Anonymous == AnonymousNothing || plainHost(name))
}

// hasCredential reports whether a header that browsers send only at a page's own wish is there.
func hasCredential(h http.Header) bool {
	return len(h["X-Api-Key"]) > 0 || len(h["X-Chroma-Token"]) > 0 || len(h["Authorization"]) > 0
}

// onLoopback reports whether the request came in on a loopback address.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	tcp, ok := local.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// localHost reports whether a Host header names this machine in a way that no DNS server can bend.
func localHost(host string) bool {
	name := foldHost(host)
	if name == localDomain || strings.HasSuffix(name, "."+localDomain) {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.Unmap().IsLoopback()
}

// foldHost is a Host header without port and brackets, in lower case.
func foldHost(host string) string {
	name := host
	if split, _, err := net.SplitHostPort(host); err == nil {
		name = split
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
}

func foldHosts(names []string) map[string]bool {
	hosts := make(map[string]bool, len(names))
	for _, name := range names {
		hosts[foldHost(name)] = true
	}
	return hosts
}
