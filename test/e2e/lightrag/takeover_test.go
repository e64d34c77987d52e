package lightrag

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// TestTakeover_NothingChangesButTheCommand indexes a document with a server that is run by hand, ends that server, and
// starts a router beside the same .env: the same key gets the same answer from the same data, and other workspaces
// come beside it.
func TestTakeover_NothingChangesButTheCommand(t *testing.T) {
	t.Parallel()
	const key = "the-key-of-the-env"
	for name, test := range map[string]struct {
		version   string
		settings  []string
		workspace string // what the router calls it
		storage   string // where the server has its data
	}{
		"no name, usual directories": {newest, nil, "default", "rag_storage"},
		"a name, named directories":  {oldest, []string{"WORKSPACE=my-notes", "WORKING_DIR=./kept/storage", "INPUT_DIR=./kept/inputs"}, "my-notes", "kept/storage/my_notes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := place(t, test.version)
			settings := append(r.environment, "LIGHTRAG_API_KEY="+key, "HOST=127.0.0.1", "PORT="+freePort(t))
			settings = append(settings, test.settings...)
			if err := os.WriteFile(filepath.Join(r.folder, ".env"), []byte(strings.Join(settings, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			before := ""
			byHand(t, r, test.version, settings, key, func(url string) { before = ask(t, url, key) })
			kept := contents(t, filepath.Join(r.folder, test.storage))

			r.environment = []string{"ROUTER_POOL_WAIT=" + patience.String(), "PATH=" + filepath.Join(places[test.version], "bin") + ":" + os.Getenv("PATH")}
			r.start(t)
			r.Key = key
			after := ask(t, r.URL, key)

			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the answer to the same question (-before +after):\n%s", diff)
			}
			if w := r.live(t, test.workspace).variables(t); w["WORKING_DIR"] == "" || strings.HasPrefix(w["WORKING_DIR"], r.DataDir) || w["LIGHTRAG_API_KEY"] == key {
				t.Errorf("the worker works in %q", w["WORKING_DIR"])
			}
			r.upload(t, "duarte", "notes.txt", ofDuarte)
			r.indexed(t, "duarte", 1)
			if answer := r.query(t, "duarte", "mix", where); strings.Contains(answer, "Astrid") {
				t.Errorf("another workspace says %s", answer)
			}
			if again := ask(t, r.URL, key); !strings.Contains(again, "Astrid") || strings.Contains(again, "Duarte") {
				t.Errorf("beside another workspace the old one says %s", again)
			}
			if now := contents(t, filepath.Join(r.folder, test.storage)); len(now) < len(kept) {
				t.Errorf("of %v only %v are left", kept, now)
			}
			refusedElsewhere(t, r)
		})
	}
}

// byHand has a plain server index a document, and is called while that server runs.
func byHand(t *testing.T, r *rig, version string, settings []string, key string, look func(url string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := exec.CommandContext(ctx, filepath.Join(places[version], "bin", "lightrag-server"))
	server.Dir, server.Env = r.folder, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.folder}, settings...)
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = patience
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = server.Wait() // it ends by the signal
	}()
	plain := rig{Router: &testkit.Router{URL: "http://127.0.0.1:" + portOf(settings), Key: key}}
	answering(t, plain.Router)
	plain.Must(t, http.StatusOK, post("/documents/text", fmt.Sprintf(`{"text":%q,"file_source":"notes.txt"}`, ofAstrid)))
	testkit.Eventually(t, "the document to be indexed", func() error {
		response := plain.Must(t, http.StatusOK, testkit.Request{Path: "/documents/status_counts"})
		if !strings.Contains(response.Body, `"processed":1`) {
			return errors.New(response.Body)
		}
		return nil
	})
	look(plain.URL)
}

// answering waits for a server that is run by hand, as long as one may take to start.
func answering(t *testing.T, plain *testkit.Router) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := plain.Do(ctx, testkit.Request{Path: "/health"})
		if err == nil && response.Status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for the server to answer: status %d, %v", response.Status, err)
		}
	}
}

// ask sends the question to whoever listens there and gives the answer, as bytes, without the time that it took.
func ask(t *testing.T, url, key string) string {
	t.Helper()
	to := &testkit.Router{URL: url, Key: key}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := to.Do(ctx, post("/query", fmt.Sprintf(`{"query":%q,"mode":"mix"}`, where)))
	if err != nil || response.Status != http.StatusOK {
		t.Fatalf("asking %s: %d %s, %v", url, response.Status, response.Body, err)
	}
	var answer struct {
		Response   string `json:"response"`
		References []any  `json:"references"`
	}
	if err := response.JSON(&answer); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer.Response, "Astrid") || len(answer.References) == 0 {
		t.Fatalf("%s answers %s", url, response.Body)
	}
	return fmt.Sprintf("%s\n%v", answer.Response, answer.References)
}

// refusedElsewhere starts a second router, with other data, beside the same .env.
func refusedElsewhere(t *testing.T, r *rig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	second := exec.CommandContext(ctx, binaries.Path("router"), "serve", "--data", filepath.Join(r.folder, "other"),
		"--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	second.Dir, second.Env = r.folder, append([]string{"HOME=" + r.folder}, r.environment...)
	output, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "is in use by a workspace router with another --data") {
		t.Errorf("a second router over the same directories: %v\n%s", err, output)
	}
}

func contents(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func portOf(settings []string) (port string) {
	for _, one := range settings {
		if found, ok := strings.CutPrefix(one, "PORT="); ok {
			port = found
		}
	}
	return port
}
