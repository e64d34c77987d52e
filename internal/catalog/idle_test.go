package catalog

import (
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

func TestCreate_KeepsWhatBecomesOfLeftovers(t *testing.T) {
	t.Parallel()
	c := open(t)
	for name, resume := range map[workspace.Name]string{"the-kinds": "", "never": "off", "always": "all"} {
		made, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "default", Name: name, Kind: "lightrag", Resume: resume})
		if err != nil || made.Resume != resume {
			t.Errorf("%s: made with %q (%v), want %q", name, made.Resume, err, resume)
		}
	}
}

func TestCreate_KeepsTheIdleTimeout(t *testing.T) {
	t.Parallel()
	c := open(t)
	for name, tc := range map[workspace.Name]struct{ wanted, want time.Duration }{
		"the-kinds": {0, 0},
		"never":     {-1, -1},
		"any-below": {-time.Hour, -1},
		"long":      {36 * time.Hour, 36 * time.Hour},
		"odd":       {1500 * time.Millisecond, 1500 * time.Millisecond},
		"tiny":      {time.Nanosecond, time.Millisecond},
	} {
		made, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "default", Name: name, Kind: "embedded", IdleTimeout: tc.wanted})
		if err != nil || made.IdleTimeout != tc.want {
			t.Errorf("%s: made with %v (%v), want %v", name, made.IdleTimeout, err, tc.want)
		}
		if found, err := c.LookupGeneration(t.Context(), made.Generation); err != nil || found != made {
			t.Errorf("%s: found is %+v (%v), made was %+v", name, found, err, made)
		}
	}
}
