package proxy

import (
	"fmt"
	"slices"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// classify finds the request's route in the table of the workspace's kind, as it is in force.
func (c *chain) classify(x *exchange) error {
	profile, found := x.settings.Kinds.Kind(x.workspace.Kind)
	if !found {
		return fmt.Errorf("%w: workspace %q is of kind %q, which is not there", workspace.ErrUnavailable, x.workspace.Ref, x.workspace.Kind)
	}
	if own, found := profile.Aliases[x.path.Decoded]; found && x.pathTenant != "" {
		x.path = kind.Path{Raw: own, Decoded: own} // it was looked at when the profile was read
	}
	c.classifyBy(x, profile)
	return nil
}

// classifyBy does so by a profile. What no table names is counted, and needs the strictest permission.
func (c *chain) classifyBy(x *exchange, profile *kind.Kind) {
	route, named := profile.Classify(x.r.Method, x.path)
	if !named {
		c.deps.Observer.Metrics.UnknownRoutes.Inc()
	}
	x.kind, x.route = profile, route
	x.record.Kind, x.record.Class, x.record.Route = profile.Name, string(route.Class), route.Path
}

// judgeBy asks all that was asked by the profile in force once more by the one that the worker was launched with. A
// profile may be edited while its workers run, and a path that reads in one may delete in the other: only what both
// allow is served, and it is served by the rules of the worker's own.
func (c *chain) judgeBy(x *exchange, profile *kind.Kind) error {
	c.classifyBy(x, profile)
	for _, step := range [...]func(*exchange) error{c.authorise, c.checkUpgrade, c.limitBody} {
		if err := step(x); err != nil {
			return err
		}
	}
	return nil
}

// authorise asks whether the principal may do on this workspace what the route needs.
func (c *chain) authorise(x *exchange) error {
	if x.route.Closed {
		return workspace.ErrRouteClosed
	}
	if !x.principal.May(x.workspace.Ref, x.route.Permission) {
		return workspace.Denied(x.route.Permission)
	}
	return nil
}

// allowsUpgrade reports whether a kind lets a client change to the protocol.
func allowsUpgrade(k *kind.Kind, protocol string) bool { return slices.Contains(k.Upgrades, protocol) }
