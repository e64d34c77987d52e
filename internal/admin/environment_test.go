package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

var sameVariable = cmp.Comparer(func(a, b workspace.Variable) bool { return a == b })

func TestEnvironment_IsShownWithoutValues(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.variables = []workspace.Variable{workspace.NewVariable("LLM_MODEL", "pl4nted"), workspace.VariableFromFile("LLM_KEY", "/etc/key")}
	out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "operator", "GET", "/api/v1/workspaces/acme.alpha/env", "")
	want := `{"workspace":"alpha","tenant":"acme","kind":"embedded","variables":[{"name":"LLM_MODEL","value":"********"},{"name":"LLM_KEY","file":"/etc/key"}],` +
		`"applies":"with the worker's next launch: router worker restart acme.alpha"}` + "\n"
	if out.Code != 200 || out.Body.String() != want {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
}

func TestEnvironment_ChangesAreReadAsTheyAreMeant(t *testing.T) {
	t.Parallel()
	set, file := workspace.NewVariable("A", "1"), workspace.VariableFromFile("B", "/etc/b")
	for name, test := range map[string]struct {
		method, body string
		want         EnvironmentChange
		status       int
	}{
		"patch":            {"PATCH", `{"variables": {"C": null, "B": {"file": "/etc/b"}, "A": "1"}}`, EnvironmentChange{Set: []workspace.Variable{set, file}, Remove: []string{"C"}}, 200},
		"put":              {"PUT", `{"variables": {"A": "1"}}`, EnvironmentChange{Set: []workspace.Variable{set}, Replace: true}, 200},
		"put nothing":      {"PUT", `{"variables": {}}`, EnvironmentChange{Replace: true}, 200},
		"an empty value":   {"PATCH", `{"variables": {"A": ""}}`, EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("A", "")}}, 200},
		"no body":          {"PUT", ``, EnvironmentChange{}, 400},
		"a number":         {"PATCH", `{"variables": {"A": 71177}}`, EnvironmentChange{}, 400},
		"a file and more":  {"PATCH", `{"variables": {"A": {"file": "/x", "value": "71177"}}}`, EnvironmentChange{}, 400},
		"a file of blanks": {"PATCH", `{"variables": {"A": {"file": " "}}}`, EnvironmentChange{}, 400},
		"another word":     {"PATCH", `{"environment": {"A": "71177"}}`, EnvironmentChange{}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			out := ask(t, newAdmin(t, w.deps()).Handler(Operator, authenticator{}), "admin", test.method, "/api/v1/workspaces/alpha/env", test.body)
			if out.Code != test.status || strings.Contains(out.Body.String(), "71177") {
				t.Fatalf("got %d %s, want %d and no value", out.Code, out.Body, test.status)
			}
			if test.status != 200 {
				if len(w.changes) > 0 {
					t.Errorf("it was changed: %v", w.changes)
				}
				return
			}
			if diff := cmp.Diff([]EnvironmentChange{test.want}, w.changes, sameVariable); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWorkspaces_AreUpdated(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{"display_name": "One"}`:  {200, `"display_name":"One"`},
		`{"idle_timeout": "10m"}`:  {200, `"idle_timeout":"10m0s"`},
		`{"idle_timeout": "0s"}`:   {200, `"idle_timeout":"0s"`},
		`{"idle_timeout": null}`:   {200, `"display_name":"alpha"`},
		`{"idle_timeout": 10}`:     {400, "idle_timeout"},
		`{"idle_timeout": "soon"}`: {400, "soon"},
		`{"resume": "pending"}`:    {200, `"resume":"pending"`},
		`{"resume": ""}`:           {200, `"display_name":"alpha"`},
		`{"resume": "soon"}`:       {400, "resume: got"},
		`{"name": "other"}`:        {400, "name"},
	} {
		handler := newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{})
		out := ask(t, handler, "admin", "PATCH", "/api/v1/workspaces/alpha", body)
		if out.Code != want.status || !strings.Contains(out.Body.String(), want.text) {
			t.Errorf("%s: got %d %s", body, out.Code, out.Body)
		}
		if out.Code == 200 && !json.Valid(out.Body.Bytes()) {
			t.Errorf("%s: got %s", body, out.Body)
		}
	}
}
