package main

import (
	"context"
	"errors"
	"time"

	"workspace-router/bench/measure"
)

// part is the traffic of one exponent.
type part struct {
	s            float64
	visits, hits int // hits found their worker running
	idealHits    int
	newcomers    int // workspaces that were visited for the first time
	warm, cold   answers
	load         string
}

// visitor asks workspaces in the order of a sequence, each for its own marker. One that was never visited is given its
// document first.
type visitor struct {
	bench  *bench
	router *routed
	taught map[int]bool
	n      int // questions so far
}

// zipfTraffic visits many workspaces over few places, for each exponent of the curve.
func (b *bench) zipfTraffic(ctx context.Context, r *results) error {
	router, err := b.router(ctx, "traffic", b.places)
	if err != nil {
		return err
	}
	v := &visitor{bench: b, router: router, taught: map[int]bool{}}
	lru := newIdeal(b.places) // it goes on from one exponent to the next, as the pool does
	err = func() error {
		for _, s := range b.curve {
			p, err := v.curve(ctx, s, lru)
			if err != nil {
				return err
			}
			r.traffic = append(r.traffic, p)
		}
		return v.underStrikes(ctx, &r.strikes)
	}()
	return errors.Join(err, v.router.Stop())
}

func (v *visitor) curve(ctx context.Context, s float64, lru *ideal) (part, error) {
	p := part{s: s, load: measure.Load()}
	begun, err := v.router.begun(ctx)
	if err != nil {
		return p, err
	}
	for _, which := range zipf(v.bench.visits, v.bench.registered, s) {
		if lru.use(which) {
			p.idealHits++
		}
		newcomer := !v.taught[which]
		var a answers
		if err := v.visit(ctx, which, &a); err != nil {
			return p, err
		}
		if newcomer {
			p.newcomers++
			a.times = nil // its first document is what took the time
		}
		now, err := v.router.begun(ctx)
		if err != nil {
			return p, err
		}
		if now == begun {
			p.hits++
			p.warm.add(a)
		} else {
			p.cold.add(a)
		}
		begun = now
		p.visits++
	}
	p.load += " to " + measure.Load()
	return p, nil
}

func (v *visitor) visit(ctx context.Context, which int, a *answers) error {
	workspace := v.router.workspace(which)
	if !v.taught[which] {
		if err := workspace.teach(ctx, which); err != nil {
			return err
		}
		v.taught[which] = true
	}
	v.n++
	return a.ask(ctx, workspace, which, v.n)
}

func (a *answers) add(more answers) {
	a.right, a.wrong, a.lost = a.right+more.right, a.wrong+more.wrong, a.lost+more.lost
	a.times = append(a.times, more.times...)
}

// struck is traffic during which workers, and the router once, are killed.
type struck struct {
	answers

	workers, routers int // killed
	repeated         int // visits that were made again, after an error
	slowest          time.Duration
}
