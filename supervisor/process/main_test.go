package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// programs is where TestMain puts the real keeper and the worker that misbehaves.
var programs string

func TestMain(m *testing.M) {
	if os.Getenv(routerRole) != "" {
		os.Exit(fakeRouter())
	}
	if made := os.Getenv(programsMade); made != "" {
		programs = made
		os.Exit(m.Run())
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a directory:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // for users of workspaces' own
		fmt.Fprintln(os.Stderr, "cannot open a directory:", err)
		return 1
	}
	command := exec.CommandContext(context.Background(), "go", "build", "-o", dir, "workspace-router/cmd/keeper", "workspace-router/test/hostile")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the programs: %v\n%s", err, output)
		return 1
	}
	programs = dir
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

func keeperProgram() string { return filepath.Join(programs, "keeper") }
