package router

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
)

func TestS4_HundredClientsOfOneColdWorkspaceMakeOneLaunch(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	var group sync.WaitGroup
	failures := make(chan error, 100)
	for range 100 {
		group.Go(func() {
			response, err := r.Do(ctx, testkit.Request{Path: "/w/alpha/documents"})
			if err == nil && response.Status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", response.Status, response.Body)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	response := r.Must(t, http.StatusOK, testkit.Request{Path: "/api/v1/events"})
	if launches := strings.Count(response.Body, `"type":"starting"`); launches != 1 {
		t.Errorf("%d launches, want 1: %s", launches, response.Body)
	}
}

func TestS8_KilledRouterLeavesNothingAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := testkit.StartRouter(t, binaries, dir)
	insert(t, r, "alpha", "otters.txt", otters)
	underLoad(t, r, r.Kill)
	testkit.NothingLeft(t, dir)
	testkit.LocksFree(t, dir)

	again := testkit.StartRouter(t, binaries, dir)
	if a := ask(t, again, "alpha", askOtter); !strings.Contains(a.Response, "kelp") {
		t.Errorf("the data are gone: %+v", a)
	}
}

func TestS8_KilledRouterIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	for range 3 {
		r := testkit.StartRouter(t, binaries, dir)
		r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents/status_counts"})
		r.Kill()
	}
	r := testkit.StartRouter(t, binaries, dir)
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents/status_counts"})
}

func TestS8_KilledKeeperTakesItsWorkersAlongAndIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t)
	insert(t, r, "alpha", "otters.txt", otters)
	old := r.Workers(t)[0].PID
	underLoad(t, r, func() { kill(t, keeperOf(t, r)) })
	testkit.Eventually(t, "the killed keeper's worker to end", func() error {
		if syscall.Kill(old, 0) == nil {
			return fmt.Errorf("pid %d lives", old)
		}
		return nil
	})
	testkit.Eventually(t, "alpha to be served again", func() error {
		response, err := r.Do(t.Context(), testkit.Request{
			Method: http.MethodPost, Path: "/w/alpha/query", Body: fmt.Sprintf(`{"query":%q}`, askOtter),
		})
		if err != nil {
			return err
		}
		if response.Status != http.StatusOK || !strings.Contains(response.Body, "kelp") {
			return fmt.Errorf("status %d: %s", response.Status, response.Body)
		}
		return nil
	})
}

func TestServe_EndsOrderlyOnSIGTERM(t *testing.T) {
	t.Parallel()
	r := start(t)
	insert(t, r, "alpha", "otters.txt", otters)
	if code := r.Terminate(t); code != 0 {
		t.Errorf("exit status %d, want 0:\n%s", code, r.Output())
	}
	if left, err := testkit.Processes(r.DataDir); err != nil || len(left) > 0 {
		t.Errorf("left behind when the router had ended: %v %v", left, err)
	}
	testkit.LocksFree(t, r.DataDir)
}

func TestServe_RefusesASecondRouterOnTheSameData(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	second := exec.CommandContext(ctx, binaries.Path("router"), "serve", "--data", r.DataDir, "--listen", "127.0.0.1:0")
	output, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), strconv.Itoa(r.Process.Pid)) {
		t.Errorf("exit %d, want 1 and the first router's pid %d in: %s", second.ProcessState.ExitCode(), r.Process.Pid, output)
	}
	r.Must(t, http.StatusOK, testkit.Request{Path: "/livez"})
}

func TestServe_RefusesToStartWithoutAKeeper(t *testing.T) {
	t.Parallel()
	alone, dir := t.TempDir(), dataDir(t)
	if err := os.Link(binaries.Path("router"), filepath.Join(alone, "router")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	router := exec.CommandContext(ctx, filepath.Join(alone, "router"), "serve", "--data", dir, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	output, err := router.CombinedOutput()
	if err == nil || router.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), filepath.Join(alone, "keeper")) {
		t.Errorf("exit %d, want 1 and the keeper's path in: %s", router.ProcessState.ExitCode(), output)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a data directory was made")
	}
}

// underLoad runs strike while clients keep asking, and returns when they have all been answered or cut.
func underLoad(t *testing.T, r *testkit.Router, strike func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	var group sync.WaitGroup
	answered := make(chan struct{}, 1)
	stop := make(chan struct{})
	for i := range 8 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				workspace := []string{"alpha", "beta", "gamma"}[i%3]
				response, err := r.Do(ctx, testkit.Request{Path: "/w/" + workspace + "/documents/status_counts"})
				if err == nil && response.Status == http.StatusOK {
					select {
					case answered <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range 20 {
		select {
		case <-answered:
		case <-ctx.Done():
			t.Fatal("the load gets no answers")
		}
	}
	strike()
	close(stop)
	group.Wait()
}

// keeperOf finds the router's keeper.
func keeperOf(t *testing.T, r *testkit.Router) int {
	t.Helper()
	list, err := testkit.Processes(r.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range list {
		if fields := strings.Fields(process); len(fields) > 2 && filepath.Base(fields[1]) == "keeper" && fields[2] == "run" {
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no keeper among %v", list)
	return 0
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
