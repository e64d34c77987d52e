package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
)

// Group is that of one launch. With an empty path there is none: nothing is in it, and nothing happens to it.
type Group struct {
	Path string         `json:"path,omitempty"`
	Held sandbox.Result `json:"held"` // what holds the launch by it, and what does not
}

// Without is the group of a launch that has none.
func Without(why string) Group {
	return Group{Held: sandbox.Result{Missing: []string{fmt.Sprintf("%s (%s)", MeansGroup, why)}}}
}

// Open gives the descriptor by which a process is born into the group.
func (g Group) Open() (*os.File, error) {
	return os.OpenFile(g.Path, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// Populated reports whether a process lives in the group or in one that was made in it. A group that is gone has none.
// One about which nothing can be read counts as populated.
func (g Group) Populated() bool {
	if g.Path == "" {
		return false
	}
	value, err := g.number("cgroup.events", "populated")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return false
	}
	return err != nil || value != 0
}

// PIDs lists the processes of the group, and of those that were made in it.
func (g Group) PIDs() (list []int) {
	if g.Path == "" {
		return nil
	}
	_ = filepath.WalkDir(g.Path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			list = append(list, pidsOf(path)...)
		}
		return nil // what is gone meanwhile has none
	})
	return list
}

// Kill kills all that lives in the group, which no fork escapes. It needs Linux 5.14.
func (g Group) Kill() error {
	if g.Path == "" {
		return nil
	}
	err := write(g.Path, "cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		if _, gone := os.Stat(g.Path); gone != nil {
			return nil
		}
	}
	return err
}

// OutOfMemory reports whether the kernel killed something in the group because its limit of memory was reached.
func (g Group) OutOfMemory() bool {
	if g.Path == "" {
		return false
	}
	killed, err := g.number("memory.events", "oom_kill")
	return err == nil && killed > 0
}

// Memory is what the group takes that the kernel could not have back at once, in bytes.
func (g Group) Memory() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.Path, "memory.current"))
	if err != nil {
		return 0, fmt.Errorf("cannot tell the memory of a control group: %w", err)
	}
	current, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot tell the memory of a control group: %w", err)
	}
	idle, err := g.number("memory.stat", "inactive_file")
	return max(0, current-idle), err
}

// Remove removes the group, and those that were made in it. Nothing may live there.
func (g Group) Remove() error {
	if g.Path == "" {
		return nil
	}
	var dirs []string
	_ = filepath.WalkDir(g.Path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone meanwhile need not be removed
	})
	for i := len(dirs) - 1; i >= 0; i-- { // a parent was met before its children
		if err := os.Remove(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the control group: %w", err)
		}
	}
	return nil
}

// number reads the value of a key in one of the group's files.
func (g Group) number(file, key string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.Path, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("cannot find %q in %s", key, file)
}
