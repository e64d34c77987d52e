package process

import (
	"errors"
	"strings"
	"testing"
)

func TestDefeats_NamesWhatEndsTheWorkersAllTheSame(t *testing.T) {
	t.Parallel()
	const unit = "0::/system.slice/workspace-router.service\n"
	mode := func(mode string, err error) func(string) (string, error) {
		return func(string) (string, error) { return mode, err }
	}
	tests := map[string]struct {
		given surroundings
		want  []string
	}{
		"a terminal":                {given: surroundings{pid: 99, parent: 98, cgroups: "0::/user.slice/session-1.scope\n", invocation: "x"}},
		"a container's first":       {given: surroundings{pid: 1}, want: []string{"first process"}},
		"a container's init":        {given: surroundings{pid: 7, parent: 1, container: true}, want: []string{"first process of a container"}},
		"a container's systemd":     {given: surroundings{pid: 7, parent: 1, container: true, invocation: "1", cgroups: "0::/system.slice/router.service", killMode: mode("process", nil)}},
		"a daemon":                  {given: surroundings{pid: 7, parent: 1}},
		"a unit that kills all":     {given: surroundings{pid: 7, cgroups: unit, invocation: "x", killMode: mode("control-group", nil)}, want: []string{"KillMode=control-group"}},
		"a unit that kills in part": {given: surroundings{pid: 7, cgroups: unit, invocation: "x", killMode: mode("mixed", nil)}, want: []string{"KillMode=mixed"}},
		"a unit that kills the one": {given: surroundings{pid: 7, cgroups: unit, invocation: "x", killMode: mode("process", nil)}},
		"a unit that cannot be asked": {
			given: surroundings{pid: 7, cgroups: unit, invocation: "x", killMode: mode("", errors.New("no bus"))}, want: []string{"no bus"},
		},
		"a group below the unit's, version 1": {
			given: surroundings{pid: 7, cgroups: "5:cpu:/\n1:name=systemd:/system.slice/r.service/sub\n", invocation: "x", killMode: mode("control-group", nil)},
			want:  []string{`"r.service"`},
		},
		"a unit that did not start it": {given: surroundings{pid: 7, cgroups: unit, killMode: mode("control-group", nil)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := defeats(test.given)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %d reasons", got, len(test.want))
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want it to say %q", got[i], want)
				}
			}
		})
	}
}
