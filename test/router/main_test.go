// Package router drives the built programs over HTTP as their users would: the router, compiled with the race
// detector, the keeper, the embedded worker and the worker of the tests.
package router

import (
	"fmt"
	"os"
	"testing"

	"workspace-router/internal/testkit"
)

var binaries testkit.Binaries

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "router-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	race := map[string]bool{"cmd/router": true}
	if binaries, err = testkit.Build(dir, race, "cmd/router", "cmd/keeper", "cmd/worker", "test/hostile"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start runs a router over a fresh data directory with a short path, as Unix sockets need one.
func start(t *testing.T, environment ...string) *testkit.Router {
	t.Helper()
	return testkit.StartRouter(t, binaries, dataDir(t), environment...)
}

func dataDir(t *testing.T) string {
	t.Helper()
	return testkit.ShortDir(t) + "/data"
}
