package kind

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func asItIs(template string) (string, error) { return template, nil }

// layered is a kind with a rule of each sort.
func layered() *Kind {
	return &Kind{Name: "k", Processes: []Process{{
		Set: map[string]string{"DIR": "own"}, Default: map[string]string{"TITLE": "usual", "THREADS": "1"},
		Given: map[string]string{"MODEL": "configured", "SIZE": "3", "HIDDEN": "x"},
		Allow: []string{"MODEL", "SIZE", "TITLE", "LLM_*", "POSTGRES_*"}, Refuse: []string{"*_WORKSPACE"},
		Require: []Requirement{{Given: "MODEL", Except: []string{"usual"}, Needs: "SIZE", Because: "none is known for it"}},
	}}}
}

func TestCompose_TheLaterLayerWins(t *testing.T) {
	t.Parallel()
	k := layered()
	got, err := k.Compose(&k.Processes[0], Layers{
		Base:   map[string]string{"PATH": "/bin", "OTHER_WORKSPACE": "of every process"},
		Common: map[string]string{"TITLE": "common", "MODEL": "common", "LLM_KEY": "common", "LLM_HOST": "common", "DIR": "theirs", "SECRET": "no"},
		Own:    map[string]string{"MODEL": "mine", "LLM_KEY": "", "DIR": "mine", "SECRET": "no"},
	}, asItIs)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"PATH": "/bin", "OTHER_WORKSPACE": "of every process", "THREADS": "1", "TITLE": "common", "LLM_HOST": "common", "SIZE": "3", "HIDDEN": "x",
		"MODEL": "mine", "LLM_KEY": "", "DIR": "own",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompose_RefusesByNameAndNeverTellsAValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		common, own map[string]string
		given       map[string]string
		want        string
	}{
		"refused of the router's":     {common: map[string]string{"POSTGRES_WORKSPACE": "pl4nted"}, want: `the kind "k" refuses POSTGRES_WORKSPACE`},
		"refused of the workspace's":  {own: map[string]string{"POSTGRES_WORKSPACE": "pl4nted"}, want: `the kind "k" refuses POSTGRES_WORKSPACE`},
		"missing beside another":      {own: map[string]string{"MODEL": "pl4nted"}, want: "SIZE is needed with MODEL: none is known for it"},
		"taken away by the workspace": {given: map[string]string{"SIZE": "3", "MODEL": "pl4nted"}, own: map[string]string{"SIZE": ""}, want: "SIZE is needed with MODEL"},
		"not refused":                 {own: map[string]string{"MODEL": "usual"}},
	} {
		k := layered()
		k.Processes[0].Given = test.given
		_, err := k.Compose(&k.Processes[0], Layers{Common: test.common, Own: test.own}, asItIs)
		switch {
		case test.want == "" && err == nil:
		case err == nil || test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "pl4nted"):
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestCheckVariable_SaysWhyNot(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"MODEL": "", "LLM_BINDING_HOST": "",
		"DIR":                "sets this variable itself",
		"POSTGRES_WORKSPACE": "refuses this variable",
		"LD_PRELOAD":         "does not take this variable",
		"PATH":               "does not take this variable",
		"THREADS":            "does not take this variable",
	} {
		switch err := layered().CheckVariable(name); {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.Contains(err.Error(), want):
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	second := layered()
	second.Processes = append(second.Processes, Process{Set: map[string]string{"MODEL": "its own"}})
	if second.CheckVariable("MODEL") == nil {
		t.Error("a variable that one of two processes sets itself was let through")
	}
}
