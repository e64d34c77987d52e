package admin

import (
	"context"
	"net/http"

	"workspace-router/internal/problem"
)

// Reload is what came of reading the configuration anew. The names are part of the API.
type Reload struct {
	Changed     []ConfigChange `json:"changed"`       // what counts now, or with a worker's next launch
	AtNextStart []ConfigChange `json:"at_next_start"` // what does not count yet
	Warnings    []string       `json:"warnings"`
}

// ConfigChange is one key whose value is another than before. Secrets are masked; an unset key is null.
type ConfigChange struct {
	Key     string `json:"key"`
	Old     any    `json:"old"`
	New     any    `json:"new"`
	From    string `json:"from,omitempty"` // where the new value was written
	Applies string `json:"applies"`        // when it counts
}

// reload has the configuration read anew.
func (a *Admin) reload(c *call) error {
	if a.deps.Reload == nil {
		return problem.ErrNoSuchRoute
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), a.config.OperationTimeout)
	defer cancel()
	outcome, err := a.deps.Reload(ctx)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, outcome)
}
