package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"workspace-router/bench/measure"
)

// starts is how long first answers took: of servers by themselves, and of new workspaces.
type starts struct {
	plain, routed       []time.Duration
	plainCPU, routedCPU []time.Duration // of the server's process, until its first answer
	load                string
}

// warm is how long warm requests took: to a worker itself, and to the same one through the router.
type warm struct {
	direct, routed []time.Duration
	load           string
}

// firstRequests starts a server by itself and asks a new workspace, in turns, so that both meet the same machine. On the
// last one it measures what the router adds to a warm request.
func (b *bench) firstRequests(ctx context.Context, r *results) (err error) {
	router, err := b.router(ctx, "first", b.starts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, router.Stop()) }()
	r.first.load = measure.Load()
	for i := range b.starts {
		p, took, err := startPlain(ctx, b.options, b.model, filepath.Join(b.dir, "alone", strconv.Itoa(i)))
		if err != nil {
			return err
		}
		cpu, err := measure.ProcessorTime(p.command.Process.Pid)
		if err := errors.Join(err, p.stop()); err != nil {
			return err
		}
		r.first.plain, r.first.plainCPU = append(r.first.plain, took), append(r.first.plainCPU, cpu)
		began := time.Now()
		if err := router.workspace(i).labels(ctx); err != nil {
			return err
		}
		r.first.routed = append(r.first.routed, time.Since(began))
		pids, err := router.pids(ctx)
		if err != nil {
			return err
		}
		if cpu, err = measure.ProcessorTime(pids[workspaceName(i)]); err != nil {
			return err
		}
		r.first.routedCPU = append(r.first.routedCPU, cpu)
	}
	r.first.load += " to " + measure.Load()
	return b.warmRequests(ctx, router, &r.added)
}

func (b *bench) warmRequests(ctx context.Context, router *routed, w *warm) error {
	const which = 0
	worker, err := router.worker(ctx, which)
	if err != nil {
		return err
	}
	defer worker.client.CloseIdleConnections()
	timed := func(s server, times *[]time.Duration) error {
		began := time.Now()
		err := s.labels(ctx)
		*times = append(*times, time.Since(began))
		return err
	}
	for range b.warm {
		if err := errors.Join(timed(worker, &w.direct), timed(router.workspace(which), &w.routed)); err != nil {
			return err
		}
	}
	w.load = measure.Load()
	return nil
}
