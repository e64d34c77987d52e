package router

import (
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

func TestS3_PinsOutliveTheRouter(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	run := func(workers string) *testkit.Router {
		t.Helper()
		return testkit.StartRouter(t, binaries, dir, "ROUTER_ON_EXIT=keep", keptFor, "ROUTER_POOL_MINIMUM_RESIDENCY=0s", "ROUTER_POOL_MAX_WORKERS="+workers)
	}
	use := func(r *testkit.Router, names ...string) {
		t.Helper()
		for _, name := range names {
			r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/documents"})
		}
	}
	pin := func(r *testkit.Router, verb, name string, want int) {
		t.Helper()
		if _, stderr, code := r.CLI(t, "worker", verb, name); code != want {
			t.Fatalf("%s %s: exit %d, want %d: %s", verb, name, code, want, stderr)
		}
	}
	r := run("3")
	use(r, "first", "second")
	pin(r, "pin", "first", 0)
	pin(r, "pin", "second", 0)
	before := keptBy(t, r)
	r.Kill()

	r = run("3")
	use(r, "a", "b", "c")
	after := keptBy(t, r)
	if after["first"].PID != before["first"].PID || after["second"].PID != before["second"].PID || after["c"].PID == 0 || len(after) != 3 {
		t.Errorf("after a kill and three others, %+v runs; before it did %+v", after, before)
	}
	r.Kill()

	r = run("2") // room for one pin
	use(r, "a", "b")
	if after := keptBy(t, r); after["first"].PID != before["first"].PID || after["second"].PID != 0 {
		t.Errorf("with room for two there run %+v; before it did %+v", after, before)
	}
	stdout, stderr, code := r.CLI(t, "events", "-o", "json")
	if code != 0 || strings.Count(stdout, `"not_pinned"`) != 1 || !strings.Contains(stdout, "of 2 workers, 1 cannot be evicted already") {
		t.Errorf("events (exit %d): %s%s", code, stdout, stderr)
	}
	pin(r, "pin", "second", 4)
	pin(r, "unpin", "first", 0)
	pin(r, "unpin", "second", 0)
	r.Kill()

	r = testkit.StartRouter(t, binaries, dir, "ROUTER_POOL_MINIMUM_RESIDENCY=0s", "ROUTER_POOL_MAX_WORKERS=2")
	use(r, "a", "b", "c")
	if after := keptBy(t, r); after["first"].PID != 0 {
		t.Errorf("what was unpinned runs: %+v", after)
	}
	if code := r.Terminate(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
