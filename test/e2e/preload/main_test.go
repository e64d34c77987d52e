// Package preload drives the process driver and the built keeper with programs in Python, which are forked from a
// preloader. It needs CPython 3.10 or later as python3, or the interpreters that PRELOAD_PYTHONS names, by their paths with
// colons between them.
package preload

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"workspace-router/internal/testkit"
)

var (
	binaries testkit.Binaries
	pythons  []string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "preload-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if built := os.Getenv(builtFor); built != "" {
		binaries = testkit.Binaries(built)
	} else if binaries, err = testkit.Build(dir, nil, "cmd/keeper"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if pythons, err = interpreters(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// interpreters gives the real paths of those that are to be tried.
func interpreters() (list []string, err error) {
	names := filepath.SplitList(os.Getenv("PRELOAD_PYTHONS"))
	if len(names) == 0 {
		names = []string{"python3"}
	}
	for _, name := range names {
		// One that is chosen by a shim would be chosen anew by each start.
		command := exec.CommandContext(context.Background(), name, "-c", "import os, sys; print(os.path.realpath(sys.executable))")
		output, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("cannot run %q: %w", name, err)
		}
		list = append(list, strings.TrimSpace(string(output)))
	}
	return list, nil
}
