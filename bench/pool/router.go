package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"workspace-router/bench/measure"
	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
)

// served is a running router.
type served struct{ *measure.Router }

// within runs a router on the data directory while f measures it, and ends it in order.
func within(ctx context.Context, o options, data string, f func(*served) error) error {
	router, err := measure.Serve(ctx, o.programs, data,
		fmt.Sprintf("ROUTER_POOL_MAX_WORKERS=%d", max(o.running, o.starts))) // so that no start waits for an eviction
	if err != nil {
		return err
	}
	return errors.Join(f(&served{router}), router.Stop())
}

// register makes the workspaces in the catalog of a router that is not running.
func register(ctx context.Context, data string, n int) error {
	c, err := catalog.Open(ctx, catalog.Config{Path: filepath.Join(data, "catalog.db")})
	if err != nil {
		return err
	}
	for i := range n {
		wanted := catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: workspace.Name(name(i)), Kind: "embedded"}
		if _, _, err := c.Create(ctx, wanted); err != nil {
			return errors.Join(err, c.Close())
		}
	}
	return c.Close()
}

func name(i int) string { return fmt.Sprintf("workspace-%05d", i) }

// ask has the workspace answer and says how long that took.
func (s *served) ask(ctx context.Context, i int) (time.Duration, error) {
	begun := time.Now()
	_, err := s.Get(ctx, s.Data+"/w/"+name(i)+"/documents")
	return time.Since(begun), err
}

// phases gives how long after its first request each start of this router came to each phase.
func (s *served) phases(ctx context.Context) (map[string][]time.Duration, error) {
	body, err := s.Get(ctx, s.Data+"/api/v1/events")
	if err != nil {
		return nil, err
	}
	var events []struct {
		Type     string             `json:"type"`
		PhasesMS map[string]float64 `json:"phases_ms"`
	}
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	phases := map[string][]time.Duration{}
	for _, e := range events {
		if e.Type != "first_byte" {
			continue
		}
		for phase, after := range e.PhasesMS {
			phases[phase] = append(phases[phase], time.Duration(after*float64(time.Millisecond)))
		}
	}
	return phases, nil
}
