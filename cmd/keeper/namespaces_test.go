package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
)

// What is wanted and not given is named, and only that.
func TestGrant_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	all := sandbox.Namespaces{PID: true, IPC: true, Network: true, Missing: []string{"from before"}}
	for name, test := range map[string]struct {
		lacks        lacking
		wanted, want sandbox.Namespaces
	}{
		"nothing wanted": {lacking{"a", "b", "c", "d"}, sandbox.Namespaces{}, sandbox.Namespaces{}},
		"all given":      {lacking{}, all, all},
		"no processes":   {lacking{pid: "a"}, all, sandbox.Namespaces{IPC: true, Network: true, Missing: []string{"from before", "pid namespace (a)"}}},
		"no ipc":         {lacking{ipc: "c"}, sandbox.Namespaces{PID: true, IPC: true}, sandbox.Namespaces{PID: true, Missing: []string{"ipc namespace (c)"}}},
		"no network":     {lacking{network: "b"}, sandbox.Namespaces{Network: true}, sandbox.Namespaces{Missing: []string{"network namespace (b)"}}},
	} {
		if diff := cmp.Diff(test.want, test.lacks.grant(test.wanted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A launch does not fail because there is no room for another namespace, but for everything else that fails.
func TestFault_NoRoomForNamespaces(t *testing.T) {
	t.Parallel()
	wanted := sandbox.Namespaces{PID: true, IPC: true, Network: true}
	for errno, again := range map[unix.Errno]bool{
		unix.EPERM: true, unix.ENOSPC: true, unix.EUSERS: true, unix.EAGAIN: false, unix.ENOMEM: false,
	} {
		var tried []sandbox.Namespaces
		_, err := lacking{}.orNone(wanted, func(given sandbox.Namespaces) (forked, error) {
			tried = append(tried, given)
			if given.Flags() != 0 {
				return forked{}, fmt.Errorf("cannot fork: %w", errno)
			}
			return forked{}, nil
		})
		if again != (err == nil) || again != (len(tried) == 2) {
			t.Errorf("%v: tried %v, error %v", errno, tried, err)
		}
		if again && len(tried[1].Missing) != 3 {
			t.Errorf("%v: %v does not name all", errno, tried[1])
		}
	}
	plain := errors.New("anything")
	if _, err := (lacking{}).orNone(sandbox.Namespaces{}, func(sandbox.Namespaces) (forked, error) { return forked{}, plain }); !errors.Is(err, plain) {
		t.Errorf("without namespaces: %v", err)
	}
}
