package process

import (
	"strings"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// What could not come to the worker as it is stops the start, which names the variable and never its value.
func TestStart_RefusesVariablesThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	nothing := func(*kind.Kind) {}
	tests := map[string]struct {
		environ []string
		change  func(*kind.Kind)
		says    string
	}{
		"let through": {environ: []string{"HOSTILE_BYTES=planted\xff"}, change: nothing, says: `"HOSTILE_BYTES"`},
		"set":         {change: set("BYTES=planted\xff"), says: `"BYTES"`},
		"the name":    {environ: []string{"HOSTILE_\xff=planted"}, change: nothing, says: `"HOSTILE_\xff"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := newRig(t, test.environ...).fail(newSpec(t, "alpha", test.change))
			if failed.Cause != supervisor.CauseEnvironment || !strings.Contains(failed.Error(), test.says) {
				t.Errorf("got cause %q: %v, want %q and the name %s", failed.Cause, failed, supervisor.CauseEnvironment, test.says)
			}
			if strings.Contains(failed.Error(), "planted") {
				t.Errorf("got %q, which tells the variable's value", failed)
			}
		})
	}
	newRig(t, "HOSTILE_BYTES=ä日", "OTHER=\xff").start(newSpec(t, "alpha")) // that is none of the worker's business
}
