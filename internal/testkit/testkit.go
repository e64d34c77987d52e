// Package testkit is what the suites that drive built programs share: building them, running a router over a data
// directory of its own, talking to it, and looking at /proc afterwards. Nothing but tests imports it.
package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait of a test; machines that run tests are slow at times.
const Patience = 30 * time.Second

// Root is the folder of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Binaries is a folder with the built programs.
type Binaries string

// Path gives the path of one program.
func (b Binaries) Path(name string) string { return filepath.Join(string(b), name) }

// Build compiles the commands (folders below the module's root) into dir. With race, those that are named in it are
// compiled with the race detector.
func Build(dir string, race map[string]bool, commands ...string) (Binaries, error) {
	for _, command := range commands {
		arguments := []string{"build", "-o", filepath.Join(dir, filepath.Base(command))}
		environment := append(os.Environ(), "CGO_ENABLED=0")
		if race[command] {
			arguments = append(arguments, "-race")
			environment = append(os.Environ(), "CGO_ENABLED=1")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
		build := exec.CommandContext(ctx, "go", append(arguments, "./"+command)...)
		build.Dir, build.Env = Root(), environment
		output, err := build.CombinedOutput()
		cancel()
		if err != nil {
			return "", fmt.Errorf("cannot build %s: %w\n%s", command, err, output)
		}
	}
	return Binaries(dir), nil
}

// Install runs a script of the folder scripts that makes sure that something is there, and gives the place that it prints.
func Install(script string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(Root(), "scripts", script), arguments...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("cannot install what scripts/%s is for: %w", script, err)
	}
	return strings.TrimSpace(string(output)), nil
}

// ShortDir makes a directory for the test with a shorter path than its TempDir has: the path of a Unix socket below it
// must fit into a hundred bytes.
func ShortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "wr")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Eventually polls until check returns nil and fails the test with its last error when Patience is over.
func Eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	// Clean-ups wait, too, when the test's own context has ended already.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), Patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("waited in vain for %s: %v", what, err)
		case <-ticker.C:
		}
	}
}

// Processes lists the live processes that belong to a data directory: those whose environment or command line names it.
// Zombies count: somebody has not reaped them.
func Processes(dataDir string) ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if entry.Name()[0] < '0' || entry.Name()[0] > '9' || entry.Name() == fmt.Sprint(os.Getpid()) {
			continue
		}
		environment, errEnvironment := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		command, errCommand := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if errEnvironment != nil && errCommand != nil {
			continue // it ended meanwhile
		}
		if bytes.Contains(environment, []byte(dataDir)) || bytes.Contains(command, []byte(dataDir)) {
			found = append(found, entry.Name()+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found, nil
}

// NothingLeft fails the test unless all processes of the data directory end.
func NothingLeft(tb testing.TB, dataDir string) {
	tb.Helper()
	Eventually(tb, "all processes of "+dataDir+" to end", func() error {
		left, err := Processes(dataDir)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return errors.New(strings.Join(left, "; "))
		}
		return nil
	})
}

// LocksFree fails the test when somebody still holds one of the data directory's locks.
func LocksFree(tb testing.TB, dataDir string) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dataDir, "locks", "*"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no locks to look at: %v", err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			tb.Errorf("%s is held: %v", path, err)
		}
		file.Close()
	}
}
