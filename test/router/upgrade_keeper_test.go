package router

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
)

// An upgrade replaces the keeper's program, too, where another file is in its place: the process stays, with its workers.
func TestS8_AnUpgradeReplacesTheKeeper(t *testing.T) {
	t.Parallel()
	l := startLine(t)
	for _, path := range []string{"/w/alpha/echo", "/w/beta/echo"} {
		l.Must(t, http.StatusOK, testkit.Request{Path: path})
	}
	before, keeper := l.launches(), l.keeper()
	for range 2 {
		l.replaceKeeper()
		old := l.serving()
		l.upgrade(old)
		testkit.Eventually(t, "the keeper to run what is on disk", func() error {
			want, err := os.Stat(filepath.Join(l.home, "keeper"))
			if err != nil {
				return err
			}
			got, err := os.Stat(fmt.Sprintf("/proc/%d/exe", keeper))
			if err == nil && !os.SameFile(want, got) {
				err = fmt.Errorf("process %d runs another file", keeper)
			}
			return err
		})
		if got := l.keeper(); got != keeper {
			t.Errorf("the keeper is process %d, want %d", got, keeper)
		}
		l.gone(old)
		for name, want := range before {
			if got := l.launches()[name]; got != want {
				t.Errorf("the worker of %s is %+v, want %+v", name, got, want)
			}
			l.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/echo"})
		}
	}
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/gamma/echo"}) // it forks as ever
	l.terminate()
}

// keeper gives the pid of the keeper.
func (l *line) keeper() int {
	l.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(l.read("locks/keeper")))
	if err != nil {
		l.t.Fatal(err)
	}
	return pid
}

// replaceKeeper puts a copy in the place of the keeper's program. A child that is forked beside this would hold it open
// for writing for a moment, and it could not be executed.
func (l *line) replaceKeeper() {
	l.t.Helper()
	path := filepath.Join(l.home, "keeper")
	text, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path+".new", text, 0o700); err != nil { //nolint:gosec // it is to be executable
		l.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		l.t.Fatal(err)
	}
}
