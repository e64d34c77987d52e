package lightrag

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// TestCold_AnswersWithoutAWorkerAreLightRAGs compares what the router says where no worker runs with what the worker
// says when one does. Nothing of it starts one.
func TestCold_AnswersWithoutAWorkerAreLightRAGs(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	if stdout, stderr, code := r.CLI(t, "workspace", "create", "astrid"); code != 0 {
		t.Fatalf("workspace create: exit %d: %s%s", code, stdout, stderr)
	}
	same := []string{"/api/version", "/api/tags", "/api/ps", "/workspaces"}
	cold := map[string]testkit.Response{}
	for _, path := range append(same, "/health", "/auth-status") {
		ctx := t.Context()
		response, err := r.Do(ctx, testkit.Request{Path: "/w/astrid" + path})
		if err != nil {
			t.Fatal(err)
		}
		cold[path] = response
	}
	if _, err := r.worker(t, "astrid"); err == nil {
		t.Fatal("an answer that needs no worker started one")
	}

	r.must(t, http.StatusOK, "astrid", testkit.Request{Path: "/graph/label/list"})
	c := newComparison(t, r, "astrid")
	for _, path := range same {
		warm := c.direct(t, request{method: http.MethodGet, path: path})
		if got := cold[path]; got.Status != warm.status || got.Body != warm.body || got.Header.Get("Content-Type") != warm.header.Get("Content-Type") {
			t.Errorf("%s: got %d %s, the worker says %d %s", path, got.Status, got.Body, warm.status, warm.body)
		}
	}
	// Without a key the worker says what it tells everybody: the form that a probe knows.
	c.key = "none"
	warm := c.exchange(t, c.worker, c.key, request{method: http.MethodGet, path: "/health"})
	if diff := cmp.Diff(names(t, warm.body), names(t, cold["/health"].Body)); diff != "" {
		t.Errorf("/health: names, - worker + router\n%s", diff)
	}
	// LightRAG's pages ask it whether to show a log-in of their own, for which there are no accounts.
	if body := cold["/auth-status"].Body; !strings.Contains(body, `"auth_configured":false`) || !strings.Contains(body, `"auth_mode":"disabled"`) {
		t.Errorf("/auth-status: got %s, want that there are no accounts", body)
	}
}

// names lists the names of a JSON object.
func names(t *testing.T, text string) []string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return slices.Sorted(maps.Keys(object))
}
