// Package proc reads from /proc what is needed to know the processes of a launch and to end exactly those. It holds no
// state and starts no goroutine.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// TicksPerSecond is the unit of times in /proc. It is fixed at 100 on every architecture that Go supports.
const TicksPerSecond = 100

const kernelThread = 0x00200000 // PF_KTHREAD

// ID is one process for ever: a pid is used again, but not with the same start time within a boot.
type ID struct {
	PID   int
	Start uint64 // clock ticks after boot
}

// Stat is what /proc/PID/stat says of a process.
type Stat struct {
	ID
	Parent  int
	Group   int
	Session int
	State   byte
	Threads int
	Flags   uint64
	CPU     time.Duration // used by the process and by its children that were waited for
}

// Dead reports whether nothing of the process runs any more: it only waits to be reaped. A process whose first thread
// has ended while others run looks like a zombie, and is none.
func (s Stat) Dead() bool {
	return s.State == 'X' || s.State == 'x' || s.State == 'Z' && s.Threads <= 1
}

// Kernel reports whether it is a thread of the kernel.
func (s Stat) Kernel() bool { return s.Flags&kernelThread != 0 }

// Read gives the process's Stat. The error is unix.ENOENT or unix.ESRCH where there is no such process.
func Read(pid int) (Stat, error) {
	var buffer [1024]byte
	text, err := readFile(pid, "stat", buffer[:])
	if err != nil {
		return Stat{}, fmt.Errorf("cannot read the state of process %d: %w", pid, err)
	}
	return parse(pid, text)
}

// parse reads "pid (command) state ppid …"; the command may hold anything, so fields count from the last bracket.
func parse(pid int, text []byte) (Stat, error) {
	const lastField = 19 // start time, the 22nd field of the file
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) <= lastField {
		return Stat{}, fmt.Errorf("cannot read the state of process %d: %d fields", pid, len(fields))
	}
	var failed error
	number := func(i int) uint64 {
		n, err := strconv.ParseUint(strings.TrimPrefix(fields[i], "-"), 10, 64)
		if err != nil {
			failed = fmt.Errorf("cannot read the state of process %d: %w", pid, err)
		}
		return n
	}
	ticks := number(11) + number(12) + number(13) + number(14)
	s := Stat{
		ID:      ID{PID: pid, Start: number(lastField)},
		State:   fields[0][0],
		Parent:  int(number(1)),
		Group:   int(number(2)),
		Session: int(number(3)),
		Flags:   number(6),
		Threads: int(number(17)),
		CPU:     time.Duration(ticks) * (time.Second / TicksPerSecond),
	}
	return s, failed
}

// readFile reads at most len(buffer) bytes of a process's file. It goes past the os package because a scan reads
// thousands of them.
func readFile(pid int, name string, buffer []byte) ([]byte, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	filled := 0
	for filled < len(buffer) {
		n, err := unix.Read(fd, buffer[filled:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		filled += n
	}
	return buffer[:filled], nil
}

// eachPID calls visit for each process in the order of pids, right after the kernel names it. Processes are named one at
// a time, so that one which forks and ends without pause is still there when it is looked at, or its child comes next.
func eachPID(visit func(pid int)) error {
	const anyEntry, onePID = 280, 40 // bytes that hold the longest entry; one with the longest pid, and never two
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot list processes: %w", err)
	}
	defer unix.Close(fd)
	var buffer [anyEntry]byte
	var names []string
	for size := anyEntry; ; {
		n, err := unix.ReadDirent(fd, buffer[:size])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("cannot list processes: %w", err)
		case n == 0:
			return nil
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names[:0])
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil {
				size = onePID // all that follow are processes
				visit(pid)
			}
		}
	}
}

// BootID tells this boot of the machine from every other.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot read the boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
