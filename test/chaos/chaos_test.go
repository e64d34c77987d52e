package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

func TestChaos_NothingIsMixedUpDoubledOrLeft(t *testing.T) {
	binaries, err := testkit.Build(t.TempDir(), nil, "cmd/router", "cmd/keeper", "test/hostile")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, binaries)
	random := rand.New(rand.NewPCG(seed(t), 1))

	ctx, cancel := context.WithTimeout(t.Context(), duration(t))
	defer cancel()
	var clients sync.WaitGroup
	for range 8 {
		own := rand.New(rand.NewPCG(random.Uint64(), 2))
		clients.Go(func() { s.ask(ctx, own) })
	}
	strikes := s.strike(ctx, random)
	clients.Wait()
	t.Logf("strikes: %v", strikes)

	s.stillServes()
	s.atRest()
	r := s.router.Load()
	if code := r.Terminate(t); code != 0 {
		t.Errorf("the router ended with status %d, want 0", code)
	}
	testkit.NothingLeft(t, s.dir)
	testkit.LocksFree(t, s.dir)
	s.oneWriter()
}

// ask is one client: it asks until ctx ends and checks each answer.
func (s *scene) ask(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		workspace := s.workspaces[random.IntN(len(s.workspaces))]
		s.reborn.RLock()
		r := s.router.Load()
		s.reborn.RUnlock()
		switch random.IntN(10) {
		case 0:
			s.leave(ctx, r, workspace)
		case 1:
			s.stream(ctx, r, workspace)
		default:
			s.echo(ctx, r, workspace)
		}
	}
}

// echo sends one request and looks who answered. Which error comes is the router's choice; that it says so in its own
// words, and in time, is not.
func (s *scene) echo(ctx context.Context, r *testkit.Router, workspace string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), testkit.Patience)
	defer cancel()
	began := time.Now()
	response, err := r.Do(ctx, testkit.Request{Method: http.MethodPost, Path: "/w/" + workspace + "/echo", Body: workspace})
	switch {
	case err != nil:
		if r == s.router.Load() && ctx.Err() != nil {
			s.t.Errorf("%s: no answer for %v: %v", workspace, time.Since(began), err)
		}
	case response.Status == http.StatusOK:
		var echo struct {
			Workspace string `json:"workspace"`
			Body      string `json:"body"`
		}
		if err := response.JSON(&echo); err != nil || echo.Workspace != s.workerName[workspace] || echo.Body != workspace {
			s.t.Errorf("%s (%s) was answered by another: %v %s", workspace, s.workerName[workspace], err, response.Body)
		}
		if counter, found := s.answers.Load(workspace); found {
			counter.(*atomic.Int64).Add(1) //nolint:forcetypeassert // only such are stored
		}
	case response.Header.Get("X-Router-Error") == "" || response.Status < http.StatusInternalServerError:
		s.t.Errorf("%s: status %d is neither the worker's answer nor the router's word: %s", workspace, response.Status, response.Body)
	}
}

// stream reads lines that must all be of one launch.
func (s *scene) stream(ctx context.Context, r *testkit.Router, workspace string) {
	response, err := r.Open(ctx, testkit.Request{Path: "/w/" + workspace + "/stream?lines=5&pause=5ms"})
	if err != nil {
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, response.Body)
		return
	}
	launches := map[string]bool{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		var line struct {
			Launch string `json:"launch"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil {
			launches[line.Launch] = true
		}
	}
	if len(launches) > 1 || launches[""] {
		s.t.Errorf("%s: one stream came from several launches, or from none: %v", workspace, launches)
	}
}

// leave asks for a long stream and hangs up after its first byte.
func (s *scene) leave(ctx context.Context, r *testkit.Router, workspace string) {
	response, err := r.Open(ctx, testkit.Request{Path: "/w/" + workspace + "/stream?lines=100000&pause=1ms"})
	if err != nil {
		return
	}
	_, _ = response.Body.Read(make([]byte, 1))
	response.Body.Close()
}

// strike does harm until ctx ends, and counts it by kind.
func (s *scene) strike(ctx context.Context, random *rand.Rand) map[string]int {
	count := map[string]int{}
	for {
		select {
		case <-ctx.Done():
			return count
		case <-time.After(time.Duration(50+random.IntN(300)) * time.Millisecond):
		}
		what := s.strikeOnce(random)
		count[what]++
	}
}

func (s *scene) strikeOnce(random *rand.Rand) string {
	r := s.router.Load()
	switch n := random.IntN(22); {
	case n < 7:
		s.signalWorker(r, random, syscall.SIGKILL)
		return "worker killed"
	case n < 10:
		pid := s.signalWorker(r, random, syscall.SIGSTOP)
		<-time.After(200 * time.Millisecond)
		if pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may be gone
		}
		return "worker stopped for a while"
	case n < 15:
		r.CLI(s.t, "worker", "evict", s.workspaces[random.IntN(len(s.workspaces))], "--force")
		return "worker evicted"
	case n < 17:
		s.killKeeper()
		return "keeper killed"
	case n < 18:
		s.replaceRouter(random)
		return "router killed"
	case n < 20:
		return s.harmDisk(random)
	case n < 21:
		return s.upgradeRouter(random)
	}
	s.stopKeeper(time.Duration(random.IntN(1000)) * time.Millisecond)
	return "keeper stopped for a while"
}

// upgradeRouter has another router take over, and another file as the keeper's program. Every second time the next
// strikes fall into it.
func (s *scene) upgradeRouter(random *rand.Rand) string {
	r := s.router.Load()
	before := r.Serving()
	if err := s.replaceKeeper(); err != nil {
		s.t.Errorf("cannot replace the keeper's program: %v", err)
	}
	if before <= 1 || syscall.Kill(before, syscall.SIGUSR2) != nil {
		return "nothing"
	}
	if random.IntN(2) == 0 {
		return "upgrade begun"
	}
	for deadline := time.Now().Add(testkit.Patience); time.Now().Before(deadline); {
		if now := r.Serving(); now > 1 && now != before {
			return "router upgraded"
		}
		<-time.After(20 * time.Millisecond)
	}
	return "upgrade failed"
}

// replaceKeeper puts a copy in the place of the keeper's program. A child that is forked beside this would hold it open
// for writing for a moment, and it could not be executed.
func (s *scene) replaceKeeper() error {
	path := s.binaries.Path("keeper")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path+".new", text, 0o700); err != nil { //nolint:gosec // it is to be executable
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *scene) harmDisk(random *rand.Rand) string {
	pause := time.Duration(random.IntN(1500)) * time.Millisecond
	switch {
	case s.disk == nil:
		return "nothing"
	case random.IntN(2) == 0 && s.disk.stall(pause):
		return "disk stalled"
	case s.disk.fill(pause):
		return "disk filled"
	}
	return "nothing"
}

func (s *scene) signalWorker(r *testkit.Router, random *rand.Rand, signal syscall.Signal) int {
	list := r.Workers(s.t)
	if len(list) == 0 {
		return 0
	}
	pid := list[random.IntN(len(list))].PID
	if pid <= 0 || syscall.Kill(pid, signal) != nil {
		return 0
	}
	return pid
}

func (s *scene) killKeeper() { s.signalKeeper(syscall.SIGKILL) }

// stopKeeper keeps the keeper from all it does for a while, as a disk would that does not answer.
func (s *scene) stopKeeper(pause time.Duration) {
	s.signalKeeper(syscall.SIGSTOP)
	<-time.After(pause)
	s.signalKeeper(syscall.SIGCONT)
}

func (s *scene) signalKeeper(signal syscall.Signal) {
	for _, pid := range s.keepers() {
		_ = syscall.Kill(pid, signal) // it may have ended
	}
}

func (s *scene) keepers() (pids []int) {
	processes, err := testkit.Processes(s.dir)
	if err != nil {
		s.t.Error(err)
	}
	for _, process := range processes {
		var pid int
		if _, err := fmt.Sscan(process, &pid); err == nil && strings.Contains(process, "/keeper run") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stillServes asks each healthy workspace once more, when all is quiet.
func (s *scene) stillServes() {
	r := s.router.Load()
	for _, workspace := range s.workspaces[:healthy] {
		testkit.Eventually(s.t, workspace+" to be served after all", func() error {
			response, err := r.Do(s.t.Context(), testkit.Request{Path: "/w/" + workspace + "/echo"})
			if err == nil && response.Status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", response.Status, response.Body)
			}
			return err
		})
		counter, _ := s.answers.Load(workspace)
		if n := counter.(*atomic.Int64).Load(); n == 0 { //nolint:forcetypeassert // only such are stored
			s.t.Errorf("%s was never served under the strikes", workspace)
		}
	}
}

// atRest looks whether the router still holds what was taken for requests that are over.
func (s *scene) atRest() {
	r := s.router.Load()
	testkit.Eventually(s.t, "all leases to end", func() error {
		list := r.Workers(s.t)
		if len(list) > maxWorkers {
			s.t.Errorf("%d workers, want at most %d: %v", len(list), maxWorkers, list)
		}
		for _, worker := range list {
			if worker.Leases != 0 {
				return fmt.Errorf("%s has %d", worker.Workspace, worker.Leases)
			}
			if worker.State == "quarantined" {
				s.t.Errorf("%s is quarantined", worker.Workspace)
			}
		}
		return nil
	})
	http.DefaultClient.CloseIdleConnections()
	testkit.Eventually(s.t, "goroutines and descriptors to be given back", func() error {
		figures, err := operatorMetrics(s.t.Context(), r)
		if err != nil {
			return err
		}
		if figures["go_goroutines"] > 100 || figures["process_open_fds"] > 100 {
			return fmt.Errorf("%v goroutines, %v descriptors", figures["go_goroutines"], figures["process_open_fds"])
		}
		return s.keeperAtRest(len(r.Workers(s.t)))
	})
}

// keeperAtRest looks whether the keeper holds more than the workers that there are need.
func (s *scene) keeperAtRest(workers int) error {
	for _, pid := range s.keepers() {
		descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return err
		}
		const own, each = 16, 8
		if most := own + each*workers; len(descriptors) > most {
			return fmt.Errorf("the keeper has %d descriptors, want at most %d with %d workers", len(descriptors), most, workers)
		}
	}
	const launch = "????????"
	launches, err := filepath.Glob(filepath.Join(s.dir, "run", launch))
	if err == nil {
		launches = slices.DeleteFunc(launches, func(path string) bool { return filepath.Base(path) == "launches" })
	}
	if len(launches) > workers {
		return fmt.Errorf("run holds %d launches, want at most %d: %q", len(launches), workers, launches)
	}
	return err
}

func operatorMetrics(ctx context.Context, r *testkit.Router) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Operator+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	figures := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		var name string
		var value float64
		if _, err := fmt.Sscan(lines.Text(), &name, &value); err == nil {
			figures[name] = value
		}
	}
	return figures, nil
}

// oneWriter reads what the workers themselves have seen.
func (s *scene) oneWriter() {
	content, err := os.ReadFile(s.witness)
	if err != nil {
		s.t.Fatal(err)
	}
	starts := 0
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "overlap ") {
			s.t.Errorf("two writers of one directory: %s", line)
		}
		if strings.HasPrefix(line, "start ") {
			starts++
		}
	}
	if starts < len(s.workspaces) {
		s.t.Errorf("the witness saw %d starts, want %d or more", starts, len(s.workspaces))
	}
}
