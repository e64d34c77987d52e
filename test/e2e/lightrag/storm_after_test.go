package lightrag

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"workspace-router/internal/testkit"
)

// lookAfterwards counts the documents when the storm is over, asks each workspace once more in peace, and searches what
// is left of all of it: logs, metrics, files.
func (s *storm) lookAfterwards() {
	t := s.t
	for _, c := range s.people { // the last to be killed may not be known to be
		testkit.Eventually(t, c.workspace+" to answer", func() error {
			if answer, ok := s.ask(c, testkit.Request{Path: "/graph/label/list"}, false); !ok {
				return fmt.Errorf("status %d", answer.Status)
			}
			return nil
		})
	}
	s.killing.Store(false)
	for _, c := range s.people {
		s.lookForDocuments(c)
		s.r.must(t, http.StatusOK, c.workspace, testkit.Request{Path: "/graph/label/list"})
		for _, p := range probes() {
			s.ask(c, p.request, p.own)
		}
	}
	operator := testkit.Router{URL: s.r.Operator, Key: s.r.Key}
	metrics := operator.Must(t, http.StatusOK, testkit.Request{Path: "/metrics"}).Body
	stdout, stderr, _ := s.r.CLI(t, "events")
	if code := s.r.Terminate(t); code != 0 {
		t.Errorf("the router ended with status %d", code)
	}
	testkit.NothingLeft(t, s.r.DataDir)
	testkit.LocksFree(t, s.r.DataDir)
	for name, text := range map[string]string{"metrics": metrics, "events": stdout + stderr, "log": s.r.Output()} {
		for _, c := range s.people {
			if strings.Contains(text, c.marker) {
				t.Errorf("the router's %s hold %s", name, c.marker)
			}
		}
	}
	for _, c := range s.people {
		for _, other := range s.people {
			if other != c {
				lookThrough(t, s.r.DataDir, c.workspace, other.marker)
			}
		}
	}
}

// lookForDocuments waits until all that was accepted is indexed: what was interrupted goes on by the workspace's policy.
// What had been indexed before a kill must be there.
func (s *storm) lookForDocuments(c *citizen) {
	t := s.t
	if len(c.kept) == 0 {
		t.Errorf("no document of %s was ever indexed", c.workspace)
	}
	var listing testkit.Response
	testkit.Eventually(t, c.workspace+" to have all its documents", func() error {
		s.r.must(t, http.StatusOK, c.workspace, testkit.Request{Path: "/graph/label/list"})
		counts := s.r.counts(t, c.workspace)
		if counts["processed"] < len(c.accepted) || counts["processed"] != counts["all"] {
			return fmt.Errorf("%v, accepted were %q", counts, c.accepted)
		}
		listing = s.r.must(t, http.StatusOK, c.workspace, post("/documents/paginated", `{}`))
		return nil
	})
	for n, name := range fileNames() {
		if !slices.Contains(c.accepted, name) {
			continue
		}
		if !strings.Contains(listing.Body, name) {
			t.Errorf("%s lost %s: %s", c.workspace, name, listing.Body)
		}
		if answer := s.r.query(t, c.workspace, "naive", fmt.Sprintf("Who wrote Page%d?", n)); !strings.Contains(answer, fmt.Sprintf("%s wrote Page%d", c.marker, n)) {
			t.Errorf("%s lost what %s says: %s", c.workspace, name, answer)
		}
	}
}
