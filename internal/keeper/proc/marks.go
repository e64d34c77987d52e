package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// maxEnviron bounds how much of an environment is searched; the mark is its first variable.
const maxEnviron = 256 << 10

// BrandOf gives the launch of this data directory whose brand the process bears.
func BrandOf(pid int, data keeper.DataID) (launch string, found bool) {
	var limit unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit)
	if errors.Is(err, unix.EPERM) && os.Geteuid() == 0 {
		// Root's launches can have users of their own, and root need not have the capability that this takes.
		limit.Max, err = locksOf(pid)
	}
	if err != nil || limit.Max == unix.RLIM_INFINITY {
		return "", false
	}
	return keeper.Brand(limit.Max).Launch(data)
}

// locksOf reads the limit of file locks where everybody may.
func locksOf(pid int) (uint64, error) {
	var buffer [4096]byte
	text, err := readFile(pid, "limits", buffer[:])
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte("Max file locks"))
		if fields := bytes.Fields(rest); found && len(fields) >= 2 {
			if string(fields[1]) == "unlimited" {
				return unix.RLIM_INFINITY, nil
			}
			return strconv.ParseUint(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("cannot read the limits of process %d", pid)
}

// SetBrand brands the calling process. It fails where the machine's administrator has set a lower limit.
func SetBrand(brand keeper.Brand) error {
	limit := unix.Rlimit{Cur: uint64(brand), Max: uint64(brand)}
	return unix.Setrlimit(unix.RLIMIT_LOCKS, &limit)
}

// MarkOf gives the mark in the process's environment, as it was when the program was executed.
func MarkOf(pid int, buffer []byte) (keeper.Mark, bool) {
	environ, err := readFile(pid, "environ", buffer)
	if err != nil {
		return keeper.Mark{}, false
	}
	for len(environ) > 0 {
		variable, rest, _ := bytes.Cut(environ, []byte{0})
		if value, found := bytes.CutPrefix(variable, []byte(keeper.MarkName+"=")); found {
			return keeper.ParseMark(string(value))
		}
		environ = rest
	}
	return keeper.Mark{}, false
}
