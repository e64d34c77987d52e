package proxy

import (
	"errors"

	"workspace-router/internal/workspace"
)

// authenticate finds out who is asking. Everything after it is for known principals only.
func (c *chain) authenticate(x *exchange) error {
	principal, err := c.deps.Authenticator.Authenticate(x.r)
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
