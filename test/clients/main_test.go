// Package clients drives the built router over the real LightRAG by programs that other people wrote and that know nothing
// of it: Ollama's Python client, requests, httpx, an MCP server for LightRAG, curl. scripts/lightrag.sh and
// scripts/clients.sh install what is missing.
package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/testkit"
	"workspace-router/test/fakellm"
)

const (
	lightragVersion = "1.5.7" // the newest that is served
	dimensions      = 512
	patience        = 2 * time.Minute // of one client, a cold start on a machine with other work included
)

// Documents that contradict each other, told apart by the keeper's name, which nothing else in a workspace holds.
const (
	ofAstrid = "The Lighthouse stands in Bergen. Keeper Astrid lights the Lighthouse. Astrid says that the Lighthouse is white."
	ofDuarte = "The Lighthouse stands in Lisbon. Keeper Duarte lights the Lighthouse. Duarte says that the Lighthouse is red."
	where    = "Where does the Lighthouse stand?"
)

var (
	binaries testkit.Binaries
	lightrag string // where it is installed
	clients  string // the virtual environment of the clients
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "clients-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if lightrag, err = testkit.Install("lightrag.sh", lightragVersion); err == nil {
		clients, err = testkit.Install("clients.sh")
	}
	if err == nil {
		binaries, err = testkit.Build(dir, nil, "cmd/router", "cmd/keeper")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// scene is a router with two workspaces of LightRAG, the first of which has a listener of its own as well.
type scene struct {
	*testkit.Router
	bound string // host and port of that listener
}

func open(t *testing.T) *scene {
	t.Helper()
	model := httptest.NewServer(fakellm.New(fakellm.Options{Dimensions: dimensions}))
	t.Cleanup(model.Close)
	folder := testkit.ShortDir(t)
	settings := append(fakellm.Settings(model.URL, dimensions),
		"TIKTOKEN_CACHE_DIR="+filepath.Join(lightrag, "tiktoken"),
		"ROUTER_KIND_LIGHTRAG_PROGRAM="+filepath.Join(lightrag, "bin", "lightrag-server"),
		"ROUTER_POOL_WAIT="+patience.String(), "ROUTER_BOUND_LISTENERS=127.0.0.1:0=astrid",
	)
	s := &scene{Router: testkit.StartRouter(t, binaries, filepath.Join(folder, "data"), settings...)}
	found := regexp.MustCompile(`(?m)^astrid +http://(\S+)$`).FindStringSubmatch(s.Output())
	if found == nil {
		t.Fatalf("the router does not say where the bound listener is:\n%s", s.Output())
	}
	s.bound = found[1]
	var ready sync.WaitGroup
	for name, text := range map[string]string{"astrid": ofAstrid, "duarte": ofDuarte} {
		ready.Go(func() { s.furnish(t, name, text) })
	}
	ready.Wait()
	return s
}

// furnish makes a workspace with one document.
func (s *scene) furnish(t *testing.T, name, text string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body := fmt.Sprintf(`{"text":%q,"file_source":"notes.txt"}`, text)
	response, err := s.Do(ctx, testkit.Request{Method: http.MethodPost, Path: "/w/" + name + "/documents/text", Body: body})
	for err == nil && response.Status == http.StatusOK && !strings.Contains(response.Body, `"processed":1`) {
		response, err = s.Do(ctx, testkit.Request{Path: "/w/" + name + "/documents/status_counts"})
	}
	if err != nil || response.Status != http.StatusOK {
		t.Errorf("cannot furnish %s: %d %s, %v", name, response.Status, response.Body, err)
	}
}

// python runs one of the scripts beside this file with the clients, tells it by its environment what it is to know, and
// decodes what it prints.
func (s *scene) python(t *testing.T, script string, environment []string, result any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(clients, "bin", "python"), script)
	command.Env = append([]string{"PATH=" + filepath.Join(clients, "bin") + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KEY=" + s.Key}, environment...)
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

// apart checks that a text knows what it has to, and nothing of the other workspace.
func apart(t *testing.T, what, text, own, foreign string) {
	t.Helper()
	if !strings.Contains(text, own) || strings.Contains(strings.ToLower(text), strings.ToLower(foreign)) {
		t.Errorf("%s: got %q, want %s's and nothing of %s", what, text, own, foreign)
	}
}
