package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
)

// settleRounds bounds how often processes are moved out of the base that fork meanwhile.
const settleRounds = 100

// Base is the group below which launches get theirs. It is not safe for concurrent use.
type Base struct {
	Path string `json:"path"`
	Own  bool   `json:"own"` // it is the group of the keeper and its router, and of nobody else's processes
	// On are the controllers that are on for launches.
	On []string `json:"on,omitempty"`
	// Lacks says why another one is not, by its name.
	Lacks map[string]string `json:"lacks,omitempty"`
	// Guests says that a process was found in the group itself: whoever starts routers puts them there, and could not
	// while controllers are on.
	Guests bool `json:"guests,omitempty"`
}

// Open moves the processes of the base into its leaves and switches on the controllers. It can be done again. What
// could not be done is in Lacks; groups without a controller are still good for killing and for proof.
func (b *Base) Open() {
	b.On, b.Lacks = nil, map[string]string{}
	available := strings.Fields(b.read("cgroup.controllers"))
	if err := b.vacate(); err != nil {
		b.lack(err.Error(), controllerMemory, controllerProcesses)
		return
	}
	for _, controller := range []string{controllerMemory, controllerProcesses} {
		if !slices.Contains(available, controller) {
			b.lack(b.without(controller), controller)
			continue
		}
		if err := write(b.Path, "cgroup.subtree_control", "+"+controller); err != nil {
			b.lack(fmt.Sprintf("cannot switch it on: %v", err), controller)
			continue
		}
		b.On = append(b.On, controller)
	}
}

// Yield switches the controllers off where a process must be able to come into the base: the service manager puts
// the next router there, and the kernel lets nobody into a group that limits its children. Groups stay, without limits.
func (b *Base) Yield() {
	if !b.Guests {
		return
	}
	b.off(b.On)
	b.On = nil
}

// Clear switches the controllers off, whoever has switched them on.
func (b *Base) Clear() { b.off(strings.Fields(b.read("cgroup.subtree_control"))) }

func (b *Base) off(controllers []string) {
	for _, controller := range controllers {
		_ = write(b.Path, "cgroup.subtree_control", "-"+controller) // what stays on keeps a router out, which its manager says
	}
}

func (b *Base) lack(why string, controllers ...string) {
	for _, controller := range controllers {
		b.Lacks[controller] = why
	}
}

// vacate moves all processes that are in the base itself into its leaves.
func (b *Base) vacate() error {
	self := os.Getpid()
	if b.Own {
		if err := b.move(self, LeafKeeper); err != nil {
			return err
		}
	}
	for range settleRounds {
		list := pidsOf(b.Path)
		if len(list) == 0 {
			return nil
		}
		if !b.Own {
			return fmt.Errorf("there are processes in the control group %q: name one without", b.Path)
		}
		b.Guests = true
		for _, pid := range list {
			if err := b.move(pid, LeafRouter); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return fmt.Errorf("processes come into the control group %q without pause", b.Path)
}

func (b *Base) move(pid int, leaf string) error {
	path := filepath.Join(b.Path, leaf)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the control group: %w", err)
	}
	if err := write(path, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("cannot move process %d: %w", pid, err)
	}
	return nil
}

// Make makes the group of a launch. Where there is none its path is empty, and what is missing is named.
func (b *Base) Make(name string, l Limits) Group {
	g := Group{Path: filepath.Join(b.Path, name)}
	if err := os.Mkdir(g.Path, 0o755); err != nil {
		return Without(fmt.Sprintf("cannot make it: %v", err))
	}
	g.Held = b.Limit(g, l)
	return g
}

// Limit puts a launch's group under its limits, as far as the controllers are on.
func (b *Base) Limit(g Group, l Limits) (held sandbox.Result) {
	held.Means = []string{MeansGroup}
	for _, limit := range l.list() {
		why := b.Lacks[limit.controller]
		if why == "" && !slices.Contains(b.On, limit.controller) {
			why = "the controller is off"
		}
		for _, setting := range limit.settings {
			if why != "" {
				break
			}
			err := write(g.Path, setting.file, setting.value)
			if err != nil && (setting.file != fileSwap || !errors.Is(err, fs.ErrNotExist)) {
				why = err.Error()
			}
		}
		if why != "" {
			held.Missing = append(held.Missing, fmt.Sprintf("%s (%s)", limit.means, why))
			continue
		}
		held.Means = append(held.Means, limit.means)
	}
	return held
}

// Left gives the groups that launches have left in the base, by what names of launches begin with.
func (b *Base) Left(prefix string) (names []string, err error) {
	entries, err := os.ReadDir(b.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot look for control groups: %w", err)
	}
	for _, entry := range entries {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), prefix) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

func (b *Base) read(file string) string {
	text, _ := os.ReadFile(filepath.Join(b.Path, file)) // what cannot be read offers nothing
	return string(text)
}

// write sets one file of a group.
func write(group, file, value string) error {
	f, err := os.OpenFile(filepath.Join(group, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}

// pidsOf lists the processes of one group, without those of groups in it.
func pidsOf(group string) (list []int) {
	text, _ := os.ReadFile(filepath.Join(group, "cgroup.procs")) // a group that is gone has none
	for line := range bytes.Lines(text) {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && pid > 0 {
			list = append(list, pid)
		}
	}
	return list
}
