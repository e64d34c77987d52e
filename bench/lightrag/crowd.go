package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"

	"workspace-router/bench/measure"
)

// crowd is what many servers at once take and how they answer.
type crowd struct {
	plain, routed         answers
	plainPSS, routedPSS   float64 // MiB of each, with the same number of servers
	crowdPSS              float64 // MiB of each, with all that live at once
	plainDisk, routedDisk float64 // KiB of each, with one document
	others                float64 // KiB of the router's own files, over all
	load                  string
}

// manyAtOnce gives servers by themselves a document each and looks at what they take, then as many workspaces, then as
// many as shall live at once.
func (b *bench) manyAtOnce(ctx context.Context, r *results) error {
	c := &r.crowd
	if err := b.plainCrowd(ctx, c); err != nil {
		return err
	}
	data := filepath.Join(b.dir, "crowd")
	router, err := b.router(ctx, "crowd", b.live)
	if err != nil {
		return err
	}
	err = func() error {
		if err := b.fill(ctx, router, 0, b.plain, c); err != nil {
			return err
		}
		if c.routedPSS, err = router.pss(ctx); err != nil {
			return err
		}
		disk, err := disk(filepath.Join(data, "workspaces"), filepath.Join(data, "logs"))
		if err != nil {
			return err
		}
		c.routedDisk = disk / float64(b.plain)
		if err := b.fill(ctx, router, b.plain, b.live, c); err != nil {
			return err
		}
		if c.crowdPSS, err = router.pss(ctx); err != nil {
			return err
		}
		return b.askAll(ctx, router, c)
	}()
	if err := errors.Join(err, router.Stop()); err != nil {
		return err
	}
	all, err := disk(data)
	if err != nil {
		return err
	}
	workspaces, err := disk(filepath.Join(data, "workspaces"), filepath.Join(data, "logs"))
	c.others, c.load = all-workspaces, measure.Load()
	return err
}

// plainCrowd measures servers by themselves.
func (b *bench) plainCrowd(ctx context.Context, c *crowd) (err error) {
	var list []*plain
	defer func() {
		for _, p := range list {
			err = errors.Join(err, p.stop())
		}
	}()
	for i := range b.plain {
		p, _, err := startPlain(ctx, b.options, b.model, filepath.Join(b.dir, "plain", strconv.Itoa(i)))
		if err != nil {
			return err
		}
		list = append(list, p)
		if err := errors.Join(p.teach(ctx, i), c.plain.ask(ctx, p.server, i, i)); err != nil {
			return err
		}
	}
	c.plain.times = nil      // as below
	for _, p := range list { // with as many questions behind them as those behind the router
		pss, err := measure.Memory(p.command.Process.Pid, "Pss:")
		if err != nil {
			return err
		}
		kib, err := disk(p.dir)
		if err != nil {
			return err
		}
		c.plainPSS += pss / float64(b.plain)
		c.plainDisk += kib / float64(b.plain)
	}
	for round := range b.rounds() {
		for i, p := range list {
			if err := c.plain.ask(ctx, p.server, i, round*len(list)+i); err != nil {
				return err
			}
		}
	}
	return nil
}

// rounds is how often all are asked: some hundred questions in all.
func (b *bench) rounds() int { return max(3, b.warm/max(b.live, 1)) }

// fill gives workspaces a document each, two at a time as there are two processors, and asks each once.
func (b *bench) fill(ctx context.Context, router *routed, from, to int, c *crowd) error {
	errs := make([]error, to)
	var group sync.WaitGroup
	permits := make(chan struct{}, 2)
	for i := from; i < to; i++ {
		group.Go(func() {
			permits <- struct{}{}
			defer func() { <-permits }()
			errs[i] = router.workspace(i).teach(ctx, i)
		})
	}
	group.Wait()
	for i := from; i < to; i++ {
		if err := errors.Join(errs[i], c.routed.ask(ctx, router.workspace(i), i, i)); err != nil {
			return err
		}
	}
	c.routed.times = nil // what comes first to a server is not warm yet
	return nil
}

func (b *bench) askAll(ctx context.Context, router *routed, c *crowd) error {
	for round := range b.rounds() {
		for i := range b.live {
			if err := c.routed.ask(ctx, router.workspace(i), i, round*b.live+i); err != nil {
				return err
			}
		}
	}
	return nil
}

// pss is what each live worker takes on average, in MiB.
func (r *routed) pss(ctx context.Context) (float64, error) {
	pids, err := r.pids(ctx)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, pid := range pids {
		pss, err := measure.Memory(pid, "Pss:")
		if err != nil {
			return 0, err
		}
		total += pss
	}
	return total / float64(max(1, len(pids))), nil
}

// disk adds up directories, in KiB.
func disk(dirs ...string) (kib float64, err error) {
	for _, dir := range dirs {
		bytes, failure := measure.Disk(dir)
		kib += float64(bytes) / 1024
		err = errors.Join(err, failure)
	}
	return kib, err
}
