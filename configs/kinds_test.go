package configs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func embedded(t *testing.T) *kind.Kind {
	t.Helper()
	kinds, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return kinds["embedded"]
}

func TestShipped_FilesAreNamedAfterTheirKinds(t *testing.T) {
	t.Parallel()
	kinds, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("kinds/*.yaml")
	if err != nil || len(files) != len(kinds) {
		t.Fatalf("%d kinds of %d files (%v)", len(kinds), len(files), err)
	}
	for name := range kinds {
		if !slices.Contains(files, "kinds/"+name+".yaml") {
			t.Errorf("the kind %q is not in a file of its name", name)
		}
	}
}

func TestEmbedded_Routes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		request    string
		permission workspace.Permission
		class      kind.Class
	}{
		"health":            {"GET /health", workspace.WorkspaceRead, kind.Never},
		"tags":              {"GET /api/tags", workspace.QueryRun, kind.Never},
		"version":           {"GET /api/version", workspace.QueryRun, kind.Never},
		"ps":                {"GET /api/ps", workspace.QueryRun, kind.Never},
		"paginated":         {"POST /documents/paginated", workspace.DocumentRead, kind.Passive},
		"pipeline status":   {"GET /documents/pipeline_status", workspace.DocumentRead, kind.Passive},
		"status counts":     {"GET /documents/status_counts", workspace.DocumentRead, kind.Passive},
		"track status":      {"GET /documents/track_status/upload_1", workspace.DocumentRead, kind.Passive},
		"query":             {"POST /query", workspace.QueryRun, kind.Active},
		"query stream":      {"POST /query/stream", workspace.QueryRun, kind.Active},
		"chat":              {"POST /api/chat", workspace.QueryRun, kind.Active},
		"list documents":    {"GET /documents", workspace.DocumentRead, kind.Active},
		"upload":            {"POST /documents/upload", workspace.DocumentWrite, kind.Active},
		"delete one":        {"DELETE /documents/delete_document", workspace.DocumentDelete, kind.Active},
		"delete all":        {"DELETE /documents", workspace.DocumentDelete, kind.Active},
		"graph":             {"GET /graphs", workspace.GraphRead, kind.Active},
		"graph label":       {"GET /graph/label/list", workspace.GraphRead, kind.Active},
		"graph edit":        {"POST /graph/entity/edit", workspace.GraphWrite, kind.Active},
		"reset":             {"POST /documents/recovery/force_reset", workspace.WorkspaceOperate, kind.Active},
		"a page":            {"GET /", workspace.WorkspaceRead, kind.Active},
		"nothing of ours":   {"GET /admin", workspace.Strictest, kind.Active},
		"another method":    {"PUT /documents", workspace.Strictest, kind.Active},
		"one segment deep":  {"GET /documents/track_status/a/b", workspace.Strictest, kind.Active},
		"delete by reading": {"GET /documents/delete_document", workspace.Strictest, kind.Active},
	}
	k := embedded(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tc.request, " ")
			route, _ := k.Match(method, path)
			if route.Permission != tc.permission || route.Class != tc.class {
				t.Errorf("%s needs %v and is %v, want %v and %v", tc.request, route.Permission, route.Class, tc.permission, tc.class)
			}
		})
	}
}

func TestEmbedded_NothingThatWritesIsReadOnly(t *testing.T) {
	t.Parallel()
	writing := []workspace.Permission{workspace.DocumentWrite, workspace.DocumentDelete, workspace.GraphWrite, workspace.WorkspaceOperate}
	for _, route := range embedded(t).Routes {
		if route.ReadOnly == slices.Contains(writing, route.Permission) {
			t.Errorf("%v %s needs %v and read_only is %v", route.Methods, route.Path, route.Permission, route.ReadOnly)
		}
	}
}

func TestEmbedded_AnswersWithoutAWorker(t *testing.T) {
	t.Parallel()
	w := workspace.Workspace{Ref: workspace.Ref{Tenant: "default", Name: "alpha", Generation: "g"}, Kind: "embedded"}
	for _, route := range embedded(t).Routes {
		if route.Class != kind.Never {
			continue
		}
		if route.Cold == nil {
			t.Errorf("%s has no answer without a worker", route.Path)
			continue
		}
		if body := route.Cold.Render(w, ""); !strings.HasPrefix(body, "{") || strings.Contains(body, "{workspace}") || strings.Contains(body, "\n") {
			t.Errorf("%s answers %q", route.Path, body)
		}
	}
}

// A further kind is the shipped one under another name.
func otherKind(t *testing.T, change func(string) string) string {
	t.Helper()
	content, err := os.ReadFile("kinds/embedded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "other.yaml", change(strings.Replace(string(content), "name: embedded", "name: other-kind", 1)))
}

func TestLoad_TakesFurtherKinds(t *testing.T) {
	t.Parallel()
	file := otherKind(t, func(s string) string { return s })
	config := mustLoad(t, Source{Environ: []string{
		"ROUTER_KIND_FILES=" + file, "ROUTER_DEFAULT_KIND=other-kind", "ROUTER_KIND_OTHER_KIND_PROGRAM=/other",
	}})
	if config.Profiles["embedded"] == nil || config.Profiles["other-kind"].Processes[0].Program != "/other" {
		t.Errorf("the kinds are %v", config.Profiles)
	}
}

func TestLoad_ReportsWhatIsWrongWithFurtherKinds(t *testing.T) {
	t.Parallel()
	broken := otherKind(t, func(s string) string { return strings.Replace(s, "class: never", "class: sometimes", 1) })
	_, _, err := load(t, Source{Environ: []string{"ROUTER_KIND_FILES=" + broken + ", /nowhere.yaml"}})
	if err == nil || !strings.Contains(err.Error(), broken+":") || !strings.Contains(err.Error(), `cannot read "/nowhere.yaml"`) {
		t.Errorf("the error is %v, want one that names both files", err)
	}
}

func TestLoad_RefusesUnknownPlaceholdersInAKindsVariables(t *testing.T) {
	t.Parallel()
	_, _, err := load(t, Source{Environ: []string{"ROUTER_KIND_EMBEDDED_ENVIRONMENT_X=s3cret-{whatever}"}})
	if err == nil || !strings.Contains(err.Error(), "{whatever}") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error is %v, want one that names the placeholder alone", err)
	}
	config := mustLoad(t, Source{Environ: []string{`ROUTER_KIND_EMBEDDED_ENVIRONMENT_X={"a": 1}`}})
	if got := config.Profiles["embedded"].Processes[0].Given["X"]; got != `{"a": 1}` {
		t.Errorf("JSON became %q", got)
	}
}

func TestLoad_KnowsTheTagOfModels(t *testing.T) {
	t.Parallel()
	const name = "OLLAMA_EMULATING_MODEL_TAG"
	for kind, variable := range map[string]string{"embedded": "ROUTER_KIND_EMBEDDED_ENVIRONMENT_" + name, "lightrag": "ROUTER_KIND_LIGHTRAG_ENVIRONMENT_" + name} {
		for _, test := range []struct {
			environ []string
			want    string
		}{{nil, ""}, {[]string{name + "=v2"}, "v2"}, {[]string{variable + "=v3"}, "v3"}, {[]string{name + "=v2", variable + "=v3"}, "v3"}} {
			if got := mustLoad(t, Source{Environ: test.environ}).Profiles[kind].ModelTag; got != test.want {
				t.Errorf("%s with %v: got %q, want %q", kind, test.environ, got, test.want)
			}
		}
	}
}
