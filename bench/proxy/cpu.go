package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree gives the subject's processes: its own and those below it, but for the worker, which all have.
func (s *subject) tree() []int {
	children := map[int][]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for open := []int{s.command.Process.Pid}; len(open) > 0; open = open[1:] {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", open[0]))
		if err != nil || s.name != direct && bytes.Contains(line, []byte("-as\x00worker")) {
			continue
		}
		all = append(all, open[0])
		open = append(open, children[open[0]]...)
	}
	return all
}

// processorTime is what the kernel has accounted for the processes, to the nanosecond.
func processorTime(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		const ofProcess = 2 // CPUCLOCK_SCHED: see clock_getcpuclockid(3)
		var used unix.Timespec
		if err := unix.ClockGettime(int32(^uint32(pid)<<3|ofProcess), &used); err == nil {
			sum += time.Duration(used.Nano())
		}
	}
	return sum
}

// residentMiB is what the processes hold in memory.
func residentMiB(pids []int) (sum float64) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			sum += float64(pages) * float64(os.Getpagesize()) / (1 << 20)
		}
	}
	return sum
}
