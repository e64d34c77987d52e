package router

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// models gives the worker's own list of models: its tag is a variable of its environment.
func models(t *testing.T, r *testkit.Router, workspace string) string {
	t.Helper()
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + workspace + "/documents"}) // so that it is a worker that answers
	return r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + workspace + "/api/tags"}).Body
}

func TestEnvironment_OfOneWorkspaceReachesItsNextLaunchAlone(t *testing.T) {
	t.Parallel()
	const planted = "sk-planted-with-care"
	r := start(t, "OLLAMA_EMULATING_MODEL_TAG=common", "ROUTER_LOG_LEVEL=debug")
	file := filepath.Join(filepath.Dir(r.DataDir), "alpha.key")
	if err := os.WriteFile(file, []byte(planted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := func(want int, args ...string) string {
		t.Helper()
		stdout, stderr, code := r.CLI(t, args...)
		if code != want {
			t.Fatalf("%q: exit %d, want %d: %s%s", args, code, want, stdout, stderr)
		}
		return stdout + stderr
	}
	for _, name := range []string{"alpha", "beta"} {
		if cold := r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/api/tags"}).Body; !strings.Contains(cold, name+":common") {
			t.Errorf("%s without a worker: %s", name, cold)
		}
		if got := models(t, r, name); !strings.Contains(got, name+":common") {
			t.Fatalf("%s before: %s", name, got)
		}
	}
	said := cli(0, "workspace", "env", "alpha", "OLLAMA_EMULATING_MODEL_TAG=mine", "--from-file", "LLM_BINDING_API_KEY="+file)
	if !strings.Contains(said, "router worker restart alpha") || strings.Contains(said, "mine") || !strings.Contains(said, file) {
		t.Errorf("it said: %s", said)
	}
	if got := models(t, r, "alpha"); !strings.Contains(got, "alpha:common") {
		t.Errorf("the worker that runs changed: %s", got)
	}
	cli(0, "worker", "restart", "alpha")
	cli(0, "worker", "restart", "beta")
	if got := models(t, r, "alpha"); !strings.Contains(got, "alpha:mine") {
		t.Errorf("the next launch: %s", got)
	}
	if got := models(t, r, "beta"); !strings.Contains(got, "beta:common") {
		t.Errorf("another workspace: %s", got)
	}

	if refused := cli(2, "workspace", "env", "alpha", "POSTGRES_WORKSPACE=x", "LD_PRELOAD="+planted); !strings.Contains(refused, "POSTGRES_WORKSPACE: ") ||
		!strings.Contains(refused, "LD_PRELOAD: ") || strings.Contains(refused, planted) {
		t.Errorf("the refusal says: %s", refused)
	}
	if refused := cli(2, "workspace", "env", "alpha", "--from-file", "LLM_BINDING_API_KEY="+filepath.Join(r.DataDir, "admin.key")); !strings.Contains(refused, "data directory") {
		t.Errorf("the router's own key: %s", refused)
	}

	// A secret whose file was opened to others is not given to the next worker: its start is refused, and says so.
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	cli(1, "worker", "restart", "alpha")
	if shown := cli(0, "worker", "show", "alpha"); !strings.Contains(shown, "LLM_BINDING_API_KEY") || !strings.Contains(shown, "its mode is 0644") {
		t.Errorf("worker show: %s", shown)
	}
	cli(0, "workspace", "env", "alpha", "--replace")
	cli(0, "worker", "start", "alpha", "--reset")
	if got := models(t, r, "alpha"); !strings.Contains(got, "alpha:common") {
		t.Errorf("without variables of its own: %s", got)
	}
	told := r.Output() + cli(0, "events", "-o", "json") + cli(0, "workspace", "env", "alpha") + cli(0, "worker", "logs", "alpha")
	if strings.Contains(told, planted) {
		t.Error("the secret was told")
	}
}

func TestWorkspaces_AreUpdatedByTheCommandLine(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, step := range []struct {
		code int
		args []string
		want string
	}{
		{0, []string{"workspace", "create", "alpha"}, "alpha"},
		{0, []string{"workspace", "update", "alpha", "--display-name", "The first", "--idle-timeout", "90s"}, "The first"},
		{0, []string{"workspace", "show", "alpha"}, "1m30s"},
		{0, []string{"workspace", "update", "alpha", "--idle-timeout="}, "The first     embedded  active  -"},
		{3, []string{"workspace", "update", "beta", "--display-name", "x"}, "workspace_not_found"},
		{2, []string{"workspace", "update", "alpha", "--idle-timeout", "soon"}, "soon"},
	} {
		stdout, stderr, code := r.CLI(t, step.args...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%q: exit %d: %s%s", step.args, code, stdout, stderr)
		}
	}
}
