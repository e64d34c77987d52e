// Package lightrag drives the built router over the real LightRAG server, unmodified, at two versions; the model alone is
// a fake. scripts/lightrag.sh installs what is missing.
package lightrag

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// The newest version of LightRAG that is served, and the oldest.
const (
	newest = "1.5.7"
	oldest = "1.5.4"
)

var (
	binaries testkit.Binaries
	places   = map[string]string{} // version → where it is installed
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lightrag-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, version := range []string{newest, oldest} {
		if places[version], err = install(version); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if binaries, err = testkit.Build(dir, nil, "cmd/router", "cmd/keeper"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// install makes sure that a version is there, and gives its place.
func install(version string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, filepath.Join(testkit.Root(), "scripts", "lightrag.sh"), version)
	script.Stderr = os.Stderr
	output, err := script.Output()
	if err != nil {
		return "", fmt.Errorf("cannot install LightRAG %s: %w", version, err)
	}
	return strings.TrimSpace(string(output)), nil
}
