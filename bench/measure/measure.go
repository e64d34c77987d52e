// Package measure is what the benchmarks share: reading what a process takes from /proc, running a built router, and
// telling times. It starts no goroutine and prints nothing.
package measure

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Memory reads one line of what the kernel says of a process's memory ("Rss:", "Pss:"), in MiB.
func Memory(pid int, key string) (float64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				return 0, fmt.Errorf("cannot read the memory of process %d in %q: %w", pid, line, err)
			}
			return float64(kib) / 1024, nil
		}
	}
	return 0, fmt.Errorf("the kernel tells no %s", key)
}

// tick is the unit of processor time in /proc on Linux, whatever the kernel's own is.
const tick = 10 * time.Millisecond

// ProcessorTime is what a process has taken so far, in user and kernel mode, without its children.
func ProcessorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the processor time of process %d: %w", pid, err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // a program's name may hold blanks
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read the processor time in %q", stat)
	}
	total := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return 0, fmt.Errorf("cannot read the processor time in %q: %w", stat, err)
		}
		total += n
	}
	return time.Duration(total) * tick, nil
}

// Environment reads one variable of a process's environment; empty where it has none such.
func Environment(pid int, name string) (string, error) {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", fmt.Errorf("cannot read the environment of process %d: %w", pid, err)
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if value, found := strings.CutPrefix(variable, name+"="); found {
			return value, nil
		}
	}
	return "", nil
}

// Load is how many processes ran or wanted to, on average over the last minute; "?" where the machine does not say.
func Load() string {
	content, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(content)); err == nil && len(fields) > 0 {
		return fields[0]
	}
	return "?"
}

// Disk adds up the sizes of all files below a directory, in bytes. What vanishes meanwhile is not counted.
func Disk(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("cannot add up the files below %q: %w", dir, err)
	}
	return total, nil
}

// Pause waits, or returns why ctx ended before.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
