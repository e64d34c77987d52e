// Command pool measures what the router itself costs, as whole processes with the built programs: memory, goroutines,
// descriptors and processor time with thousands of workspaces registered and dozens running, and what it adds to a cold
// start. It prints Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

type options struct {
	programs   string
	registered int
	running    int
	starts     int
	rest       time.Duration
}

func main() {
	var o options
	short := flag.Bool("short", false, "measure less, for a check in CI (at most 60 s)")
	limit := flag.Duration("limit", 5*time.Minute, "give up after this time")
	flag.StringVar(&o.programs, "programs", "bin", "the directory of router, keeper and worker")
	flag.IntVar(&o.registered, "registered", 10_000, "workspaces that are known")
	flag.IntVar(&o.running, "running", 50, "of them, those that run")
	flag.IntVar(&o.starts, "starts", 50, "cold starts, one after the other")
	flag.DurationVar(&o.rest, "rest", 10*time.Second, "how long processor time at rest is measured")
	flag.Parse()
	if *short {
		o.starts, o.rest, *limit = min(o.starts, 20), min(o.rest, 3*time.Second), min(*limit, time.Minute)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// results is what was measured.
type results struct {
	empty, registered, listed, running state
	alone, through                     []time.Duration // a worker by itself and a cold workspace, in turns
	aloneTogether, together            []time.Duration // the same, all at once
	phases                             map[string][]time.Duration
}

// run measures in a directory of its own, which it removes.
func run(ctx context.Context, o options) (err error) {
	if o.running > o.registered || o.starts > o.registered {
		return fmt.Errorf("cannot start more workspaces than are registered: -registered is %d", o.registered)
	}
	dir, err := os.MkdirTemp("", "bp") // short, for the sockets below it
	if err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	var r results
	alone, err := newLoner(filepath.Join(o.programs, "worker"), dir)
	if err != nil {
		return err
	}
	if err := r.measure(ctx, o, alone, filepath.Join(dir, "data")); err != nil {
		return err
	}
	report(os.Stdout, o, &r)
	return nil
}

// measure takes the router through its states. It is started anew for each, so that none pays for what came before:
// registering leaves garbage behind that is not the cost of what is registered.
func (r *results) measure(ctx context.Context, o options, alone *loner, data string) error {
	// The first start makes the catalog, which takes more than what is registered.
	if err := within(ctx, o, data, func(*served) error { return nil }); err != nil {
		return err
	}
	if err := within(ctx, o, data, func(s *served) (err error) {
		r.empty, err = s.rest(ctx, 0)
		return err
	}); err != nil {
		return fmt.Errorf("cannot measure an empty router: %w", err)
	}
	if err := register(ctx, data, o.registered); err != nil {
		return fmt.Errorf("cannot register workspaces: %w", err)
	}
	if err := within(ctx, o, data, func(s *served) (err error) {
		if r.registered, err = s.rest(ctx, o.rest); err != nil {
			return err
		}
		if _, err = s.Get(ctx, s.Data+"/workspaces"); err != nil {
			return err
		}
		r.listed, err = s.rest(ctx, 0)
		return err
	}); err != nil {
		return fmt.Errorf("cannot measure what is registered: %w", err)
	}
	if err := within(ctx, o, data, func(s *served) (err error) {
		if r.alone, r.through, err = s.inTurns(ctx, alone, o.starts); err != nil {
			return err
		}
		r.phases, err = s.phases(ctx)
		return err
	}); err != nil {
		return fmt.Errorf("cannot measure cold starts: %w", err)
	}
	var err error
	if r.aloneTogether, err = alone.together(ctx, o.running); err != nil {
		return fmt.Errorf("cannot measure %d workers alone: %w", o.running, err)
	}
	if err := within(ctx, o, data, func(s *served) (err error) {
		if r.together, err = s.together(ctx, o.running); err != nil {
			return err
		}
		r.running, err = s.rest(ctx, o.rest)
		return err
	}); err != nil {
		return fmt.Errorf("cannot measure %d running workers: %w", o.running, err)
	}
	return nil
}
