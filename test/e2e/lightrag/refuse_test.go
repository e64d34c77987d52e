package lightrag

import (
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestRefusal_IsExplained: where LightRAG is not the default kind, what it cannot use is refused with the first request
// for such a workspace, before a process is started, and the reason is the operator's to see.
func TestRefusal_IsExplained(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ variable, says string }{
		"a size is missing": {"EMBEDDING_DIM=", "EMBEDDING_DIM is needed with EMBEDDING_MODEL"},
		"an override":       {"POSTGRES_WORKSPACE=shared", "refuses POSTGRES_WORKSPACE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newest, "ROUTER_DEFAULT_KIND=embedded", test.variable)
			if stdout, stderr, code := r.CLI(t, "workspace", "create", "astrid", "--kind", "lightrag"); code != 0 {
				t.Fatalf("workspace create: exit %d: %s%s", code, stdout, stderr)
			}
			answer := r.must(t, http.StatusServiceUnavailable, "astrid", testkit.Request{Path: "/graph/label/list"})
			if !strings.Contains(answer.Body, `"workspace_unavailable"`) {
				t.Errorf("got %s, want that it is not available", answer.Body)
			}
			if stdout, stderr, _ := r.CLI(t, "worker", "explain", "astrid"); !strings.Contains(stdout, test.says) {
				t.Errorf("got %s%s, want the reason: %s", stdout, stderr, test.says)
			}
		})
	}
}
