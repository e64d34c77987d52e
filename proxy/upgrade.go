package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"workspace-router/internal/workspace"
)

// checkUpgrade lets a client change to WebSocket where the kind allows it. An offer of HTTP/2 in the clear, which some
// clients make with every first request, is declined by leaving it out, as HTTP has it: the request is served as it
// is, and no tunnel past the router comes of it. Everything else is refused.
func (c *chain) checkUpgrade(x *exchange) error {
	h := x.r.Header
	if len(h["Upgrade"]) == 0 {
		return nil
	}
	protocol := strings.ToLower(strings.TrimSpace(strings.Join(h["Upgrade"], ",")))
	switch {
	case !tokenIn(h["Connection"], "upgrade"):
		return nil // a hop-by-hop header without effect, which is not passed on
	case protocol == "h2c":
		h.Del("Upgrade")
		h.Del("Http2-Settings")
		return nil
	case protocol == "websocket" && x.r.Method == http.MethodGet && allowsUpgrade(x.kind, protocol):
		return nil
	}
	return fmt.Errorf("%w: %q, on workspaces of kind %q", workspace.ErrUpgradeForbidden, protocol, x.kind.Name)
}

// tokenIn reports whether a header that is a list of tokens holds one, without regard to case.
func tokenIn(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
