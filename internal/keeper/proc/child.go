package proc

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Child gives the child of a process that has the pid inside in that process's PID namespace.
func Child(parent ID, inside int) (ID, bool) {
	for _, pid := range children(parent.PID) {
		stat, err := Read(pid)
		if err == nil && stat.Parent == parent.PID && innermost(pid) == inside {
			return stat.ID, true
		}
	}
	return ID{}, false
}

// children lists a process's children: as the kernel keeps them, or, where it was made without that, by looking at all.
func children(parent int) (pids []int) {
	dir := strconv.Itoa(parent)
	text, err := os.ReadFile("/proc/" + dir + "/task/" + dir + "/children")
	if err != nil {
		_ = eachPID(func(pid int) {
			if stat, err := Read(pid); err == nil && stat.Parent == parent {
				pids = append(pids, pid)
			}
		})
		return pids
	}
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// innermost gives a process's pid in the namespace that it lives in; 0 where it cannot be told.
func innermost(pid int) int {
	var buffer [4 << 10]byte
	text, err := readFile(pid, "status", buffer[:])
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if list, found := bytes.CutPrefix(line, []byte("NSpid:")); found {
			if fields := bytes.Fields(list); len(fields) > 0 {
				inside, _ := strconv.Atoi(string(fields[len(fields)-1])) // 0 for what is no number, as documented
				return inside
			}
		}
	}
	return 0
}
