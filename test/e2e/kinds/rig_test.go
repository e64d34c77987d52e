package kinds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// patience bounds one request or one client, cold starts on a machine with other work included.
const patience = 2 * time.Minute

// rig is a router over Chroma.
type rig struct {
	*testkit.Router
	folder      string // where the router runs; its data and those of the projects are below
	environment []string
}

// newRig starts a router of somebody who had projects.
func newRig(t *testing.T, environment ...string) *rig {
	t.Helper()
	r := &rig{folder: testkit.ShortDir(t)}
	r.environment = append([]string{
		"ROUTER_KIND_CHROMA_PROGRAM=" + filepath.Join(chroma, "bin", "chroma-server"), "WORKSPACE_DIR=" + filepath.Join(r.folder, "projects"), "CHROMA_PORT=0",
		"ROUTER_POOL_WAIT=" + patience.String(), "ROUTER_POOL_MINIMUM_RESIDENCY=10ms",
	}, environment...)
	r.start(t)
	return r
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	r.Router = testkit.StartRouter(t, binaries, filepath.Join(r.folder, "data"), r.environment...)
}

// says finds an address in what the router prints when it starts, by the name that it is printed beside.
func (r *rig) says(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` +(http://\S+)$`).FindStringSubmatch(r.Output())
	if found == nil {
		t.Fatalf("the router does not say where %s is:\n%s", name, r.Output())
	}
	return found[1]
}

// try sends a request with patience.
func (r *rig) try(t *testing.T, request testkit.Request) (testkit.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return r.Do(ctx, request)
}

// must is try for an answer whose status must be the wanted one.
func (r *rig) must(t *testing.T, status int, request testkit.Request) testkit.Response {
	t.Helper()
	response, err := r.try(t, request)
	if err != nil || response.Status != status {
		t.Fatalf("%s %s: got %d %s (%v), want %d", request.Method, request.Path, response.Status, response.Body, err, status)
	}
	return response
}

// worker finds the live worker of a workspace; its PID is 0 where there is none.
func (r *rig) worker(t *testing.T, workspace string) testkit.Worker {
	t.Helper()
	for _, w := range r.Workers(t) {
		if w.Workspace == workspace {
			return w
		}
	}
	return testkit.Worker{}
}

// python runs one of the scripts beside this file with Chroma's client, tells it by its environment what it is to know,
// and decodes what it prints.
func (r *rig) python(t *testing.T, script string, environment []string, result any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(chroma, "bin", "python"), script)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KEY=" + r.Key}, environment...)
	var errs strings.Builder
	command.Stderr = &errs
	output, err := command.Output()
	if err == nil {
		err = json.Unmarshal(output, result)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", script, err, output, errs.String())
	}
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

// collections is the path of a workspace's collections in Chroma's own API.
func collections(workspace string) string {
	return "/w/" + workspace + "/api/v2/tenants/default_tenant/databases/default_database/collections"
}

// collection makes a collection, or finds it, and gives its path. A worker that has just died may still be taken for alive.
func (r *rig) collection(t *testing.T, workspace, name string) string {
	t.Helper()
	var made struct{ ID string }
	body := fmt.Sprintf(`{"name":%q,"get_or_create":true}`, name)
	testkit.Eventually(t, "the collection "+name, func() error {
		response, err := r.try(t, testkit.Request{Method: http.MethodPost, Path: collections(workspace), Body: body})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", response.Status, response.Body)
		}
		if err != nil {
			return err
		}
		return response.JSON(&made)
	})
	return collections(workspace) + "/" + made.ID
}
