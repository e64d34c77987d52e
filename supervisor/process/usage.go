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

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/supervisor"
)

// censusAge is how old a census may be that is used for figures, so that asking for all workers takes one.
const censusAge = 500 * time.Millisecond

// census lists the processes of every launch of the data directory.
type census struct {
	id keeper.DataID

	mu      sync.Mutex // guards what follows; held while a census is taken, so that many who ask share one
	at      time.Time
	members map[string][]int
}

func newCensus(id keeper.DataID) *census { return &census{id: id} }

// fresh takes a census now.
func (c *census) fresh() (map[string][]int, error) {
	taken, err := proc.Take(proc.Scope{Data: c.id, Everything: true})
	if err != nil {
		return nil, err
	}
	return members(taken), nil
}

// recent gives a census that may be a little old.
func (c *census) recent() (map[string][]int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < censusAge {
		return c.members, nil
	}
	list, err := c.fresh()
	if err != nil {
		return nil, err
	}
	c.members, c.at = list, time.Now()
	return list, nil
}

// Usage adds up what all processes of the launch take. A process that ends meanwhile counts as far as it was read.
func (w *worker) Usage(ctx context.Context) (supervisor.Usage, error) {
	root := w.root()
	if root.PID == 0 {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: it has no process yet", w.spec.Launch)
	}
	list, err := w.driver.census.recent()
	if err != nil {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, err)
	}
	pids := list[string(w.spec.Launch)]
	if len(pids) == 0 { // it began after the census was taken
		pids = []int{root.PID}
	}
	usage := supervisor.Usage{PID: root.PID}
	for _, pid := range pids {
		if err := context.Cause(ctx); err != nil {
			return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, err)
		}
		stat, err := proc.Read(pid)
		if err != nil {
			continue
		}
		usage.CPUTime += stat.CPU
		usage.PSS += pss(pid)
		usage.Files += files(pid)
	}
	if !proc.Alive(root) {
		return supervisor.Usage{}, fmt.Errorf("cannot measure launch %s: %w", w.spec.Launch, errWorkerGone)
	}
	return usage, nil
}

// pss is a process's proportional set size in bytes: its own memory, and its share of what it has in common.
func pss(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == "Pss:" {
			kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
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
