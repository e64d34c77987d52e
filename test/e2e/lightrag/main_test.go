// Package lightrag drives the built router over the real LightRAG server, unmodified, at two versions; the model alone is
// a fake. scripts/lightrag.sh installs what is missing.
package lightrag

import (
	"fmt"
	"os"
	"testing"

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
		if places[version], err = testkit.Install("lightrag.sh", version); err != nil {
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
