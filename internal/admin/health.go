package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// live says that the process answers; it touches nothing.
func (a *Admin) live(c *call) error {
	return c.write(http.StatusOK, map[string]string{"status": "ok"})
}

// ready says whether requests can be taken. It waits for no worker.
func (a *Admin) ready(c *call) error {
	if a.deps.Ready != nil {
		if err := a.deps.Ready(c.r.Context()); err != nil { // why not is for the log of whoever knows
			c.w.Header().Set("Retry-After", "1")
			return c.write(http.StatusServiceUnavailable, map[string]string{"status": "not ready"})
		}
	}
	return c.write(http.StatusOK, map[string]string{"status": "ready"})
}

func (a *Admin) metrics(c *call) error {
	if a.deps.Metrics == nil {
		return problem.ErrNoSuchRoute
	}
	if c.principal == nil && !ownHost(c.r.Host) {
		return workspace.ErrMisdirected
	}
	a.deps.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

// fromLoopback reports whether the other end is on this machine.
func fromLoopback(r *http.Request) bool {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && address.Addr().Unmap().IsLoopback()
}

// ownHost reports whether the Host header can belong to somebody who means this machine. A page from elsewhere that
// had its own name point here, in order to read what is open on loopback, cannot change the name that the browser sends.
func ownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
