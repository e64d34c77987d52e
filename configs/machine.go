package configs

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"workspace-router/internal/kind"
)

const (
	// share is how much of the machine the workers may take where nothing was said, in hundredths.
	share = 80
	// what is assumed where the machine does not say
	unknownMemory = 2 << 30
	unknownFiles  = 4096
)

// machine is where the limits are read of what this process may use. Tests give another root.
type machine struct {
	root       string // "/", before proc and sys
	descriptor func() uint64
}

func thisMachine() machine {
	return machine{root: "/", descriptor: func() uint64 {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return unknownFiles
		}
		return limit.Max
	}}
}

// memory is the share of the machine's memory, or of that of the control group that this process is in or of one above
// it, whichever is least.
func (m machine) memory() kind.Size {
	least := int64(math.MaxInt64)
	if total, found := m.field("proc/meminfo", "MemTotal:"); found {
		least = total << 10
	}
	for _, limit := range m.groupLimits() {
		least = min(least, limit)
	}
	if least == math.MaxInt64 {
		least = unknownMemory
	}
	return max(1<<20, kind.Size(least/100*share)>>20<<20)
}

// files is the share of the descriptors that one process may have open at most, or that the whole machine may,
// whichever is less.
func (m machine) files() int {
	most := m.descriptor()
	for _, name := range []string{"nr_open", "file-max"} {
		if n, err := strconv.ParseUint(m.read("proc/sys/fs/"+name), 10, 64); err == nil {
			most = min(most, n)
		}
	}
	return int(max(1, min(most, math.MaxInt32)/100*share))
}

// connections is what clients may have of the descriptors: the rest is for what their requests need, and for workers.
func (m machine) connections() int {
	const most, part = 16384, 4
	return int(min(most, max(1, m.descriptor()/part)))
}

// groupLimits gives the limits of memory of the control groups that this process is in, of both versions.
func (m machine) groupLimits() (limits []int64) {
	for line := range strings.Lines(m.read("proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for group := filepath.Clean("/" + parts[2]); ; group = filepath.Dir(group) {
			text := m.read(filepath.Join(base, group, file))
			if limit, err := strconv.ParseInt(text, 10, 64); err == nil && limit > 0 { // else "max"
				limits = append(limits, limit)
			}
			if group == "/" {
				break
			}
		}
	}
	return limits
}

// field gives the number that follows a name in a file of lines.
func (m machine) field(path, name string) (int64, bool) {
	for line := range strings.Lines(m.read(path)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n, err == nil && n > 0
		}
	}
	return 0, false
}

// read gives a file's text without the white space around it, and nothing where there is no such file.
func (m machine) read(path string) string {
	content, err := os.ReadFile(filepath.Join(m.root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
