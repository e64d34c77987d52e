package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
	"workspace-router/supervisor"
)

// censusAge is how old a census may be that is used for figures, so that asking for all workers takes one.
const censusAge = 500 * time.Millisecond

// census lists the processes of every launch, for figures. One that is under way serves all who ask meanwhile.
type census struct {
	mu      sync.Mutex // guards what follows
	at      time.Time  // when the last one ended
	members map[string][]int
	current *counting // nil while none is under way
}

// counting is a census that is being taken; its result is valid after done.
type counting struct {
	done    chan struct{}
	members map[string][]int
	err     error
}

// recent gives the processes of each launch as they were a moment ago.
func (d *Driver) recent(ctx context.Context) (map[string][]int, error) {
	c := d.census
	c.mu.Lock()
	if time.Since(c.at) < censusAge {
		defer c.mu.Unlock()
		return c.members, nil
	}
	current := c.current
	if current == nil {
		current = &counting{done: make(chan struct{})}
		c.current = current
		go d.count(current)
	}
	c.mu.Unlock()
	select {
	case <-current.done:
		return current.members, current.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (d *Driver) count(current *counting) {
	defer close(current.done)
	var roots []proc.Root
	for _, w := range d.all() {
		roots = append(roots, proc.Root{Launch: string(w.spec.Launch), ID: w.root()})
	}
	taken, err := proc.Take(proc.Scope{Data: d.id, Roots: roots})
	c := d.census
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	if current.err = err; err == nil {
		current.members = members(taken)
		c.members, c.at = current.members, time.Now()
	}
}

// members gives the pids of each launch of a data directory.
func members(c proc.Census) map[string][]int {
	list := make(map[string][]int, len(c.Members))
	for launch, stats := range c.Members {
		for _, stat := range stats {
			list[launch] = append(list[launch], stat.PID)
		}
	}
	return list
}

// Usage adds up what all processes of the launch take. A process that ends meanwhile counts as far as it was read.
func (w *worker) Usage(ctx context.Context) (supervisor.Usage, error) {
	root := w.root()
	if root.PID == 0 {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: it has no process yet", w.spec.Launch)
	}
	list, err := w.driver.recent(ctx)
	if err != nil {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, err)
	}
	pids := list[string(w.spec.Launch)]
	if len(pids) == 0 { // it began after the census was taken
		pids = []int{root.PID}
	}
	usage, unread := supervisor.Usage{PID: root.PID}, false
	for _, pid := range pids {
		if err := context.Cause(ctx); err != nil {
			return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, err)
		}
		stat, err := proc.Read(pid)
		if err != nil {
			continue
		}
		usage.CPUTime += stat.CPU
		own, known := pss(pid)
		unread = unread || !known && proc.Alive(stat.ID)
		usage.PSS += own
		usage.Files += files(pid)
	}
	if group := w.group(); unread && group.Path != "" {
		if taken, err := group.Memory(); err == nil {
			usage.PSS = taken
		}
	}
	if !proc.Alive(root) {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, errWorkerGone)
	}
	return usage, nil
}

// group is the launch's control group. What it takes stands in for the sizes of processes that cannot be read, as where
// their user is another's: without what others brought into memory first, and with what the kernel keeps for it.
func (w *worker) group() cgroup.Group {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spawned == nil {
		return cgroup.Group{}
	}
	return cgroup.Group{Path: w.spawned.Group}
}

// pss is a process's proportional set size in bytes: its own memory, and its share of what it has in common. It is not
// known where it may not be read.
func pss(pid int) (size int64, known bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == "Pss:" {
			kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, true // it has ended, and has no memory any more
}

func files(pid int) int {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0
	}
	return len(names)
}
