package configs

import (
	"strings"
	"testing"

	"workspace-router/internal/kind"
)

func TestResume_IsForKindsThatCanBeTold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ string
		kind    string
		want    kind.Resume
		problem string
	}{
		"none given":        {"ROUTER_LOG_LEVEL=info", "lightrag", "", ""},
		"off":               {"ROUTER_KIND_LIGHTRAG_RESUME=off", "lightrag", kind.ResumeOff, ""},
		"pending":           {"ROUTER_KIND_LIGHTRAG_RESUME=pending", "lightrag", kind.ResumePending, ""},
		"all":               {"ROUTER_KIND_LIGHTRAG_RESUME=all", "lightrag", kind.ResumeAll, ""},
		"another":           {"ROUTER_KIND_LIGHTRAG_RESUME=yes", "", "", "kind.lightrag.resume: got \"yes\", want off or pending or all"},
		"off where it must": {"ROUTER_KIND_EMBEDDED_RESUME=off", "embedded", kind.ResumeOff, ""},
		"where it cannot":   {"ROUTER_KIND_EMBEDDED_RESUME=pending", "", "", "kind.embedded.resume: got \"pending\", but workers of this kind cannot be told"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _, err := Load(Source{Dir: t.TempDir(), Environ: []string{test.environ}})
			switch {
			case test.problem == "" && err != nil:
				t.Fatal(err)
			case test.problem != "":
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("got %v, want %q", err, test.problem)
				}
			case config.Kind[test.kind].Resume != test.want:
				t.Errorf("got %q, want %q", config.Kind[test.kind].Resume, test.want)
			}
		})
	}
}
