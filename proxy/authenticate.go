package proxy

import (
	"errors"

	"workspace-router/internal/workspace"
)

// authenticate finds out who is asking. Everything after it is for known principals only.
func (c *chain) authenticate(x *exchange) error {
	principal, err := c.identify(x)
	if err == nil && principal == nil {
		err = workspace.ErrUnauthenticated
	}
	if err != nil {
		if errors.Is(err, workspace.ErrUnauthenticated) {
			c.deps.Observer.Metrics.AuthFailures.Inc()
		}
		return err
	}
	x.principal, x.record.Principal = principal, principal.ID
	return nil
}

// identify goes by a header's credential, else, where browsers have sessions, by the cookie, else it takes the request for
// one without a credential, where that may reach something.
func (c *chain) identify(x *exchange) (*workspace.Principal, error) {
	if !c.credentialInHeader(x) && x.browser {
		if principal, err := c.resume(x); !errors.Is(err, workspace.ErrUnauthenticated) {
			return principal, err
		}
	}
	if principal, err := c.anonymous(x.r.Context(), x.r, x.settings); principal != nil || err != nil {
		return principal, err
	}
	if x.browser && !c.credentialInHeader(x) {
		return nil, workspace.ErrUnauthenticated
	}
	return c.deps.Authenticator.Authenticate(x.r)
}
