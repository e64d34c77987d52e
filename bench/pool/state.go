package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
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
	s.client.CloseIdleConnections()
	if err := pause(ctx, settle); err != nil {
		return r, err
	}
	pid := s.command.Process.Pid
	before, err := processorTime(pid)
	if err != nil {
		return r, err
	}
	begun := time.Now()
	if err := pause(ctx, over); err != nil {
		return r, err
	}
	after, err := processorTime(pid)
	if err != nil {
		return r, err
	}
	r.cpu, r.over = after-before, time.Since(begun)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return r, err
	}
	r.files = len(files)
	if r.rss, err = memory(pid, "Rss:"); err != nil {
		return r, err
	}
	if r.pss, err = memory(pid, "Pss:"); err != nil {
		return r, err
	}
	r.goroutines, err = s.goroutines(ctx) // last: asking takes a connection and memory
	return r, err
}

// goroutines reads how many the router has, its answer's own included.
func (s *served) goroutines(ctx context.Context) (int, error) {
	body, err := s.get(ctx, s.operator+"/metrics")
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

// memory reads one line of the process's memory, in MiB.
func memory(pid int, key string) (float64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("the kernel tells no %s", key)
}

// tick is the unit of processor time in /proc on Linux, whatever the kernel's own is.
const tick = 10 * time.Millisecond

// processorTime is what the process has taken so far, in user and kernel mode.
func processorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // a program's name may hold blanks
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read the processor time in %q", stat)
	}
	user, err := strconv.Atoi(string(fields[11]))
	if err != nil {
		return 0, err
	}
	kernel, err := strconv.Atoi(string(fields[12]))
	return time.Duration(user+kernel) * tick, err
}
