package proxy

import (
	"fmt"
	"slices"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// classify finds the request's route in the table of the workspace's kind. What no table names is counted, and needs
// the strictest permission.
func (c *chain) classify(x *exchange) error {
	profile, found := c.deps.Kinds.Kind(x.workspace.Kind)
	if !found {
		return fmt.Errorf("%w: workspace %q is of kind %q, which is not there", workspace.ErrUnavailable, x.workspace.Ref, x.workspace.Kind)
	}
	route, named := profile.Classify(x.r.Method, x.path)
	if !named {
		c.deps.Observer.Metrics.UnknownRoutes.Inc()
	}
	x.kind, x.route = profile, route
	x.record.Kind, x.record.Class, x.record.Route = profile.Name, string(route.Class), route.Path
	return nil
}

// authorise asks whether the principal may do on this workspace what the route needs.
func (c *chain) authorise(x *exchange) error {
	if x.route.Closed {
		return workspace.ErrRouteClosed
	}
	if !x.principal.May(x.workspace.Ref, x.route.Permission) {
		return workspace.ErrPermissionDenied
	}
	return nil
}

// allowsUpgrade reports whether a kind lets a client change to the protocol.
func allowsUpgrade(k *kind.Kind, protocol string) bool { return slices.Contains(k.Upgrades, protocol) }
