package inside

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

const (
	service = "workspace-router.service"
	socket  = "workspace-router.socket"
	state   = "/var/lib/workspace-router"
	slice   = hierarchy + "/system.slice/" + service
)

// The units of deploy/systemd, as they are but for the folder of the programs. Each part goes on where the one before
// has left off.
func TestSystemd(t *testing.T) {
	u := newUnit(t)
	t.Run("the first connection starts it", u.firstConnection)
	t.Run("its launches have groups", u.groups)
	t.Run("a reload is an upgrade in place", u.reload)
	t.Run("a restart keeps the workers", u.restart)
	t.Run("a killed router comes back", u.killed)
	t.Run("a killed router and keeper come back", u.bothKilled)
	t.Run("a stop leaves nothing", u.stop)
}

// unit is the service, driven by systemctl.
type unit struct{ *testkit.Router }

func newUnit(t *testing.T) *unit {
	t.Helper()
	if err := os.Mkdir("/etc/workspace-router", 0o755); err != nil {
		t.Fatal(err)
	}
	kind := hostile(t, "/etc/workspace-router", "limits: {memory: 200MiB}")
	u := &unit{&testkit.Router{URL: "http://127.0.0.1:9621", DataDir: state, Binaries: programs}}
	u.configure(t, "ROUTER_KIND_FILES="+kind, "ROUTER_DEFAULT_KIND=hostile", "ROUTER_ON_EXIT=keep")
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := exec.CommandContext(context.WithoutCancel(t.Context()), "journalctl", "--no-pager", "-o", "cat", "-u", service, "-n", "300").Output()
			lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
				return strings.Contains(line, `"path":"/livez"`) || strings.Contains(line, `"path":"/readyz"`)
			})
			own, _ := os.ReadFile(state + "/logs/keeper.own")
			t.Logf("the journal:\n%s\nthe keeper:\n%s", strings.Join(lines, "\n"), own)
		}
	})
	systemctl(t, "daemon-reload")
	return u
}

// configure adds to what the unit gives the router as its environment.
func (u *unit) configure(t *testing.T, lines ...string) {
	t.Helper()
	file, err := os.OpenFile("/etc/workspace-router/env", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
}

func systemctl(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*testkit.Patience)
	defer cancel()
	text, err := exec.CommandContext(ctx, "systemctl", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v: %s", arguments, err, text)
	}
	return strings.TrimSpace(string(text))
}

func property(t *testing.T, name string) string {
	t.Helper()
	return systemctl(t, "show", "--value", "-p", name, service)
}

func mainPID(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(property(t, "MainPID"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// serving waits until the service is up with another main process than that, and ready.
func (u *unit) serving(t *testing.T, before int) {
	t.Helper()
	testkit.Eventually(t, "the service to be up", func() error {
		if active, pid := property(t, "ActiveState"), mainPID(t); active != "active" || pid == before || pid == 0 {
			return fmt.Errorf("it is %q, with process %d, after %d", active, pid, before)
		}
		response, err := u.Do(t.Context(), testkit.Request{Path: "/readyz", NoKey: true})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d", response.Status)
		}
		return err
	})
}

// crowd sends requests on connections of their own until it is told to end, and gives what went wrong.
func (u *unit) crowd() (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * testkit.Patience}
	var group sync.WaitGroup
	var failed error
	count := 0
	group.Go(func() {
		for ctx.Err() == nil {
			request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, u.URL+"/livez", nil)
			response, err := client.Do(request)
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			response.Body.Close()
			if count++; response.StatusCode != http.StatusOK {
				failed = errors.Join(failed, fmt.Errorf("request %d: status %d", count, response.StatusCode))
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	return func() error {
		cancel()
		group.Wait()
		if count < 5 {
			failed = errors.Join(failed, fmt.Errorf("there were %d requests only", count))
		}
		return failed
	}
}

func (u *unit) firstConnection(t *testing.T) {
	systemctl(t, "start", socket)
	if active := property(t, "ActiveState"); active != "inactive" {
		t.Fatalf("the service is %q before anybody has come", active)
	}
	response, err := u.Do(t.Context(), testkit.Request{Path: "/livez", NoKey: true})
	if err != nil || response.Status != http.StatusOK {
		t.Fatalf("the first request: %v, status %d", err, response.Status)
	}
	u.serving(t, 0)
	u.Key = read(t, state, "admin.key")
}

func (u *unit) groups(t *testing.T) {
	w := start(t, u.Router, "alpha")
	group := groupOf(t, w.PID)
	if filepath.Dir(group) != slice || read(t, group, "memory.max") != strconv.Itoa(200<<20) {
		t.Errorf("the worker is in %q with %q", group, read(t, group, "memory.max"))
	}
	held, _, _ := strings.Cut(w.Isolation, "; without ")
	for _, means := range []string{"control group", "memory limit", "process limit"} {
		if !strings.Contains(held, means) {
			t.Errorf("%q is not said of it: %s", means, w.Isolation)
		}
	}
	if got, want := groupOf(t, mainPID(t)), slice+"/router"; got != want {
		t.Errorf("the router is in %q, want %q", got, want)
	}
	if got, want := groupOf(t, keeperOf(t, state)), slice+"/keeper"; got != want {
		t.Errorf("the keeper is in %q, want %q", got, want)
	}
}

// same fails the test unless the workspace has the worker that it had, under its limits.
func (u *unit) same(t *testing.T, before shown) {
	t.Helper()
	now := show(t, u.Router, "alpha")
	if now.PID != before.PID || now.Launch != before.Launch {
		t.Errorf("the worker was %+v and is %+v", before, now)
	}
	testkit.Eventually(t, "the limits to be in force", func() error {
		text, err := os.ReadFile(filepath.Join(groupOf(t, now.PID), "memory.max"))
		if got := strings.TrimSpace(string(text)); err == nil && got != strconv.Itoa(200<<20) {
			err = fmt.Errorf("memory.max is %q", got)
		}
		return err
	})
}

func (u *unit) reload(t *testing.T) {
	before, pid := start(t, u.Router, "alpha"), mainPID(t)
	end := u.crowd()
	systemctl(t, "reload", service)
	u.serving(t, pid)
	if err := end(); err != nil {
		t.Errorf("in a reload: %v", err)
	}
	u.same(t, before)
	testkit.Eventually(t, "the router before to end", func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}

func (u *unit) restart(t *testing.T) {
	before, pid := start(t, u.Router, "alpha"), mainPID(t)
	end := u.crowd()
	open := make(chan error, 1)
	go func() {
		response, err := u.Do(t.Context(), testkit.Request{Path: "/w/alpha/slow?for=5s"})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", response.Status, response.Body)
		}
		open <- err
	}()
	testkit.Eventually(t, "the request to be under way", func() error {
		for _, w := range u.Workers(t) {
			if w.Leases > 0 {
				return nil
			}
		}
		return errors.New("no worker has one")
	})
	systemctl(t, "restart", service)
	if err := <-open; err != nil {
		t.Errorf("a request that was open: %v", err)
	}
	u.serving(t, pid)
	if err := end(); err != nil {
		t.Errorf("in a restart: %v", err)
	}
	u.same(t, before)
}

func (u *unit) killed(t *testing.T) {
	before, pid := start(t, u.Router, "alpha"), mainPID(t)
	kill(t, pid)
	u.serving(t, pid)
	u.same(t, before)
}

func (u *unit) bothKilled(t *testing.T) {
	// An orphan that outlives both is in the unit's group still.
	fault(t, u.Router, "alpha", "HOSTILE_FORK_AWAY=1")
	before, pid := start(t, u.Router, "alpha"), mainPID(t)
	kill(t, pid, keeperOf(t, state))
	u.serving(t, pid)
	after := start(t, u.Router, "alpha")
	if after.Launch == before.Launch {
		t.Error("a worker outlived its keeper")
	}
	u.same(t, after)
	if left := launchesIn(t, slice); len(left) != 1 {
		t.Errorf("there are the groups %v, want one", left)
	}
}

func (u *unit) stop(t *testing.T) {
	u.configure(t, "ROUTER_ON_EXIT=stop")
	pid := mainPID(t)
	systemctl(t, "restart", service)
	u.serving(t, pid)
	start(t, u.Router, "alpha")
	systemctl(t, "stop", service, socket)
	testkit.NothingLeft(t, state)
	testkit.Eventually(t, "the service's group to go", func() error {
		if _, err := os.Stat(slice); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}
