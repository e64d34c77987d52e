package main

import (
	"context"

	"workspace-router/internal/telemetry"
	"workspace-router/supervisor"
)

// keepEvents writes the pool's events to the journal, which the pool reads where its own memory ends.
func (s *server) keepEvents() func(context.Context) error {
	own := s.pool.SinceStart() // before the pool runs, so that none is missing
	return func(ctx context.Context) error { return s.journal.Run(ctx, own) }
}

// fill is how full the pool is, in the words of the metrics.
func fill(f supervisor.Figures) telemetry.Fill {
	workers := map[string]int{}
	for state, n := range f.Workers {
		workers[string(state)] = n
	}
	return telemetry.Fill{
		Workers: workers, MaxWorkers: f.MaxWorkers, Pinned: f.Pinned, Leases: f.Leases, Waiters: f.Waiters, Queued: f.Queued,
		Leftovers: f.Leftovers, Resuming: f.Resuming,
	}
}
