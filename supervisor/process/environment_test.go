package process

import (
	"errors"
	"slices"
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

// Of the kind's defaults, the router's environment and what the kind sets, the later wins.
func TestComposeEnvironment_DefaultsGiveWay(t *testing.T) {
	t.Parallel()
	v := values{run: "/run/x", dir: "/data/x", spec: supervisor.Spec{Kind: &kind.Kind{Name: "k"}}}
	p := &kind.Process{
		Default: map[string]string{"CACHE_DIR": "{dir}/cache", "TITLE": "usual", "THREADS": "1"},
		Allow:   []string{"CACHE_*", "TITLE"}, Set: map[string]string{"OWN": "{run}"},
	}
	list, err := composeEnvironment(p, v, []string{"TITLE=given", "THREADS=9", "OWN=theirs"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CACHE_DIR=/data/x/cache", "TITLE=given", "THREADS=1", "OWN=/run/x"} {
		if !slices.Contains(list, want) {
			t.Errorf("got %q, want %s among them", list, want)
		}
	}
}

func TestComposeEnvironment_RefusesWhatIsNotComplete(t *testing.T) {
	t.Parallel()
	v := values{run: "/run/x", spec: supervisor.Spec{Kind: &kind.Kind{Name: "k"}}}
	p := &kind.Process{
		Allow:   []string{"MODEL", "SIZE"},
		Require: []kind.Requirement{{Given: "MODEL", Needs: "SIZE", Because: "none is known for it"}},
	}
	_, err := composeEnvironment(p, v, []string{"MODEL=m0del"}, nil)
	var cause *causeError
	if !errors.As(err, &cause) || cause.cause != supervisor.CauseEnvironment || !strings.Contains(err.Error(), "SIZE is needed with MODEL: none is known for it") {
		t.Errorf("got %v, want the missing variable named", err)
	}
	if _, err := composeEnvironment(p, v, []string{"MODEL=m0del", "SIZE=3"}, nil); err != nil {
		t.Error(err)
	}
	p.Set = map[string]string{"SIZE": "4"} // as an operator's own setting for the kind
	if _, err := composeEnvironment(p, v, []string{"MODEL=m0del"}, nil); err != nil {
		t.Error(err)
	}
}
