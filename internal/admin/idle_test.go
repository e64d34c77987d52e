package admin

import (
	"strings"
	"testing"
	"time"
)

func TestCreateWorkspace_TakesWhatBecomesOfLeftovers(t *testing.T) {
	t.Parallel()
	for text, tc := range map[string]struct {
		kept    string
		refusal string
	}{
		`, "resume": "all"`:                      {"all", ""},
		`, "resume": ""`:                         {"", ""},
		``:                                       {"", ""},
		`, "resume": "yes"`:                      {"", "want off, pending or all"},
		`, "kind": "other", "resume": "off"`:     {"off", ""},
		`, "kind": "other", "resume": "pending"`: {"", "cannot be told to go on"},
	} {
		w := newWorld()
		out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workspaces", `{"name": "fresh"`+text+`}`)
		made := w.workspaces[len(w.workspaces)-1]
		switch {
		case tc.refusal != "" && (out.Code != 400 || !strings.Contains(out.Body.String(), tc.refusal) || made.Name == "fresh"):
			t.Errorf("%s: status %d, %s", text, out.Code, out.Body)
		case tc.refusal == "" && (out.Code != 201 || made.Resume != tc.kept):
			t.Errorf("%s: status %d, kept is %q, want %q", text, out.Code, made.Resume, tc.kept)
		}
	}
}

func TestCreateWorkspace_TakesAnIdleTimeout(t *testing.T) {
	t.Parallel()
	for text, tc := range map[string]struct {
		kept  time.Duration
		shown string // empty: refused
	}{
		`, "idle_timeout": "10m"`:   {10 * time.Minute, `"idle_timeout":"10m0s"`},
		`, "idle_timeout": "0s"`:    {-1, `"idle_timeout":"0s"`},
		`, "idle_timeout": ""`:      {0, `"state":"active","host"`},
		``:                          {0, `"state":"active","host"`},
		`, "idle_timeout": "-1s"`:   {},
		`, "idle_timeout": "10"`:    {},
		`, "idle_timeout": "1ns"`:   {},
		`, "idle_timeout": "never"`: {},
	} {
		w := newWorld()
		out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "owner", "POST", "/api/v1/workspaces", `{"name": "fresh"`+text+`}`)
		made := w.workspaces[len(w.workspaces)-1]
		if tc.shown == "" {
			if out.Code != 400 || !strings.Contains(out.Body.String(), "idle_timeout: got") || made.Name == "fresh" {
				t.Errorf("%s: status %d, %s", text, out.Code, out.Body)
			}
			continue
		}
		if out.Code != 201 || made.IdleTimeout != tc.kept || !strings.Contains(out.Body.String(), tc.shown) {
			t.Errorf("%s: status %d, kept is %v, want %v; shown is %s", text, out.Code, made.IdleTimeout, tc.kept, out.Body)
		}
	}
}
