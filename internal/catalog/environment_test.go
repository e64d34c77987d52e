package catalog

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// sameVariable compares values, too, which nothing else shows.
var sameVariable = cmp.Comparer(func(a, b workspace.Variable) bool { return a == b })

func TestEnvironment_IsChangedAsAWhole(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha, beta := create(t, c, "alpha"), create(t, c, "beta")
	one, two := workspace.NewVariable("ONE", "1"), workspace.VariableFromFile("TWO", "/etc/two")
	steps := []struct {
		what   string
		change EnvironmentChange
		want   []workspace.Variable
	}{
		{"set", EnvironmentChange{Set: []workspace.Variable{two, one}}, []workspace.Variable{one, two}},
		{"nothing", EnvironmentChange{}, []workspace.Variable{one, two}},
		{"an empty value in place of a file", EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("TWO", "")}},
			[]workspace.Variable{one, workspace.NewVariable("TWO", "")}},
		{"removed, and one that was not there", EnvironmentChange{Remove: []string{"ONE", "NONE"}}, []workspace.Variable{workspace.NewVariable("TWO", "")}},
		{"replaced", EnvironmentChange{Set: []workspace.Variable{one}, Replace: true}, []workspace.Variable{one}},
		{"emptied", EnvironmentChange{Replace: true}, []workspace.Variable{}},
	}
	for _, step := range steps {
		changed, err := c.ChangeEnvironment(t.Context(), alpha.Generation, step.change)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		read, err := c.Environment(t.Context(), alpha.Generation)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.want, read, sameVariable); diff != "" || !cmp.Equal(changed, read, sameVariable) {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
		if others, err := c.Environment(t.Context(), beta.Generation); err != nil || len(others) != 0 {
			t.Errorf("%s: beta has %v, %v", step.what, others, err)
		}
	}
}

func TestEnvironment_ARefusalChangesNothing(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha := create(t, c, "alpha")
	one := workspace.NewVariable("ONE", "1")
	if _, err := c.ChangeEnvironment(t.Context(), alpha.Generation, EnvironmentChange{Set: []workspace.Variable{one}}); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("refused")
	_, err := c.ChangeEnvironment(t.Context(), alpha.Generation, EnvironmentChange{
		Set: []workspace.Variable{workspace.NewVariable("TWO", "2")}, Remove: []string{"ONE"},
		Check: func(list []workspace.Variable) error {
			if diff := cmp.Diff([]workspace.Variable{workspace.NewVariable("TWO", "2")}, list, sameVariable); diff != "" {
				t.Errorf("checked (-want +got):\n%s", diff)
			}
			return refusal
		},
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want the refusal", err)
	}
	if read, err := c.Environment(t.Context(), alpha.Generation); err != nil || !cmp.Equal([]workspace.Variable{one}, read, sameVariable) {
		t.Errorf("got %v, %v, want it unchanged", read, err)
	}
}

func TestChanges_OfADeletedWorkspaceAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha := create(t, c, "alpha")
	if err := c.MarkDeleted(t.Context(), alpha.Generation); err != nil {
		t.Fatal(err)
	}
	for _, generation := range []workspace.Generation{alpha.Generation, "none"} {
		if _, err := c.ChangeEnvironment(t.Context(), generation, EnvironmentChange{}); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("the environment of %q: %v", generation, err)
		}
		if _, err := c.Update(t.Context(), generation, WorkspaceChange{}); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("%q: %v", generation, err)
		}
	}
}

func TestUpdate_ChangesWhatIsGivenAndIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha := create(t, c, "alpha")
	text := func(s string) *string { return &s }
	wait := func(d time.Duration) *time.Duration { return &d }
	steps := []struct {
		change WorkspaceChange
		name   string
		idle   time.Duration
		resume string
	}{
		{WorkspaceChange{DisplayName: text("Alpha, the first")}, "Alpha, the first", 0, ""},
		{WorkspaceChange{IdleTimeout: wait(time.Minute)}, "Alpha, the first", time.Minute, ""},
		{WorkspaceChange{Resume: text("pending")}, "Alpha, the first", time.Minute, "pending"},
		{WorkspaceChange{}, "Alpha, the first", time.Minute, "pending"},
		{WorkspaceChange{DisplayName: text(""), IdleTimeout: wait(-1)}, "alpha", -1, "pending"},
		{WorkspaceChange{IdleTimeout: wait(0), Resume: text("")}, "alpha", 0, ""},
	}
	for i, step := range steps {
		if _, err := c.Lookup(t.Context(), workspace.DefaultTenant, "alpha"); err != nil { // so that it is remembered
			t.Fatal(err)
		}
		changed, err := c.Update(t.Context(), alpha.Generation, step.change)
		if err != nil {
			t.Fatal(err)
		}
		read, err := c.Lookup(t.Context(), workspace.DefaultTenant, "alpha")
		if err != nil || read != changed || read.DisplayName != step.name || read.IdleTimeout != step.idle || read.Resume != step.resume {
			t.Errorf("step %d: got %+v, %v", i, read, err)
		}
	}
}
