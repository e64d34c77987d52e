package lightrag

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
	"workspace-router/test/fakellm"
)

// patience bounds one request, a cold start on a machine with other work included.
const patience = 2 * time.Minute

// dimensions of the embeddings: enough that words rarely share a place.
const dimensions = 512

// rig is a router over LightRAG, with the model that its workers use.
type rig struct {
	*testkit.Router
	model *fakellm.Server

	folder      string   // where the router runs; its data are below
	environment []string // settings of LightRAG, and of the router
}

// newRig starts a router of a LightRAG user: what says that LightRAG is meant are its own settings.
func newRig(t *testing.T, version string, environment ...string) *rig {
	t.Helper()
	r := place(t, version)
	r.environment = append(r.environment,
		"ROUTER_KIND_LIGHTRAG_PROGRAM="+filepath.Join(places[version], "bin", "lightrag-server"),
		"ROUTER_POOL_WAIT="+patience.String(), "ROUTER_POOL_MINIMUM_RESIDENCY=10ms",
	)
	r.environment = append(r.environment, environment...)
	r.start(t)
	return r
}

// place makes all that a rig needs but the router.
func place(t *testing.T, version string) *rig {
	t.Helper()
	model := fakellm.New(fakellm.Options{Dimensions: dimensions})
	server := httptest.NewServer(model)
	t.Cleanup(server.Close)
	folder := testkit.ShortDir(t)
	settings := append(fakellm.Settings(server.URL, dimensions), "TIKTOKEN_CACHE_DIR="+filepath.Join(places[version], "tiktoken"))
	return &rig{model: model, folder: folder, environment: settings}
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	r.Router = testkit.StartRouter(t, binaries, filepath.Join(r.folder, "data"), r.environment...)
}

// must sends a request to a workspace and fails the test unless the answer's status is the wanted one.
func (r *rig) must(t *testing.T, status int, workspace string, request testkit.Request) testkit.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request.Path = "/w/" + workspace + request.Path
	response, err := r.Do(ctx, request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.Path, err)
	}
	if response.Status != status {
		t.Fatalf("%s %s: got %d %s, want %d", request.Method, request.Path, response.Status, response.Body, status)
	}
	return response
}

// upload sends a document as a form with a file.
func (r *rig) upload(t *testing.T, workspace, name, text string) {
	t.Helper()
	request, err := uploadRequest(name, text)
	if err != nil {
		t.Fatal(err)
	}
	response := r.must(t, http.StatusOK, workspace, request)
	if !strings.Contains(response.Body, `"success"`) {
		t.Fatalf("%s did not take %s: %s", workspace, name, response.Body)
	}
}

// counts gives how many documents of a workspace are in each state.
func (r *rig) counts(t *testing.T, workspace string) map[string]int {
	t.Helper()
	var answer struct {
		StatusCounts map[string]int `json:"status_counts"`
	}
	if err := r.must(t, http.StatusOK, workspace, testkit.Request{Path: "/documents/status_counts"}).JSON(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCounts
}

// indexed waits until n documents of the workspace can be asked for, and it has no other.
func (r *rig) indexed(t *testing.T, workspace string, n int) {
	t.Helper()
	testkit.Eventually(t, workspace+" to be indexed", func() error {
		counts := r.counts(t, workspace)
		if counts["processed"] == n && counts["all"] == n {
			return nil
		}
		return fmt.Errorf("%v", counts)
	})
}

// query asks in one of LightRAG's modes and gives the whole answer.
func (r *rig) query(t *testing.T, workspace, mode, question string) string {
	t.Helper()
	return r.must(t, http.StatusOK, workspace, testkit.Request{
		Method: http.MethodPost, Path: "/query", Body: fmt.Sprintf(`{"query":%q,"mode":%q}`, question, mode),
	}).Body
}

// worker is one entry of `worker list -o json`.
type worker struct {
	Workspace string  `json:"workspace"`
	PID       int     `json:"pid"`
	ReadyMS   float64 `json:"ready_ms"`
	PSS       int64   `json:"pss_bytes"`
	Files     int     `json:"fds"`
	Busy      bool    `json:"busy"`
}

// worker finds the live worker of a workspace.
func (r *rig) worker(t *testing.T, workspace string) (worker, error) {
	t.Helper()
	stdout, stderr, code := r.CLI(t, "worker", "list", "-o", "json")
	if code != 0 {
		t.Fatalf("worker list: exit %d: %s", code, stderr)
	}
	var list []worker
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatal(err)
	}
	for _, w := range list {
		if w.Workspace == workspace {
			return w, nil
		}
	}
	return worker{}, fmt.Errorf("%s has no worker: %s", workspace, stdout)
}

// live is worker for one that must be there, once it has been measured.
func (r *rig) live(t *testing.T, workspace string) (w worker) {
	t.Helper()
	testkit.Eventually(t, "the worker of "+workspace+" to be measured", func() (err error) {
		if w, err = r.worker(t, workspace); err == nil && (w.PID == 0 || w.PSS == 0) {
			err = fmt.Errorf("got %+v", w)
		}
		return err
	})
	return w
}

// variables reads the environment of a worker's process, which its own user may.
func (w worker) variables(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", w.PID))
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, variable := range strings.Split(string(content), "\x00") {
		if name, value, found := strings.Cut(variable, "="); found {
			variables[name] = value
		}
	}
	return variables
}

// kill ends a process by SIGKILL.
func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// uploadRequest makes the request that gives a workspace a document.
func uploadRequest(name, text string) (testkit.Request, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(text))
	}
	if err != nil {
		return testkit.Request{}, fmt.Errorf("cannot write the form: %w", err)
	}
	if err := form.Close(); err != nil {
		return testkit.Request{}, fmt.Errorf("cannot end the form: %w", err)
	}
	return testkit.Request{
		Method: http.MethodPost, Path: "/documents/upload", Body: body.String(), Header: http.Header{"Content-Type": {form.FormDataContentType()}},
	}, nil
}
