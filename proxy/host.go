package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"workspace-router/internal/workspace"
)

// checkHost is the guard against DNS rebinding: a page whose name was made to point at this machine reaches the
// loopback listener as if it were at home, but under a foreign Host, and without knowing a key.
func (c *chain) checkHost(x *exchange) error {
	if hasCredential(x.r.Header) || !onLoopback(x.r) || c.hosts[foldHost(x.r.Host)] || localHost(x.r.Host) {
		return nil
	}
	return workspace.ErrMisdirected
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
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
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
