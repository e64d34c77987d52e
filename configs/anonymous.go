package configs

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// implyAnonymous keeps a single server without a key working as it did, for those who could reach it: on loopback. On
// another address somebody has to say that this is meant.
func (c *Config) implyAnonymous() Problems {
	if c.origins["anonymous"] != "" || !c.APIKey.IsZero() || c.Environment.variables["AUTH_ACCOUNTS"] != "" {
		return nil
	}
	place := c.singleServer()
	if place == "" {
		return nil
	}
	if open := c.openListeners(); len(open) > 0 {
		return Problems{{Place: place, Key: "anonymous", Text: "is needed: the server whose place is taken asked for no key, and " + strings.Join(open, ", ") +
			" can be reached from elsewhere; give `default_workspace` to go on so for everybody who reaches it, `off` to have the key of admin.key asked for, or give api_key"}}
	}
	c.Anonymous, c.origins["anonymous"], c.anonymousImplied = AnonymousDefaultWorkspace, place, true
	return nil
}

// CheckAnonymous refuses a configuration, for a router that runs, which is silent about requests without a credential while
// its listeners, which stay as they are, can be reached from elsewhere.
func (c *Config) CheckAnonymous() error {
	open := c.openListeners()
	if !c.anonymousImplied || len(open) == 0 {
		return nil
	}
	return Problems{{Place: c.origins["anonymous"], Key: "anonymous", Text: "is needed: no key is given any more, and the router listens on " +
		strings.Join(open, ", ") + " until it is started again; give `off`, or start it again"}}
}

// openListeners gives the addresses for requests that are not on loopback.
func (c *Config) openListeners() (open []string) {
	addresses := []string{c.Listen}
	for _, one := range c.Bound() {
		addresses = append(addresses, one.Listen)
	}
	for _, one := range addresses {
		if !loopback(one) {
			open = append(open, one)
		}
	}
	return open
}

// AnonymousReach says, for people, who reaches what without a credential; blank where nobody does.
func (c *Config) AnonymousReach() string {
	what := map[string]string{
		AnonymousDefaultWorkspace: "the default workspace", AnonymousDefaultTenant: "every workspace of the default tenant",
	}[c.Anonymous]
	switch open := c.openListeners(); {
	case what == "":
		return ""
	case len(open) > 0:
		return "everybody who reaches " + strings.Join(open, ", ") + " can read and change " + what
	}
	return "every user and program of this machine can read and change " + what
}

// singleServer gives what says that the place of a single server is taken; empty is that nothing does.
func (c *Config) singleServer() string {
	for _, name := range []string{"WORKING_DIR", "WORKSPACE", "LIGHTRAG_DEFAULT_WORKSPACE"} {
		if c.Environment.variables[name] != "" {
			return "ENV " + name
		}
	}
	if c.TakenOver == nil {
		return ""
	}
	return slices.Min(slices.Collect(maps.Values(c.TakenOver.Places)))
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
