package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

func TestS8_UpgradesUnderLoadWithoutAnError(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string][]string{
		"on_exit stop": nil,
		"on_exit keep": {"ROUTER_ON_EXIT=keep", "ROUTER_KEEP_FOR=1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLine(t, environment...)
			for _, workspace := range []string{"alpha", "beta", "gamma"} {
				l.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + workspace + "/echo"})
			}
			workers := l.launches()
			first := l.serving()
			token := l.read("admin.token")
			stream := l.follow("/w/gamma/stream?lines=60&pause=50ms", 60)
			load := l.load("alpha", "beta")

			l.upgrade(first)
			if pid := l.first.Process.Pid; pid != first {
				t.Errorf("the lock named process %d, the router was %d", first, pid)
			}
			if err := <-stream; err != nil {
				t.Errorf("the stream that was open: %v", err)
			}
			l.gone(first)
			<-l.exited
			if code := l.first.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the first router ended with %d, want 0", code)
			}
			for range 2 {
				before := l.serving()
				l.upgrade(before)
				l.gone(before)
			}
			load.end(t)
			if diff := cmp.Diff(workers, l.launches()); diff != "" {
				t.Errorf("the workers are not the same (-before +after):\n%s", diff)
			}
			if l.read("admin.token") != token {
				t.Error("the local operator's token has changed")
			}
			l.Must(t, http.StatusOK, testkit.Request{Path: "/w/delta/echo"}) // the new one starts workers, too
			l.terminate()
		})
	}
}

func TestS8_ServiceManagerIsToldWhoServes(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	l := startLine(t, "NOTIFY_SOCKET="+address)
	first := l.serving()
	told := func(want ...string) {
		t.Helper()
		for _, text := range want {
			buffer := make([]byte, 200)
			if err := manager.SetReadDeadline(time.Now().Add(testkit.Patience)); err != nil {
				t.Fatal(err)
			}
			n, err := manager.Read(buffer)
			if got := string(buffer[:n]); err != nil || !strings.HasPrefix(got, text) {
				t.Fatalf("told %q, %v, want %q", got, err, text)
			}
		}
	}
	told("READY=1")
	l.upgrade(first)
	told("RELOADING=1\nMONOTONIC_USEC=", fmt.Sprintf("MAINPID=%d\nREADY=1", l.serving()))
	l.gone(first)
	l.terminate()
	told("STOPPING=1")
}

func TestS8_UpgradeToABrokenConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "router.yaml")
	write(t, file, "log:\n  level: info\n")
	l := startLine(t, "ROUTER_CONFIG="+file)
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/echo"})
	workers, first := l.launches(), l.serving()
	load := l.load("alpha")
	write(t, file, "pool:\n  max_workers: none\n")
	l.signal(first, syscall.SIGUSR2)
	l.failed(1, "pool.max_workers")
	l.alone(first)
	write(t, file, "pool:\n  max_workers: 7\n")
	l.upgrade(first)
	l.gone(first)
	load.end(t)
	if diff := cmp.Diff(workers, l.launches()); diff != "" {
		t.Errorf("the workers are not the same (-before +after):\n%s", diff)
	}
}

func TestS8_UpgradeToAProgramThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	l := startLine(t)
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/echo"})
	workers, first := l.launches(), l.serving()
	load := l.load("alpha")
	for i, script := range []string{"exit 7", "kill -9 $$", "exec /nonexistent"} {
		l.install("#!/bin/sh\n" + script + "\n")
		l.signal(first, syscall.SIGUSR2)
		l.failed(i+1, "it ended")
		l.alone(first)
	}
	load.end(t)
	if diff := cmp.Diff(workers, l.launches()); diff != "" {
		t.Errorf("the workers are not the same (-before +after):\n%s", diff)
	}
}

// The new router is held up while it proves the workers, which it has taken over by then, and killed.
func TestS8_NewRouterKilledInTheMiddleGivesEverythingBack(t *testing.T) {
	t.Parallel()
	l := startLine(t)
	for _, workspace := range []string{"alpha", "beta"} {
		l.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + workspace + "/echo"})
	}
	workers, first := l.launches(), l.serving()
	load := l.load("alpha")
	for i := range 2 {
		frozen := workers["beta"].PID
		l.signal(frozen, syscall.SIGSTOP)
		l.signal(first, syscall.SIGUSR2)
		l.taken(i + 1)
		l.refuses(first) // a third router finds the lock held by both
		l.signal(first, syscall.SIGUSR2)
		testkit.Eventually(t, "a second upgrade to be refused", func() error {
			if n := strings.Count(l.said(), "an upgrade is under way"); n != i+1 {
				return fmt.Errorf("%d lines say so", n)
			}
			return nil
		})
		for _, pid := range l.routers() {
			if pid != first {
				kill(t, pid)
			}
		}
		l.signal(frozen, syscall.SIGCONT)
		l.failed(i+1, "killed")
		l.alone(first)
	}
	if diff := cmp.Diff(workers, l.launches()); diff != "" {
		t.Errorf("the workers are not the same (-before +after):\n%s", diff)
	}
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/beta/echo"})
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/delta/echo"}) // and the old one starts workers as before
	l.upgrade(first)
	l.gone(first)
	load.end(t)
}

// The keeper is killed while the new router proves the workers that it has taken over. They die with it; the routers, both
// of which then want another keeper, must not.
func TestS8_KeeperKilledInTheMiddleOfAnUpgradeLeavesOneRouter(t *testing.T) {
	t.Parallel()
	for _, onExit := range []string{"stop", "keep"} {
		t.Run("on_exit "+onExit, func(t *testing.T) {
			t.Parallel()
			l := startLine(t, "ROUTER_ON_EXIT="+onExit, "ROUTER_KEEP_FOR=1s")
			l.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/echo"})
			worker, first := l.launches()["alpha"].PID, l.serving()
			keeper, err := strconv.Atoi(strings.TrimSpace(l.read("locks/keeper")))
			if err != nil {
				t.Fatal(err)
			}
			l.signal(worker, syscall.SIGSTOP)
			l.signal(first, syscall.SIGUSR2)
			l.taken(1)
			kill(t, keeper)
			testkit.Eventually(t, "one router to serve", func() error {
				if list := l.routers(); len(list) != 1 || list[0] != l.serving() {
					return fmt.Errorf("there are %v, and %d serves", list, l.serving())
				}
				return nil
			})
			testkit.Eventually(t, "alpha to be served", func() error { // a request may still meet the death of the worker before
				response, err := l.Do(t.Context(), testkit.Request{Path: "/w/alpha/echo"})
				if err == nil && response.Status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", response.Status, response.Body)
				}
				return err
			})
			now := l.serving()
			l.upgrade(now) // nothing of the first attempt is left
			l.gone(now)
			l.terminate()
		})
	}
}

// What a router was started with by mistake ends with it, also where the keeper lives on.
func TestS8_TheKeeperHoldsNothingThatTheRouterWasGiven(t *testing.T) {
	t.Parallel()
	stray := filepath.Join(t.TempDir(), "stray")
	write(t, stray, "")
	file, err := os.Open(stray)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := newLine(t)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(l.home, "router"), l.arguments()...)
	command.ExtraFiles = []*os.File{file}
	l.launch(command, nil)
	l.served()
	l.upgrade(l.serving())
	for _, pid := range []string{strings.TrimSpace(l.read("locks/keeper")), strconv.Itoa(l.serving())} {
		open, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range open {
			if target, err := os.Readlink(filepath.Join("/proc", pid, "fd", entry.Name())); err == nil && target == stray {
				t.Errorf("process %s has %q open, as descriptor %s", pid, stray, entry.Name())
			}
		}
	}
	l.gone(command.Process.Pid)
	l.terminate()
}

// launch is what is to stay the same of a worker.
type launch struct {
	PID    int
	Launch string
}

// launches gives the workers once all are ready and looked at.
func (l *line) launches() (list map[string]launch) {
	l.t.Helper()
	testkit.Eventually(l.t, "all workers to be ready", func() error {
		list = map[string]launch{}
		for _, w := range l.Workers(l.t) {
			if w.State != "ready" || w.PID == 0 {
				return fmt.Errorf("that of %s is %s, with the pid %d", w.Workspace, w.State, w.PID)
			}
			list[w.Workspace] = launch{w.PID, w.Launch}
		}
		return nil
	})
	return list
}

func (l *line) read(name string) string {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.DataDir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// install puts another program in the router's place, as a package manager does.
func (l *line) install(content string) {
	l.t.Helper()
	path := filepath.Join(l.home, "router")
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o700), os.Rename(path+".new", path)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) signal(pid int, signal syscall.Signal) {
	l.t.Helper()
	if pid <= 1 { // others than one process
		l.t.Fatalf("no process to send %v: %d", signal, pid)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		l.t.Fatal(err)
	}
}

// upgrade has the router with the pid replaced, and returns when another one serves.
func (l *line) upgrade(pid int) {
	l.t.Helper()
	l.signal(pid, syscall.SIGUSR2)
	testkit.Eventually(l.t, "another router to serve", func() error {
		if now := l.serving(); now == pid || now == 0 {
			return fmt.Errorf("it is still %d", now)
		}
		return nil
	})
	l.Must(l.t, http.StatusOK, testkit.Request{Path: "/readyz", NoKey: true})
}

// gone waits for the end of a router.
func (l *line) gone(pid int) {
	l.t.Helper()
	testkit.Eventually(l.t, fmt.Sprintf("router %d to end", pid), func() error {
		if list := l.routers(); slices.Contains(list, pid) {
			return fmt.Errorf("there are %v", list)
		}
		return nil
	})
}

// alone fails the test unless the router is the only one, and serves.
func (l *line) alone(pid int) {
	l.t.Helper()
	testkit.Eventually(l.t, "the old router to be alone", func() error {
		if list := l.routers(); !slices.Equal(list, []int{pid}) || l.serving() != pid {
			return fmt.Errorf("there are %v, and %d serves", list, l.serving())
		}
		return nil
	})
	l.Must(l.t, http.StatusOK, testkit.Request{Path: "/readyz", NoKey: true})
}

// failed waits for so many failed upgrades, and wants the last one's cause.
func (l *line) failed(n int, cause string) {
	l.t.Helper()
	testkit.Eventually(l.t, "the upgrade to fail", func() error {
		response, err := l.Do(l.t.Context(), testkit.Request{Path: "/api/v1/events"})
		if err != nil {
			return err
		}
		var list []event
		if err := response.JSON(&list); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(e event) bool { return e.Type != "upgrade_failed" })
		if len(list) != n || !strings.Contains(list[n-1].Detail, cause) {
			return fmt.Errorf("the events are %+v", list)
		}
		return nil
	})
}

// taken waits until a new router has taken the workers over so many times.
func (l *line) taken(n int) {
	l.t.Helper()
	testkit.Eventually(l.t, "the new router to have the workers", func() error {
		if got := strings.Count(l.said(), "another router has the workers"); got != n {
			return fmt.Errorf("%d lines say so", got)
		}
		return nil
	})
}

// refuses fails the test unless a router that nobody called is sent away, with the pid of the one that serves.
func (l *line) refuses(serving int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), testkit.Patience)
	defer cancel()
	third := exec.CommandContext(ctx, l.Binaries.Path("router"), l.arguments()...)
	output, err := third.CombinedOutput()
	if err == nil || third.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "pid "+strconv.Itoa(serving)) {
		l.t.Errorf("a third router: exit %d, want 1 and the pid %d in: %s", third.ProcessState.ExitCode(), serving, output)
	}
}

// terminate ends the router that serves in order.
func (l *line) terminate() {
	l.t.Helper()
	pid := l.serving()
	l.signal(pid, syscall.SIGTERM)
	l.gone(pid)
}

// follow opens a stream and reads it to its end; the channel gives what was wrong.
func (l *line) follow(path string, lines int) <-chan error {
	l.t.Helper()
	response, err := l.Open(l.t.Context(), testkit.Request{Path: path})
	if err != nil {
		l.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer response.Body.Close()
		count := 0
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			count++
		}
		if count != lines {
			err = fmt.Errorf("it gave %d lines, want %d", count, lines)
		}
		done <- err
	}()
	return done
}

// load are clients that ask without pause.
type load struct {
	stop     chan struct{}
	group    sync.WaitGroup
	answers  atomic.Int64
	mu       sync.Mutex // guards failures
	failures []string
}

// load has clients ask for the workspaces, some over a new connection each time, some over one that they keep.
func (l *line) load(workspaces ...string) *load {
	l.t.Helper()
	d := &load{stop: make(chan struct{})}
	for i := range 6 {
		client := freshClient()
		if i%2 == 0 {
			client = &http.Client{Transport: &http.Transport{}}
		}
		d.group.Go(func() {
			defer client.CloseIdleConnections()
			for n := i; ; n++ {
				select {
				case <-d.stop:
					return
				default:
				}
				d.count(l.ask(client, workspaces[n%len(workspaces)], n))
			}
		})
	}
	testkit.Eventually(l.t, "answers", func() error {
		if d.answers.Load() < 20 {
			return errors.New("too few")
		}
		return nil
	})
	return d
}

// ask sends one request, each second one with a body and by a method that clients do not repeat by themselves.
func (l *line) ask(client *http.Client, workspace string, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	method, body := http.MethodGet, ""
	if n%2 == 0 {
		method, body = http.MethodPost, "a body"
	}
	request, err := http.NewRequestWithContext(ctx, method, l.URL+"/w/"+workspace+"/echo", io.NopCloser(strings.NewReader(body)))
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", l.Key)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, content)
	}
	return err
}

func (d *load) count(err error) {
	if err == nil {
		d.answers.Add(1)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures = append(d.failures, err.Error())
}

// end stops the clients and fails the test when one of them was not answered.
func (d *load) end(t *testing.T) {
	t.Helper()
	close(d.stop)
	d.group.Wait()
	t.Logf("%d answers", d.answers.Load())
	if len(d.failures) > 0 {
		t.Errorf("%d requests of %d failed, the first: %s", len(d.failures), d.answers.Load(), d.failures[0])
	}
}
