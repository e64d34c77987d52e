package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"workspace-router/internal/admin"
	"workspace-router/supervisor"
)

// Pool says how full the pool is.
func (o operations) Pool(context.Context) (admin.Pool, error) {
	f := o.pool.Figures()
	workers := map[string]int{}
	for state, n := range f.Workers {
		workers[string(state)] = n
	}
	return admin.Pool{
		Workers: workers, MaxWorkers: f.MaxWorkers, MemoryBytes: f.Memory, MemoryBudget: f.MaxMemory, Files: f.Files, FilesBudget: f.MaxFiles,
		Pinned: f.Pinned, Leases: f.Leases, Waiters: f.Waiters, Queued: f.Queued, NextVictim: f.NextVictim,
	}, nil
}

// poolLine sums the pool up below a table of workers.
func poolLine(w io.Writer, p admin.Pool) error {
	total := 0
	var states []string
	for _, state := range supervisor.States() {
		if n := p.Workers[string(state)]; n > 0 {
			total += n
			states = append(states, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := fmt.Sprintf("\n%d of %d workers", total, p.MaxWorkers)
	if len(states) > 0 {
		text += " (" + strings.Join(states, ", ") + ")"
	}
	text += fmt.Sprintf(", memory %s of %s, descriptors %d of %d", bytesText(p.MemoryBytes), bytesText(p.MemoryBudget), p.Files, p.FilesBudget)
	if p.Waiters > 0 {
		text += fmt.Sprintf(", %d waiting", p.Waiters)
	}
	if p.NextVictim != "" {
		text += ", next to go: " + p.NextVictim
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
