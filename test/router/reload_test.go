package router

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// configured is a router with a configuration file, whose workspaces have the worker of the tests.
type configured struct {
	*testkit.Router
	t    *testing.T
	file string
}

const hostileKind = "default_kind: hostile\npool:\n  minimum_residency: 0s\n"

func startConfigured(t *testing.T, content string) *configured {
	t.Helper()
	dir := dataDir(t)
	c := &configured{t: t, file: filepath.Join(filepath.Dir(dir), "router.yaml")}
	c.write(content)
	c.Router = testkit.StartRouter(t, binaries, dir, "ROUTER_CONFIG="+c.file,
		"ROUTER_KIND_FILES="+filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"))
	return c
}

// write replaces the file at once, as editors do.
func (c *configured) write(content string) {
	c.t.Helper()
	if err := os.WriteFile(c.file+".new", []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.file+".new", c.file); err != nil {
		c.t.Fatal(err)
	}
}

// reload has the file read by the command line.
func (c *configured) reload() (stdout, stderr string, code int) {
	c.t.Helper()
	return c.CLI(c.t, "config", "reload", "-o", "json")
}

func (c *configured) mustReload(content string) {
	c.t.Helper()
	c.write(content)
	if _, stderr, code := c.reload(); code != 0 {
		c.t.Fatalf("config reload: exit %d: %s", code, stderr)
	}
}

// touch has each workspace's worker used, in this order.
func (c *configured) touch(workspaces ...string) {
	c.t.Helper()
	for _, name := range workspaces {
		c.Must(c.t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/echo"})
	}
}

// running gives the pids of the ready workers.
func (c *configured) running() map[string]int {
	c.t.Helper()
	pids := map[string]int{}
	for _, w := range c.Workers(c.t) {
		if w.State == "ready" {
			pids[w.Workspace] = w.PID
		}
	}
	return pids
}

type event struct{ Type, Workspace, Reason, Detail string }

// events gives those of the types, in order.
func (c *configured) events(types ...string) (list []event) {
	c.t.Helper()
	var all []event
	if err := c.Must(c.t, http.StatusOK, testkit.Request{Path: "/api/v1/events"}).JSON(&all); err != nil {
		c.t.Fatal(err)
	}
	for _, e := range all {
		if slices.Contains(types, e.Type) {
			list = append(list, e)
		}
	}
	return list
}

// eventually waits for so many events of the type.
func (c *configured) eventually(n int, of string) []event {
	c.t.Helper()
	testkit.Eventually(c.t, fmt.Sprintf("%d events %s", n, of), func() error {
		if got := c.events(of); len(got) < n {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
	return c.events(of)
}

// follower reads a stream line by line, and knows whose it is.
type follower struct {
	t     *testing.T
	lines *bufio.Scanner
	next  int
	pid   int
}

// follow opens a stream of a worker that ends with the test.
func (c *configured) follow(workspace string) *follower {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	response, err := c.Open(ctx, testkit.Request{Path: "/w/" + workspace + "/stream?lines=100000&pause=5ms"})
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cancel()
		response.Body.Close()
	})
	f := &follower{t: c.t, lines: bufio.NewScanner(response.Body)}
	f.goOn("opened")
	return f
}

// goOn fails the test unless the stream's next lines come, in order, from the same process.
func (f *follower) goOn(when string) {
	f.t.Helper()
	for range 20 {
		if !f.lines.Scan() {
			f.t.Fatalf("%s: the stream has ended after %d lines: %v", when, f.next, f.lines.Err())
		}
		var line struct{ Line, PID int }
		if err := json.Unmarshal(f.lines.Bytes(), &line); err != nil || line.Line != f.next || f.pid != 0 && line.PID != f.pid {
			f.t.Fatalf("%s: got %s, want line %d of process %d (%v)", when, f.lines.Text(), f.next, f.pid, err)
		}
		f.next, f.pid = f.next+1, line.PID
	}
}

// tenEdits makes ten edits of one line, and reports whether that took a second at most.
func (c *configured) tenEdits(round int) bool {
	c.t.Helper()
	ticker := time.NewTicker(80 * time.Millisecond)
	defer ticker.Stop()
	began := time.Now()
	for i := range 10 {
		c.write(hostileKind + fmt.Sprintf("  wait: %ds\n", 10*round+i))
		<-ticker.C
	}
	return time.Since(began) <= time.Second
}

// TestCase7_EditsLeaveWorkersAndStreamsAlone is case 7: edits that concern no worker change no process and cut no
// stream; ten in a second are one reload, without anybody asking for it.
func TestCase7_EditsLeaveWorkersAndStreamsAlone(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind)
	c.touch("alpha", "beta", "gamma")
	before := c.running()
	stream := c.follow("alpha")

	c.write("# a remark\n" + hostileKind)
	if got := c.eventually(1, "config_reloaded"); got[0].Reason != "file" || got[0].Detail != "nothing is different" {
		t.Errorf("after a remark: %+v", got)
	}
	stream.goOn("after an unrelated edit")

	reloads := 1
	for round := 1; ; round++ {
		inTime := c.tenEdits(round)
		last := fmt.Sprintf("now %ds", 10*round+9)
		testkit.Eventually(t, "the last of ten edits to count", func() error {
			got := c.events("config_reloaded")
			if !strings.Contains(got[len(got)-1].Detail, last) {
				return fmt.Errorf("the reloads are %+v", got)
			}
			reloads = len(got) - reloads
			return nil
		})
		stream.goOn("after ten edits")
		if inTime && reloads != 1 {
			t.Errorf("ten edits in a second were %d reloads: %+v", reloads, c.events("config_reloaded"))
		}
		if inTime {
			break
		}
		reloads = len(c.events("config_reloaded")) // the machine was too slow to make ten edits in a second
	}

	c.mustReload(hostileKind + "  max_workers: 10\n")
	stream.goOn("after a larger pool")
	if diff := cmp.Diff(before, c.running()); diff != "" {
		t.Errorf("processes changed (-before +after):\n%s", diff)
	}
}

func TestReload_SmallerPoolEvictsInLRUOrderAndCutsNothing(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind)
	stream := c.follow("held") // used before all others, and still in use
	c.touch("a", "b", "c", "d", "a")
	before := c.running()

	for most := 4; most >= 2; most-- {
		c.mustReload(hostileKind + fmt.Sprintf("  max_workers: %d\n", most))
		testkit.Eventually(t, "one worker to go", func() error {
			if n := len(c.Workers(t)); n != most {
				return fmt.Errorf("%d workers", n)
			}
			return nil
		})
	}
	var stopped []string
	for _, e := range c.events("stopping") {
		stopped = append(stopped, e.Workspace+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"b excess", "c excess", "d excess"}, stopped); diff != "" {
		t.Errorf("stopped (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"held": before["held"], "a": before["a"]}, c.running()); diff != "" {
		t.Errorf("workers that stay (-want +got):\n%s", diff)
	}
	stream.goOn("after a smaller pool")
}

func TestReload_InvalidFileChangesNothingAndSaysWhere(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind)
	c.touch("alpha")
	before := c.running()
	c.write(hostileKind + "  wait: 9s\n  max_workers: many\nno_such_key: 1\n")

	where := []string{"router.yaml:5: pool.max_workers: got \"many\"", "router.yaml:6: no_such_key: unknown key"}
	for _, e := range c.eventually(1, "config_refused") {
		for _, part := range where {
			if !strings.Contains(e.Detail, part) {
				t.Errorf("the event does not say %q: %+v", part, e)
			}
		}
	}
	stdout, stderr, code := c.reload()
	for _, part := range where {
		if code != 1 || stdout != "" || !strings.Contains(stderr, part) {
			t.Errorf("exit %d, want 1 and %q in %s", code, part, stderr)
		}
	}
	testkit.Eventually(t, "the log to say it", func() error {
		if !strings.Contains(c.Output(), "configuration refused") {
			return errors.New("it does not")
		}
		return nil
	})
	if diff := cmp.Diff(before, c.running()); diff != "" {
		t.Errorf("processes changed (-before +after):\n%s", diff)
	}
	c.mustReload(hostileKind)
}

func TestReload_SignalChangesTheLogsLevel(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind)
	c.touch("quiet") // its first byte is an event of the level debug
	if strings.Contains(c.Output(), `"level":"debug"`) {
		t.Fatal("it is verbose already")
	}
	c.write(hostileKind + "log:\n  level: debug\nlisten: 127.0.0.1:1\n")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := c.eventually(1, "config_reloaded"); got[0].Reason != "signal" {
		t.Errorf("got %+v, want one for the signal", got)
	}
	c.touch("loud")
	testkit.Eventually(t, "lines of the level debug", func() error {
		if !strings.Contains(c.Output(), `"level":"debug"`) {
			return errors.New("there are none")
		}
		return nil
	})
}

func TestReload_WhatNeedsARestartIsNamedAndNotApplied(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind+"on_exit: stop\n")
	c.write(hostileKind + "log:\n  format: console\nallow_default_workspace: false\napi_key: a-key-of-long-standing\n")
	stdout, stderr, code := c.reload()
	if code != 0 || strings.Contains(stdout+c.Output(), "long-standing") {
		t.Fatalf("exit %d, or a secret is shown: %s %s", code, stdout, stderr)
	}
	var got struct {
		Changed     []struct{ Key string } `json:"changed"`
		AtNextStart []struct{ Key string } `json:"at_next_start"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.AtNextStart) != 1 || got.AtNextStart[0].Key != "log.format" || len(got.Changed) != 2 {
		t.Errorf("got %s", stdout)
	}
	c.Must(t, http.StatusBadRequest, testkit.Request{Path: "/echo"})
	own := http.Header{"X-Api-Key": {"a-key-of-long-standing"}}
	c.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/echo", Header: own, NoKey: true})
	c.mustReload(hostileKind)
	c.Must(t, http.StatusUnauthorized, testkit.Request{Path: "/w/alpha/echo", Header: own, NoKey: true})
	c.Must(t, http.StatusOK, testkit.Request{Path: "/echo"})
}

func TestReload_KindCountsWithTheNextLaunch(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind)
	c.touch("alpha")
	before := c.running()
	c.mustReload(hostileKind + "kind:\n  hostile:\n    idle_timeout: 300ms\n")
	c.touch("alpha", "beta")
	testkit.Eventually(t, "beta, which was launched since, to be stopped for being idle", func() error {
		for _, e := range c.events("stopping") {
			if e.Workspace == "beta" && e.Reason == "idle" {
				return nil
			}
		}
		return errors.New("it is not")
	})
	if got := c.running(); got["alpha"] != before["alpha"] {
		t.Errorf("alpha runs as %d, want %d still", got["alpha"], before["alpha"])
	}
	if _, stderr, code := c.CLI(t, "worker", "restart", "--all"); code != 0 {
		t.Fatalf("restart: exit %d: %s", code, stderr)
	}
	testkit.Eventually(t, "alpha, anew, to be stopped for being idle", func() error {
		for _, e := range c.events("stopping") {
			if e.Workspace == "alpha" && e.Reason == "idle" {
				return nil
			}
		}
		return errors.New("it is not")
	})
}

func TestPrefer_ClientThatWaitsNoLongerIsToldSo(t *testing.T) {
	t.Parallel()
	c := startConfigured(t, hostileKind+"  max_workers: 1\n")
	stream := c.follow("alpha") // holds the only room
	began := time.Now()
	response := c.Must(t, http.StatusServiceUnavailable, testkit.Request{Path: "/w/beta/echo", Header: http.Header{"Prefer": {"wait=1"}}})
	if took := time.Since(began); took < time.Second || took > 15*time.Second {
		t.Errorf("refused after %v, want a second", took)
	}
	if response.Header.Get("Preference-Applied") != "wait=1" || response.Header.Get("X-Router-Error") != "workspace_capacity_exhausted" {
		t.Errorf("got %v", response.Header)
	}
	stream.goOn("after a refusal")
}
