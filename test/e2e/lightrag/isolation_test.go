package lightrag

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// Two documents that contradict each other, told apart by the name of their owner, which nothing else in a workspace
// holds.
const (
	ofAstrid = "The Lighthouse stands in Bergen. Keeper Astrid lights the Lighthouse. Astrid says that the Lighthouse is white."
	ofDuarte = "The Lighthouse stands in Lisbon. Keeper Duarte lights the Lighthouse. Duarte says that the Lighthouse is red."
	where    = "Where does the Lighthouse stand, and which Keeper lights it?"
)

// probe is a request whose answer must hold the workspace's own marker, where it comes from its data.
type probe struct {
	request testkit.Request
	own     bool
}

func post(path, body string) testkit.Request {
	return testkit.Request{Method: http.MethodPost, Path: path, Body: body}
}

// probes are the ways in which a workspace tells what it knows.
func probes() map[string]probe {
	list := map[string]probe{
		"data":            {post("/query/data", fmt.Sprintf(`{"query":%q,"mode":"mix"}`, where)), true},
		"stream":          {post("/query/stream", fmt.Sprintf(`{"query":%q,"mode":"mix"}`, where)), true},
		"no context":      {post("/query", fmt.Sprintf(`{"query":%q,"mode":"bypass"}`, where)), false},
		"chat":            {post("/api/chat", fmt.Sprintf(`{"model":"any","stream":false,"messages":[{"role":"user","content":%q}]}`, where)), true},
		"chat, streamed":  {post("/api/chat", fmt.Sprintf(`{"model":"any","messages":[{"role":"user","content":%q}]}`, where)), true},
		"generate":        {post("/api/generate", fmt.Sprintf(`{"model":"any","prompt":%q}`, where)), false},
		"graph":           {testkit.Request{Path: "/graphs?label=*&max_depth=3&max_nodes=100"}, true},
		"labels":          {testkit.Request{Path: "/graph/label/list"}, true},
		"popular labels":  {testkit.Request{Path: "/graph/label/popular?limit=50"}, true},
		"label search":    {testkit.Request{Path: "/graph/label/search?q=a&limit=50"}, false},
		"listing":         {post("/documents/paginated", `{}`), true},
		"pipeline":        {testkit.Request{Path: "/documents/pipeline_status"}, false},
		"health":          {testkit.Request{Path: "/health"}, false},
		"models":          {testkit.Request{Path: "/api/tags"}, false},
		"running models":  {testkit.Request{Path: "/api/ps"}, false},
		"what was tagged": {testkit.Request{Path: "/documents/source_conflicts"}, false},
	}
	for _, mode := range []string{"naive", "local", "global", "hybrid", "mix"} {
		list["query "+mode] = probe{post("/query", fmt.Sprintf(`{"query":%q,"mode":%q}`, where, mode)), true}
	}
	return list
}

// TestIsolation gives two workspaces contradicting documents of the same name and looks for each other's marker in all
// that they answer, keep and log, before and after their workers were evicted.
func TestIsolation(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest, "ROUTER_POOL_MAX_WORKERS=2")
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	r.upload(t, "duarte", "notes.txt", ofDuarte)
	r.indexed(t, "astrid", 1)
	r.indexed(t, "duarte", 1)
	look := func(workspace, marker, foreign string) {
		// Those that only ask how it goes start a worker into free room alone, and there may be none.
		r.must(t, http.StatusOK, workspace, testkit.Request{Path: "/graph/label/list"})
		for name, p := range probes() {
			body := r.must(t, http.StatusOK, workspace, p.request).Body
			if p.own && !strings.Contains(body, marker) {
				t.Errorf("%s of %s does not know %s: %s", name, workspace, marker, body)
			}
			if strings.Contains(strings.ToLower(body), strings.ToLower(foreign)) {
				t.Errorf("%s of %s knows %s: %s", name, workspace, foreign, body)
			}
		}
	}
	look("astrid", "Astrid", "Duarte")
	look("duarte", "Duarte", "Astrid")
	first := r.live(t, "astrid").PID

	// A third pushes out the one that was used longest ago, and so on; each comes back with its data.
	r.must(t, http.StatusOK, "third", testkit.Request{Path: "/graph/label/list"})
	if _, err := r.worker(t, "astrid"); err == nil {
		t.Error("astrid's worker did not make room for a third")
	}
	look("astrid", "Astrid", "Duarte")
	look("duarte", "Duarte", "Astrid")
	if r.live(t, "astrid").PID == first {
		t.Error("astrid has the worker that was evicted")
	}
	if code := r.Terminate(t); code != 0 {
		t.Errorf("the router ended with status %d", code)
	}
	testkit.NothingLeft(t, r.DataDir)
	testkit.LocksFree(t, r.DataDir)
	lookThrough(t, r.DataDir, "astrid", "Duarte")
	lookThrough(t, r.DataDir, "duarte", "Astrid")
	for _, marker := range []string{"Astrid", "Duarte", "Lighthouse"} {
		if strings.Contains(r.Output(), marker) {
			t.Errorf("the router's log holds %s", marker)
		}
	}
}

// lookThrough searches all files of a workspace, its log included, for what belongs to another.
func lookThrough(t *testing.T, data, workspace, foreign string) {
	t.Helper()
	files := []string{filepath.Join(data, "logs", workspace+".log")}
	err := filepath.WalkDir(filepath.Join(data, "workspaces", workspace), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files of %s: %v", len(files), workspace, err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(strings.ToLower(string(content)), strings.ToLower(foreign)) {
			t.Errorf("%s holds %s", path, foreign)
		}
	}
}
