package router

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/testkit"
)

// A worker reaches the router's own listeners and sockets like any process of the machine. Without a key it gets nothing
// there, also where the answer would be about itself.
func TestAttack_RouterAsksWorkersForAKey(t *testing.T) {
	t.Parallel()
	r := start(t, "ROUTER_KIND_FILES="+filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"), "ROUTER_DEFAULT_KIND=hostile")
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/victim/echo"})
	if shown, _, code := r.CLI(t, "worker", "show", "victim"); code != 0 || !strings.Contains(shown, "isolated by ") {
		t.Errorf("worker show: exit %d, %q: it does not say what holds the worker", code, shown)
	}
	_, noLandlock := sandbox.Version()
	const refused = "401 Unauthorized"
	for _, attack := range []struct{ what, on, want string }{
		{"operator", filepath.Join(r.DataDir, "router.sock"), refused},
		{"read", filepath.Join(r.DataDir, "admin.token"), "permission denied"},
		{"read", filepath.Join(r.DataDir, "admin.key"), "permission denied"},
		{"url", r.Operator + "/api/v1/workers", refused},
		{"url", r.Operator + "/api/v1/events", refused},
		{"url", r.URL + "/api/v1/workers", refused},
		{"url", r.URL + "/w/victim/echo", refused},
		{"url", r.URL + "/w/attacker/echo", refused},
		{"url", r.URL + "/workspaces", refused},
	} {
		if attack.what == "read" && noLandlock != nil {
			t.Logf("read %s: not tried, as it would succeed: %v", attack.on, noLandlock)
			continue
		}
		for _, escaped := range []string{"", "1"} {
			query := url.Values{"what": {attack.what}, "on": {attack.on}, "escaped": {escaped}}
			response := r.Must(t, http.StatusOK, testkit.Request{Path: "/w/attacker/attack?" + query.Encode()})
			var answer struct{ Error string }
			if err := response.JSON(&answer); err != nil || !strings.Contains(answer.Error, attack.want) {
				t.Errorf("%s %s (escaped %q): it came to %q, want %q; %v", attack.what, attack.on, escaped, answer.Error, attack.want, err)
			}
		}
	}
}
