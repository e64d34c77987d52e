package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"workspace-router/bench/measure"
)

// mostRepeats is how often a visit is made again, after errors that kills explain.
const mostRepeats = 10

// underStrikes visits workspaces that were visited before, all of whose documents were indexed then, and kills workers at
// equal distances and the router in the middle. Answers are looked at as ever.
func (v *visitor) underStrikes(ctx context.Context, s *struck) error {
	b := v.bench
	if b.strikes == 0 {
		return nil
	}
	sequence := zipf(b.visits, b.registered, b.curve[len(b.curve)-1])
	step := max(1, len(sequence)/(b.strikes+1))
	for n, which := range sequence {
		switch {
		case n == len(sequence)/2:
			if err := v.killRouter(ctx); err != nil {
				return err
			}
			s.routers++
		case n%step == step-1 && s.workers < b.strikes:
			killed, err := v.killWorker(ctx, n)
			if err != nil {
				return err
			}
			s.workers += killed
		}
		began := time.Now()
		for tries := 0; ; tries++ {
			err := v.visit(ctx, which, &s.answers)
			if err == nil {
				break
			}
			if tries == mostRepeats {
				return fmt.Errorf("cannot visit %s after %d tries: %w", workspaceName(which), tries, err)
			}
			s.repeated++
			if err := measure.Pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		s.slowest = max(s.slowest, time.Since(began))
	}
	return nil
}

// killWorker ends one by SIGKILL, another one each time.
func (v *visitor) killWorker(ctx context.Context, n int) (int, error) {
	pids, err := v.router.pids(ctx)
	if err != nil || len(pids) == 0 {
		return 0, err
	}
	list := make([]int, 0, len(pids))
	for _, pid := range pids {
		if pid > 1 {
			list = append(list, pid)
		}
	}
	slices.Sort(list)
	if err := syscall.Kill(list[n%len(list)], syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return 0, fmt.Errorf("cannot kill a worker: %w", err)
	}
	return 1, nil
}

// killRouter does the same to the router, and starts another one over the same data.
func (v *visitor) killRouter(ctx context.Context) error {
	if err := v.router.Kill(); err != nil {
		return err
	}
	router, err := v.bench.router(ctx, "traffic", v.bench.places)
	if err != nil {
		return err
	}
	v.router = router
	return nil
}
