package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/testkit"
	"workspace-router/test/browser/chromium"
	"workspace-router/test/fakellm"
)

const dimensions = 512

// Documents that contradict each other, told apart by the keeper's name, which nothing else in a workspace holds.
const (
	ofAstrid = "The Lighthouse stands in Bergen. Keeper Astrid lights the Lighthouse. Astrid says that the Lighthouse is white."
	ofDuarte = "The Lighthouse stands in Lisbon. Keeper Duarte lights the Lighthouse. Duarte says that the Lighthouse is red."
	where    = "Where does the Lighthouse stand?"
)

// scene is a router over LightRAG, with the model that its workers use.
type scene struct {
	*testkit.Router
	model *fakellm.Server
}

// open starts it, with the two workspaces.
func open(t *testing.T, environment ...string) *scene {
	t.Helper()
	model := fakellm.New(fakellm.Options{Dimensions: dimensions})
	server := httptest.NewServer(model)
	t.Cleanup(server.Close)
	settings := append(fakellm.Settings(server.URL, dimensions),
		"TIKTOKEN_CACHE_DIR="+filepath.Join(lightrag, "tiktoken"),
		"ROUTER_KIND_LIGHTRAG_PROGRAM="+filepath.Join(lightrag, "bin", "lightrag-server"),
		"ROUTER_POOL_WAIT=2m",
	)
	s := &scene{testkit.StartRouter(t, binaries, filepath.Join(testkit.ShortDir(t), "data"), append(settings, environment...)...), model}
	// Both start at the same time, and before anybody waits for a page.
	var ready sync.WaitGroup
	for _, name := range []string{"astrid", "duarte"} {
		createWorkspace(t, s.Router, name)
		ready.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			response, err := s.Do(ctx, testkit.Request{Path: "/w/" + name + "/graph/label/list"})
			if err != nil || response.Status != http.StatusOK {
				t.Errorf("%s does not start: %d %s, %v", name, response.Status, response.Body, err)
			}
		})
	}
	ready.Wait()
	return s
}

// TestWebUI_OnItsHost uses LightRAG's pages as people do, in two tabs of one browser, each on the host of its workspace.
func TestWebUI_OnItsHost(t *testing.T) {
	t.Parallel()
	s := open(t)
	visitor := chromium.Start(t, program).Visitor(t)
	first := enter(t, s, visitor, host(t, s.Router, "astrid.localhost"))
	second := enter(t, s, visitor, host(t, s.Router, "duarte.localhost"))
	use(t, s, first, "Astrid", ofAstrid)
	use(t, s, second, "Duarte", ofDuarte)
	separate(t, first, "Astrid", "Duarte")
	separate(t, second, "Duarte", "Astrid")
	for _, cookie := range visitor.Cookies(t) {
		if !cookie.HTTPOnly || cookie.SameSite != "Lax" || strings.HasPrefix(cookie.Domain, ".") {
			t.Errorf("got the cookie %+v, want one of its host's alone that no script reads", cookie)
		}
	}
	docs(t, first)
	leave(t, first)
	reads(t, second)
}

// TestWebUI_SharedOrigins does the same below the prefix, where the operator says that all workspaces trust each other.
// Without /docs, whose page asks for its script in the root of the origin, whatever prefix LightRAG is told.
func TestWebUI_SharedOrigins(t *testing.T) {
	t.Parallel()
	s := open(t, "ROUTER_ORIGINS=shared")
	visitor := chromium.Start(t, program).Visitor(t)
	first := enter(t, s, visitor, s.URL+"/w/astrid")
	second := enter(t, s, visitor, s.URL+"/w/duarte")
	use(t, s, first, "Astrid", ofAstrid)
	second.Eval(t, `localStorage.clear()`, nil) // else it opens with the first one's last conversation
	second.Reload(t)
	use(t, s, second, "Duarte", ofDuarte)
	separate(t, first, "Astrid", "Duarte")
	// What the pages keep in the browser belongs to the origin, and so to both: the second may show what the first was told.
	// Where it asks, and what is answered, is its own.
	asksItsOwn(t, second)
	leave(t, first)
	reads(t, second)
}

// enter opens LightRAG's pages, and logs in on the way.
func enter(t *testing.T, s *scene, visitor *chromium.Visitor, base string) tab {
	t.Helper()
	opened := tab{visitor.Tab(t), base}
	opened.Open(t, base+"/webui/")
	logIn(t, opened.Tab, s.Key)
	if at := opened.Text(t, "location.origin + location.pathname"); at != base+"/webui/" {
		t.Errorf("the log-in led to %s, want %s/webui/", at, base)
	}
	opened.Until(t, "the list of documents", `document.body.innerText.includes("There are no uploaded documents yet")`)
	return opened
}

// use uploads a document and watches it, looks at the graph, and asks for what is in it.
func use(t *testing.T, s *scene, page tab, marker, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	page.Show(t)
	page.Click(t, button("Upload"))
	// With the answer the dialog is made anew, and forgets the files that it was given before.
	page.Answered(t, "/documents/supported_file_types")
	page.Choose(t, `document.querySelector("[role=dialog] input[type=file]")`, path)
	page.Until(t, "the document to be completed", `document.body.innerText.includes("Completed (1)")`)
	page.Reload(t)
	page.Until(t, "the document to be listed after a reload", fmt.Sprintf(`document.body.innerText.includes(%q)`, marker))
	page.Click(t, button("Pipeline"))
	page.Until(t, "the pipeline's history", `document.querySelector("[role=dialog]")?.innerText.includes("notes.txt")`)
	page.Reload(t)

	page.Click(t, button("Knowledge Graph"))
	page.Until(t, "the graph", `document.querySelectorAll("canvas").length > 0`)
	var graph string
	page.Eval(t, fmt.Sprintf(`fetch(%q).then(r => r.text())`, page.base+"/graphs?label=*&max_depth=3&max_nodes=100"), &graph)
	for _, name := range []string{"Astrid", "Duarte"} {
		if strings.Contains(graph, name) != (name == marker) {
			t.Errorf("the graph holds %s, want %s: %s", name, marker, graph)
		}
	}

	release := s.model.HoldWithin()
	defer release()
	page.Click(t, button("Retrieval"))
	page.Click(t, `document.querySelector("form textarea, form input[type=text], form input:not([type])")`)
	page.Type(t, where)
	page.Click(t, button("Send"))
	page.Until(t, "the first half of the answer, while the model is held", `document.body.innerText.includes("The context says")`)
	release()
	page.Until(t, "the whole answer", fmt.Sprintf(`document.body.innerText.includes(%q)`, marker))
}

// button gives the script that finds a button by its words.
func button(words string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("button")].find(b => b.innerText.trim() === %q && !b.disabled)`, words)
}

// separate looks through all that a tab holds for what is another workspace's.
func separate(t *testing.T, page tab, own, foreign string) {
	t.Helper()
	shown := page.Text(t, `document.documentElement.outerHTML`)
	if !strings.Contains(shown, own) || strings.Contains(strings.ToLower(shown), strings.ToLower(foreign)) {
		t.Errorf("%s shows %s, or nothing of %s:\n%s", page.base, foreign, own, shown)
	}
	asksItsOwn(t, page)
}

// asksItsOwn checks that a tab's pages have asked their own workspace only, and that nothing went wrong.
func asksItsOwn(t *testing.T, page tab) {
	t.Helper()
	for _, asked := range page.Asked() {
		allowed := strings.HasPrefix(asked.URL, page.base+"/") || strings.HasPrefix(asked.URL, "blob:") || strings.HasPrefix(asked.URL, "data:")
		if !allowed || asked.Status >= 400 {
			t.Errorf("a page of %s asked %v", page.base, asked)
		}
	}
	if thrown := page.Errors(); len(thrown) > 0 {
		t.Errorf("the pages of %s threw %q", page.base, thrown)
	}
}

// docs opens the description of the interface.
func docs(t *testing.T, page tab) {
	t.Helper()
	page.Show(t)
	page.Open(t, page.base+"/docs")
	page.Until(t, "the description of the interface", `document.querySelectorAll(".opblock").length > 10`)
}

// reads checks that the session still counts.
func reads(t *testing.T, page tab) {
	t.Helper()
	var status int
	page.Eval(t, fmt.Sprintf(`fetch(%q).then(r => r.status)`, page.base+"/documents/pipeline_status"), &status)
	if status != 200 {
		t.Errorf("a page of %s, which is logged in, got %d", page.base, status)
	}
}

// leave logs out, after which the pages are behind the log-in again.
func leave(t *testing.T, page tab) {
	t.Helper()
	page.Show(t)
	page.Open(t, page.base+"/.router/logout")
	page.Click(t, button("Log out"))
	page.Until(t, "the log-in page", `location.pathname.endsWith("/.router/login") && document.readyState === "complete"`)
	page.Open(t, page.base+"/webui/")
	page.Until(t, "the log-in page", `location.pathname.endsWith("/.router/login")`)
}

// TestWebUI_PrefixLeadsToTheHost opens a page below the prefix where origins are kept apart.
func TestWebUI_PrefixLeadsToTheHost(t *testing.T) {
	t.Parallel()
	s := open(t)
	page := chromium.Start(t, program).Visitor(t).Tab(t)
	page.Open(t, host(t, s.Router, "localhost")+"/w/astrid/webui/?tab=1")
	logIn(t, page, s.Key)
	if at, want := page.Text(t, "location.origin + location.pathname + location.search"), host(t, s.Router, "astrid.localhost")+"/webui/?tab=1"; at != want {
		t.Errorf("it led to %s, want %s", at, want)
	}
	page.Until(t, "LightRAG's pages", `document.body.innerText.includes("Uploaded Documents")`)
}
