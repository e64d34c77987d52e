package preload

import (
	"path/filepath"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/supervisor/process"
)

// A forked process is what an executed one would be, in every surrounding: the self-test, which compares the two, finds no
// difference, and then workers are forked.
func TestFork_IsTheSameAsExecution(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config process.Config
		change func(*kind.Kind)
	}{
		"contained": {},
		"swept":     {change: func(k *kind.Kind) { k.Isolation.PIDNamespace = kind.IsolationOff }},
		"own user":  {config: process.Config{UIDs: process.UIDs{First: 170000, Last: 170009}}},
		"own user, swept": {
			config: process.Config{UIDs: process.UIDs{First: 170000, Last: 170009}},
			change: func(k *kind.Kind) { k.Isolation.PIDNamespace = kind.IsolationOff },
		},
		"no network":  {change: func(k *kind.Kind) { k.Isolation.Network = kind.NetworkNone }},
		"no landlock": {change: func(k *kind.Kind) { k.Isolation.Landlock = kind.IsolationOff }},
	} {
		for _, python := range pythons {
			t.Run(name+" "+filepath.Base(python), func(t *testing.T) {
				t.Parallel()
				if test.config.UIDs.First > 0 {
					python = common(python)
				}
				r := newRig(t, python, test.config, test.change)
				w := r.startForked(r.spec("alpha", "PROGRAM_SETTING=one"))
				a := r.mustAsk(w)
				if a.Setting != "one" || a.ImportedBy == a.PID || len(a.Argv) != 1 || a.Argv[0] != filepath.Join(r.place, "program.py") {
					t.Errorf("got %+v, want the worker's own setting, and the library imported by another", a)
				}
				if !r.said("a forked process was found to be the same") {
					t.Error("nothing was compared")
				}
				if exit := r.stop(w); exit.Code != 0 || exit.Signal != "" || !exit.Expected {
					t.Errorf("got %+v, want the program's own end", exit)
				}
			})
		}
	}
}

// common gives the interpreter that every user of the machine may run, where there is one.
func common(python string) string {
	if real, err := filepath.EvalSymlinks("/usr/bin/python3"); err == nil {
		return real
	}
	return python
}
