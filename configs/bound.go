package configs

import (
	"fmt"
	"net"
	"strings"

	"workspace-router/internal/workspace"
)

// BoundListener is an address at which every request is for one workspace.
type BoundListener struct {
	Listen    string // HOST:PORT
	Workspace string // "name" or "tenant.name"
}

// Bound gives the listeners that are bound to workspaces, in the order in which they are written.
func (c *Config) Bound() []BoundListener {
	list := make([]BoundListener, 0, len(c.BoundListeners))
	for _, text := range c.BoundListeners {
		listen, name, _ := strings.Cut(text, "=")
		list = append(list, BoundListener{Listen: listen, Workspace: name})
	}
	return list
}

// checkBound says what is wrong with the bound listeners.
func (c *Config) checkBound(report func(key, format string, arguments ...any)) {
	const key = "bound_listeners"
	taken := map[string]bool{c.Listen: true, c.OperatorListen: true}
	for i, one := range c.Bound() {
		_, validAddress := address().parse(one.Listen)
		_, _, err := workspace.ParseQualified(one.Workspace)
		switch {
		case !validAddress || err != nil:
			report(key, "got %q, want HOST:PORT=WORKSPACE, such as \"127.0.0.1:9701=alpha\"", c.BoundListeners[i])
		case taken[one.Listen] && !anyPort(one.Listen):
			report(key, "%q is the address of another listener", one.Listen)
		}
		taken[one.Listen] = true
	}
}

// anyPort reports whether the system chooses the port.
func anyPort(listen string) bool {
	_, port, err := net.SplitHostPort(listen)
	return err == nil && strings.Trim(port, "0") == ""
}

// String is as it is configured.
func (b BoundListener) String() string { return fmt.Sprintf("%s=%s", b.Listen, b.Workspace) }
