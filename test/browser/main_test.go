// Package browser drives the built router with a real Chromium, over LightRAG's own pages and over a worker whose pages
// are hostile. scripts/lightrag.sh and scripts/chromium.sh install what is missing.
package browser

import (
	"fmt"
	"net/url"
	"os"
	"testing"

	"workspace-router/internal/testkit"
	"workspace-router/test/browser/chromium"
)

// lightragVersion is the newest that is served.
const lightragVersion = "1.5.7"

var (
	binaries testkit.Binaries
	lightrag string // where it is installed
	program  string // of the browser
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "browser-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if lightrag, err = testkit.Install("lightrag.sh", lightragVersion); err == nil {
		program, err = testkit.Install("chromium.sh")
	}
	if err == nil {
		binaries, err = testkit.Build(dir, nil, "cmd/router", "cmd/keeper", "test/hostile")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// host is the address of the router under another name.
func host(t *testing.T, r *testkit.Router, name string) string {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + name + ":" + u.Port()
}

// logIn enters the key into the log-in page that the tab shows.
func logIn(t *testing.T, tab *chromium.Tab, key string) {
	t.Helper()
	tab.Until(t, "the log-in page", `location.pathname.endsWith("/.router/login") && document.activeElement.id === "key"`)
	tab.Type(t, key)
	tab.Click(t, `document.querySelector("button")`)
	tab.Until(t, "the log-in to be over", `!location.pathname.includes("/.router/") && document.readyState === "complete"`)
}

// tab is one that shows a workspace's pages.
type tab struct {
	*chromium.Tab
	base string // address of the workspace
}

// createWorkspace makes a workspace, which a log-in does not.
func createWorkspace(t *testing.T, r *testkit.Router, name string) {
	t.Helper()
	if _, stderr, code := r.CLI(t, "workspace", "create", name); code != 0 {
		t.Fatalf("workspace create %s: exit %d: %s", name, code, stderr)
	}
}
