package kinds

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// projectsAt is where the project API is, as people have it who had it before: without a key, on a port of its own.
func (r *rig) projectsAt(t *testing.T) string { return r.says(t, "projects") }

// ask sends a request to the project API and reads its answer.
func ask(t *testing.T, method, address, body string, header http.Header) testkit.Response {
	t.Helper()
	at := &testkit.Router{URL: address}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := at.Do(ctx, testkit.Request{Method: method, Body: body, Header: header, NoKey: true})
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	return response
}

// TestProjects_ThePromisedClientNeedsNoChange runs the tests of the client that is in examples, without a key and with one.
func TestProjects_ThePromisedClientNeedsNoChange(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string][]string{
		"without a key": {"CHROMA_PORT=0"},
		"with a key":    {"CHROMA_PORT=0", "ROUTER_API_KEY=the-key-of-the-projects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, environment...)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			command := exec.CommandContext(ctx, filepath.Join(chroma, "bin", "python"), "-B", "-m", "unittest", "discover", "-s", filepath.Join(testkit.Root(), "examples", "python"))
			command.Env = []string{"PATH=" + os.Getenv("PATH"), "CHROMA_TEST_HOST=127.0.0.1", "CHROMA_TEST_PORT=" + port(r.projectsAt(t))}
			if len(environment) > 1 {
				command.Env = append(command.Env, "CHROMA_TEST_KEY=the-key-of-the-projects")
			}
			if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "OK") {
				t.Errorf("the client's tests: %v\n%s", err, output)
			}
		})
	}
}

func TestProjects_ByCurl(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CHROMA_PORT=0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, filepath.Join(testkit.Root(), "examples", "projects.sh"), r.projectsAt(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{`"status":"ok"`, `"name":"test_collection"`, `"ids":[["doc1","doc2"]]`, `"documents":["ChromaDB is great"]`, `"projects":["my-project"]`} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%s is not in what it printed:\n%s", want, output)
		}
	}
}

// TestProjects_ServesWhatIsThere finds the directories of a server before, makes them projects when they are asked for, and
// lists them before that.
func TestProjects_ServesWhatIsThere(t *testing.T) {
	t.Parallel()
	before := newRig(t, "CHROMA_PORT=0")
	ask(t, "POST", before.projectsAt(t)+"/api/v1/my-project/collections", `{"name":"notes"}`, nil)
	if code := before.Terminate(t); code != 0 {
		t.Fatalf("the router ended with status %d", code)
	}
	projects := filepath.Join(before.folder, "projects")
	if err := os.Remove(filepath.Join(projects, "my-project", "knowledge-graph", ".workspace-router")); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "CHROMA_PORT=0", "WORKSPACE_DIR="+projects)
	api := r.projectsAt(t)
	var listed struct{ Projects []string }
	if err := ask(t, "GET", api+"/api/v1/projects", "", nil).JSON(&listed); err != nil || len(listed.Projects) != 1 || listed.Projects[0] != "my-project" {
		t.Errorf("got the projects %v (%v)", listed.Projects, err)
	}
	if w := r.worker(t, "my-project"); w.PID != 0 {
		t.Error("a listing has started a worker")
	}
	if got := ask(t, "GET", api+"/api/v1/my-project/collections", "", nil); !strings.Contains(got.Body, `"name":"notes"`) {
		t.Errorf("got the collections %s", got.Body)
	}
	if got := ask(t, "GET", api+"/api/v1/MY-PROJECT/collections", "", nil); !strings.Contains(got.Body, `"name":"notes"`) {
		t.Errorf("by its name in another case: got %s", got.Body)
	}
}

// TestProjects_WhoMayWhat looks at what is answered to whom, and in which form.
func TestProjects_WhoMayWhat(t *testing.T) {
	t.Parallel()
	open := newRig(t, "CHROMA_PORT=0", "CORS_ORIGINS=[\"https://app.example\"]")
	api := open.projectsAt(t)
	page := func(values ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(values); i += 2 {
			h.Set(values[i], values[i+1])
		}
		return h
	}
	for _, tc := range []struct {
		what, method, path, body string
		header                   http.Header
		status                   int
		says                     string
	}{
		{"the start page", "GET", "/", "", nil, 200, "/api/v1/{project}/collections"},
		{"a page of another site", "GET", "/api/v1/projects", "", page("Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), 401, "detail"},
		{"a page that is let in, without a key", "GET", "/api/v1/projects", "", page("Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"), 401, "detail"},
		{"a page that is let in, with one", "GET", "/api/v1/projects", "", page("Origin", "https://app.example", "X-API-Key", open.Key), 200, "projects"},
		{"a preflight request", "OPTIONS", "/api/v1/alpha/collections", "", page("Origin", "https://app.example", "Access-Control-Request-Method", "POST"), 204, ""},
		{"a name that cannot be one", "GET", "/api/v1/my%20project/collections", "", nil, 400, "detail"},
		{"a host that is not ours", "GET", "/api/v1/alpha/collections", "", nil, 421, "detail"},
		{"the operator's API", "GET", "/api/v1/workers", "", nil, 404, "Not Found"},
		{"what no guest may", "POST", "/w/alpha/api/v2/reset", "", nil, 403, "permission_denied"},
	} {
		at := api
		if tc.status == 421 {
			// The router is asked under a name that was made to point at this machine.
			request, err := http.NewRequestWithContext(t.Context(), tc.method, api+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "evil.example"
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != tc.status {
				t.Errorf("%s: got %d", tc.what, response.StatusCode)
			}
			continue
		}
		got := ask(t, tc.method, at+tc.path, tc.body, tc.header)
		if got.Status != tc.status || !strings.Contains(got.Body, tc.says) {
			t.Errorf("%s: got %d %s, want %d with %q", tc.what, got.Status, got.Body, tc.status, tc.says)
		}
	}
	if len(open.Workers(t)) > 1 {
		t.Errorf("got the workers %+v", open.Workers(t))
	}
}

// TestProjects_ByChromasOwnTenant has Chroma's client name the workspace by a tenant.
func TestProjects_ByChromasOwnTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CHROMA_PORT=0", "ROUTER_PROJECTS_SELECT_BY_TENANT=true")
	api := r.projectsAt(t)
	for _, tenant := range []string{"astrid", "duarte"} {
		var said struct{ Documents []string }
		r.python(t, "chroma_tenant.py", []string{"PORT=" + port(api), "TENANT=" + tenant}, &said)
		if len(said.Documents) != 1 || said.Documents[0] != tenant+" says" {
			t.Errorf("%s: got %v", tenant, said.Documents)
		}
		if _, err := os.Stat(filepath.Join(r.folder, "projects", tenant, "knowledge-graph", "chroma.sqlite3")); err != nil {
			t.Error(err)
		}
	}
	if got := ask(t, "GET", api+"/api/v2/tenants/default_tenant", "", nil); got.Status != http.StatusBadRequest {
		t.Errorf("Chroma's word for none: got %d %s", got.Status, got.Body)
	}
	var identity map[string]any
	if err := json.Unmarshal([]byte(ask(t, "GET", api+"/api/v2/auth/identity", "", nil).Body), &identity); err != nil || identity["tenant"] != "*" {
		t.Errorf("got the identity %v (%v)", identity, err)
	}
}
