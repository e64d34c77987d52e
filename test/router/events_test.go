package router

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

func TestS12_EventsOutliveARestartAndAKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := testkit.StartRouter(t, binaries, dir, "ROUTER_POOL_MAX_WORKERS=1", "ROUTER_POOL_MINIMUM_RESIDENCY=0s")
	touch := func(r *testkit.Router, name string) {
		t.Helper()
		r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/documents"})
	}
	touch(r, "acme")
	touch(r, "other")
	if code := r.Terminate(t); code != 0 {
		t.Fatalf("the router ended with %d:\n%s", code, r.Output())
	}

	r = testkit.StartRouter(t, binaries, dir)
	explained(t, r, "acme", "because other needed room")
	explained(t, r, "other", "because the router was ending") // the last events, too
	touch(r, "third")
	metrics := metricsOf(t, r)
	for _, line := range []string{
		`workspace_router_cold_start_seconds_count{kind="embedded",phase="proven"} 1`,
		`workspace_router_cold_start_seconds_count{kind="embedded",phase="first_byte"} 1`,
		`workspace_router_worker_starts_total{cause="",outcome="ready"} 1`,
		`workspace_router_workers{state="ready"} 1`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("there is no %s in:\n%s", line, metrics)
		}
	}
	testkit.Eventually(t, "the start is written down", func() error { return written(dir, "third") })
	r.Kill()

	r = testkit.StartRouter(t, binaries, dir)
	explained(t, r, "acme", "because other needed room")
	explained(t, r, "third", "Started at")
	var events []struct {
		ID   uint64 `json:"id"`
		Type string `json:"type"`
	}
	if err := r.Must(t, http.StatusOK, testkit.Request{Path: "/api/v1/events"}).JSON(&events); err != nil {
		t.Fatal(err)
	}
	for i := range events[1:] {
		if events[i+1].ID <= events[i].ID || events[i].Type == "missed" {
			t.Errorf("event %+v comes before %+v", events[i], events[i+1])
		}
	}
}

// metricsOf reads the figures on the operator's listener.
func metricsOf(t *testing.T, r *testkit.Router) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Operator+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", r.Key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: status %d, %v", response.StatusCode, err)
	}
	return string(body)
}

func explained(t *testing.T, r *testkit.Router, workspace, want string) {
	t.Helper()
	stdout, stderr, code := r.CLI(t, "worker", "explain", workspace)
	if code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("%s is explained (exit %d) without %q:\n%s%s", workspace, code, want, stdout, stderr)
	}
}

// written says whether the workspace's first answer is in the files.
func written(dir, workspace string) error {
	files, err := filepath.Glob(filepath.Join(dir, "events", "*.jsonl"))
	if err != nil {
		return err
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, `"first_byte"`) && strings.Contains(line, `"workspace":"`+workspace+`"`) {
				return nil
			}
		}
	}
	return os.ErrNotExist
}
