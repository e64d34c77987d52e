package router

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// insert puts a text into a workspace and waits until it can be asked for.
func insert(t *testing.T, r *testkit.Router, workspace, source, text string) {
	t.Helper()
	body := fmt.Sprintf(`{"text":%q,"file_source":%q}`, text, source)
	r.Must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: "/w/" + workspace + "/documents/text", Body: body})
	indexed(t, r, workspace)
}

// indexed waits until the workspace has nothing left to index.
func indexed(t *testing.T, r *testkit.Router, workspace string) {
	t.Helper()
	testkit.Eventually(t, workspace+" to be indexed", func() error {
		var counts struct {
			StatusCounts map[string]int `json:"status_counts"`
		}
		response := r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + workspace + "/documents/status_counts"})
		if err := response.JSON(&counts); err != nil {
			return err
		}
		done := 0
		for status, n := range counts.StatusCounts {
			switch {
			case strings.EqualFold(status, "processed"):
				done = n
			case strings.EqualFold(status, "all"):
			case n > 0:
				return fmt.Errorf("%d documents are %s", n, status)
			}
		}
		if done == 0 {
			return fmt.Errorf("no document is processed: %v", counts.StatusCounts)
		}
		return nil
	})
}

type answer struct {
	Response   string `json:"response"`
	References []struct {
		FilePath string `json:"file_path"`
	} `json:"references"`
}

// ask puts a question to a workspace.
func ask(t *testing.T, r *testkit.Router, workspace, question string) answer {
	t.Helper()
	var a answer
	response := r.Must(t, http.StatusOK, testkit.Request{
		Method: http.MethodPost, Path: "/w/" + workspace + "/query", Body: fmt.Sprintf(`{"query":%q,"mode":"mix"}`, question),
	})
	if err := response.JSON(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	otters   = "Sea otters sleep afloat on their backs, wrapped in strands of kelp so that they do not drift apart."
	bridges  = "A suspension bridge hangs its deck from vertical hangers below two main cables anchored in rock."
	askOtter = "How do sea otters sleep afloat in kelp?"
)

func TestWorkspaces_AnswerFromTheirOwnDocumentsOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	insert(t, r, "alpha", "otters.txt", otters)
	insert(t, r, "beta", "bridges.txt", bridges)
	if a := ask(t, r, "alpha", askOtter); !strings.Contains(a.Response, "kelp") || len(a.References) != 1 || a.References[0].FilePath != "otters.txt" {
		t.Errorf("alpha does not answer from its document: %+v", a)
	}
	if a := ask(t, r, "beta", askOtter); strings.Contains(a.Response, "kelp") || len(a.References) != 0 {
		t.Errorf("beta answers a question on alpha's document: %+v", a)
	}
}

func TestSelectors_LeadToTheSameWorkspace(t *testing.T) {
	t.Parallel()
	r := start(t, "LIGHTRAG_DEFAULT_WORKSPACE=alpha")
	insert(t, r, "alpha", "otters.txt", otters)
	question := fmt.Sprintf(`{"query":%q}`, askOtter)
	for name, request := range map[string]testkit.Request{
		"path":              {Path: "/w/alpha/query"},
		"LIGHTRAG header":   {Path: "/query", Header: http.Header{"Lightrag-Workspace": {"alpha"}}},
		"fallback header":   {Path: "/query", Header: http.Header{"X-Workspace-Id": {"alpha"}}},
		"default":           {Path: "/query"},
		"case twin":         {Path: "/w/ALPHA/query"},
		"qualified":         {Path: "/w/default.alpha/query"},
		"first header wins": {Path: "/query", Header: http.Header{"Lightrag-Workspace": {"alpha"}, "X-Workspace-Id": {"beta"}}},
	} {
		request.Method, request.Body = http.MethodPost, question
		response := r.Must(t, http.StatusOK, request)
		if !strings.Contains(response.Body, "kelp") {
			t.Errorf("%s: not alpha's answer: %s", name, response.Body)
		}
		if got := response.Header.Get("LIGHTRAG-WORKSPACE"); got != "alpha" {
			t.Errorf("%s: the resolved workspace is given as %q", name, got)
		}
	}
}

func TestEviction_TheOldestMakesRoomAndComesBackWithItsData(t *testing.T) {
	t.Parallel()
	r := start(t, "ROUTER_POOL_MAX_WORKERS=2", "ROUTER_POOL_MINIMUM_RESIDENCY=10ms")
	insert(t, r, "alpha", "otters.txt", otters)
	insert(t, r, "beta", "bridges.txt", bridges)
	insert(t, r, "gamma", "other.txt", "Something else entirely.")
	live := map[string]bool{}
	for _, w := range r.Workers(t) {
		live[w.Workspace] = true
	}
	if len(live) != 2 || live["alpha"] || !live["beta"] || !live["gamma"] {
		t.Errorf("live are %v, want beta and gamma", live)
	}
	if a := ask(t, r, "alpha", askOtter); !strings.Contains(a.Response, "kelp") {
		t.Errorf("alpha came back without its data: %+v", a)
	}
}
