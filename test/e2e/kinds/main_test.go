// Package kinds drives the built router over real programs beside LightRAG, unmodified: Chroma's server by Chroma's own
// clients. scripts/chroma.sh installs what is missing.
package kinds

import (
	"fmt"
	"os"
	"testing"

	"workspace-router/internal/testkit"
)

const chromaVersion = "1.5.9"

var (
	binaries testkit.Binaries
	chroma   string // where Chroma is installed
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kinds-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if chroma, err = testkit.Install("chroma.sh", chromaVersion); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binaries, err = testkit.Build(dir, nil, "cmd/router", "cmd/keeper"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
