// Package e2e runs what the documentation shows, against the built programs, as a reader would.
package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestFirstAnswer runs the README's lines in a folder that looks like the repository.
func TestFirstAnswer(t *testing.T) {
	t.Parallel()
	dir := testkit.ShortDir(t)
	for _, name := range []string{"bin", "examples", "README.md"} {
		if err := os.Symlink(filepath.Join(testkit.Root(), name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := testkit.StartRouter(t, testkit.Binaries(filepath.Join(testkit.Root(), "bin")), filepath.Join(dir, "data"), "ROUTER_POOL_MAX_WORKERS=2")

	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Patience)
	defer cancel()
	script := exec.CommandContext(ctx, "examples/first-answer.sh")
	script.Dir, script.Env = dir, append(os.Environ(), "URL="+r.URL)
	output, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	rest := string(output)
	// What a reader sees, in this order.
	for _, want := range []string{
		"included apt", "debian-history.pdf", // alpha's own answer
		"make the whole grid the same colour", "puzzles.html", // beta's
		"No relevant passage", "No relevant passage", // each other's question
		"alpha", "beta", // two workers
		"beta", "gamma", // the oldest made room
		"because gamma needed room", // and it is told why
		"included apt",              // back with its data
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing, or not in its place, in:\n%s", want, output)
		}
		rest = after
	}
}
