package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"workspace-router/bench/measure"
)

// state is what a router costs at one moment.
type state struct {
	rss, pss   float64 // MiB
	goroutines int
	files      int           // descriptors
	cpu        time.Duration // over the time that it was left alone
	over       time.Duration
}

// settle is how long a router is left alone before it is measured, so that what its start left has been collected.
const settle = 2 * time.Second

// rest measures the router when nobody asks it for anything.
func (s *served) rest(ctx context.Context, over time.Duration) (r state, err error) {
	s.Client.CloseIdleConnections()
	if err := measure.Pause(ctx, settle); err != nil {
		return r, err
	}
	pid := s.PID()
	before, err := measure.ProcessorTime(pid)
	if err != nil {
		return r, err
	}
	begun := time.Now()
	if err := measure.Pause(ctx, over); err != nil {
		return r, err
	}
	after, err := measure.ProcessorTime(pid)
	if err != nil {
		return r, err
	}
	r.cpu, r.over = after-before, time.Since(begun)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return r, err
	}
	r.files = len(files)
	if r.rss, err = measure.Memory(pid, "Rss:"); err != nil {
		return r, err
	}
	if r.pss, err = measure.Memory(pid, "Pss:"); err != nil {
		return r, err
	}
	r.goroutines, err = s.goroutines(ctx) // last: asking takes a connection and memory
	return r, err
}

// goroutines reads how many the router has, its answer's own included.
func (s *served) goroutines(ctx context.Context) (int, error) {
	body, err := s.Get(ctx, s.Operator+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if count, found := strings.CutPrefix(line, "go_goroutines "); found {
			return strconv.Atoi(strings.TrimSpace(count))
		}
	}
	return 0, errors.New("the metrics name no goroutines")
}
