package lightrag

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// stormFor makes TestIsolation_UnderLoad its long form: `go test -run UnderLoad -storm 10m`.
var stormFor = flag.Duration("storm", 0, "how long TestIsolation_UnderLoad goes on, with eight workspaces instead of two")

// keepers are the owners of the workspaces' documents: what tells them apart, and what nothing of another may hold.
func keepers() []string {
	return []string{"Astrid", "Duarte", "Ingeborg", "Joaquim", "Solveig", "Teodoro", "Ragnhild", "Valentim"}
}

// hostileNames are workspaces that somebody's code could take for something else.
func hostileNames() []string {
	return []string{"astrid", "-", "__proto__", "NaN", strings.Repeat("x", 64), "con", "null", "_"}
}

// fileNames are those of the documents, the same in each workspace.
func fileNames() []string { return []string{"notes.txt", "Заметки.txt", "a;b & c.txt"} }

// storm is load on workspaces whose documents contradict each other, over a pool that has room for few of them.
type storm struct {
	t      *testing.T
	r      *rig
	router atomic.Pointer[testkit.Router] // another one after the router was killed
	people []*citizen
	turns  chan struct{} // takes one whenever a workspace was looked at

	killing  atomic.Bool // since when errors are allowed
	answers  atomic.Int64
	refusals atomic.Int64 // by the router, of which a client knows that they are no answer
	cut      atomic.Int64
}

// citizen is one workspace under load.
type citizen struct {
	workspace, marker string

	mu       sync.Mutex
	accepted []string // files whose upload was answered
	kept     []string // of these, those that were indexed, and the worker at rest, while nobody had killed it
}

// TestIsolation_UnderLoad asks all workspaces everything at once, again and again, over a pool in which each must make
// room for the next, while documents come and, in the second half, workers and once the router are killed. No answer, log,
// file or metric may hold another workspace's marker, and no document that was indexed may be lost.
func TestIsolation_UnderLoad(t *testing.T) {
	t.Parallel()
	workspaces, room, rounds := 2, 1, 4
	if *stormFor > 0 {
		workspaces, room = len(keepers()), 2
	}
	r := newRig(t, newest, fmt.Sprintf("ROUTER_POOL_MAX_WORKERS=%d", room), "ROUTER_KIND_LIGHTRAG_RESUME=pending")
	s := &storm{t: t, r: r, turns: make(chan struct{})}
	s.router.Store(r.Router)
	for i := range workspaces {
		s.people = append(s.people, &citizen{workspace: hostileNames()[i], marker: keepers()[i]})
	}
	s.blow(rounds)
	t.Logf("%d answers, %d refusals by the router, %d cut", s.answers.Load(), s.refusals.Load(), s.cut.Load())
	s.lookAfterwards()
}

// blow has each workspace looked at in so many rounds, or for as long as was said, and strikes meanwhile.
func (s *storm) blow(rounds int) {
	var all sync.WaitGroup
	began := time.Now()
	for _, c := range s.people {
		all.Go(func() {
			for round := 0; round < rounds || time.Since(began) < *stormFor; round++ {
				s.visit(c, round)
				select {
				case s.turns <- struct{}{}:
				case <-s.t.Context().Done(): // the test has failed
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() {
		all.Wait()
		close(over)
	}()
	for turn, half := 1, len(s.people)*rounds/2; ; turn++ {
		select {
		case <-over:
			return
		case <-s.turns:
		}
		switch {
		case turn < half:
		case turn == half: // what was acknowledged so far has been so in peace
			s.killing.Store(true)
			s.killWorker()
		case turn == half+2:
			s.killRouter()
		case turn%2 == 0:
			s.killWorker()
		}
	}
}

// killWorker ends a worker, whatever it does.
func (s *storm) killWorker() {
	list := s.router.Load().Workers(s.t)
	if len(list) == 0 {
		return
	}
	if w := list[rand.IntN(len(list))]; w.PID > 1 {
		kill(s.t, w.PID)
	}
}

// killRouter ends the router and starts another one over the same data.
func (s *storm) killRouter() {
	s.r.Kill()
	testkit.NothingLeft(s.t, s.r.DataDir)
	s.r.start(s.t)
	s.router.Store(s.r.Router)
}

// visit wakes the workspace, gives it one more document, and asks it everything at once.
func (s *storm) visit(c *citizen, round int) {
	s.ask(c, testkit.Request{Path: "/graph/label/list"}, false)
	if round < len(fileNames()) {
		s.give(c, fileNames()[round], round)
	}
	c.mu.Lock()
	knows := len(c.kept) > 0
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range probes() {
		all.Go(func() { s.ask(c, p.request, p.own && knows) })
	}
	all.Wait()
}

// fact is the text of a workspace's document. The documents of one name say the same in all workspaces, but for whom.
func (c *citizen) fact(n int) string {
	return fmt.Sprintf("The Lighthouse %d stands on the Rock. Keeper %s lights the Lighthouse. %s wrote Page%d.", n, c.marker, c.marker, n)
}

// give uploads a document and waits until it is indexed and the worker at rest, unless somebody kills it before.
func (s *storm) give(c *citizen, name string, n int) {
	request, err := uploadRequest(name, c.fact(n))
	if err != nil {
		s.t.Error(err)
		return
	}
	if _, ok := s.ask(c, request, false); !ok {
		return
	}
	c.mu.Lock()
	c.accepted = append(c.accepted, name)
	c.mu.Unlock()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && s.t.Context().Err() == nil; {
		counts, ok := s.ask(c, testkit.Request{Path: "/documents/status_counts"}, false)
		health, up := s.ask(c, testkit.Request{Path: "/health"}, false)
		if !ok || !up {
			return // killed: what becomes of it is seen in the end
		}
		if strings.Contains(health.Body, `"pipeline_active":false`) && !pending(counts) {
			c.mu.Lock()
			c.kept = append(c.kept, name)
			c.mu.Unlock()
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	s.t.Errorf("%s did not index %s", c.workspace, name)
}

// pending reports whether a document is not processed.
func pending(answer testkit.Response) bool {
	var body struct {
		StatusCounts map[string]int `json:"status_counts"`
	}
	return answer.JSON(&body) != nil || body.StatusCounts["processed"] != body.StatusCounts["all"]
}

// ask sends a request and looks through its answer; false where there was none, for a reason that is allowed.
func (s *storm) ask(c *citizen, request testkit.Request, own bool) (testkit.Response, bool) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	path := request.Path
	request.Path = "/w/" + c.workspace + path
	response, err := s.router.Load().Do(ctx, request)
	s.search(c, path, response)
	switch {
	case s.t.Context().Err() != nil:
		return response, false
	case err != nil && s.killing.Load():
		s.cut.Add(1)
		return response, false
	case err != nil:
		s.t.Errorf("%s of %s: %v", path, c.workspace, err)
		return response, false
	case response.Header.Get("X-Router-Error") != "":
		s.refusals.Add(1)
		s.allow(c, path, response)
		return response, false
	case response.Status != http.StatusOK:
		s.t.Errorf("%s of %s: got %d %s", path, c.workspace, response.Status, response.Body)
		return response, false
	}
	s.answers.Add(1)
	if own && !strings.Contains(response.Body, c.marker) {
		s.t.Errorf("%s of %s does not know %s: %s", path, c.workspace, c.marker, response.Body)
	}
	return response, true
}

// allow says which of the router's own errors may be: a passive request may find the workspace cold; the rest comes with
// kills alone.
func (s *storm) allow(c *citizen, path string, response testkit.Response) {
	code := response.Header.Get("X-Router-Error")
	killed := s.killing.Load() && response.Status >= http.StatusBadGateway
	if code != "workspace_cold" && !killed {
		s.t.Errorf("%s of %s: got %d %s", path, c.workspace, response.Status, response.Body)
	}
}

// search looks for what belongs to another workspace in all that came.
func (s *storm) search(c *citizen, path string, response testkit.Response) {
	var headers strings.Builder
	_ = response.Header.Write(&headers)
	if named := response.Header.Get("LIGHTRAG-WORKSPACE"); named != "" && named != c.workspace {
		s.t.Errorf("%s of %s was answered by %s", path, c.workspace, named)
	}
	for _, text := range []string{response.Body, headers.String()} {
		for _, other := range s.people {
			if other != c && strings.Contains(strings.ToLower(text), strings.ToLower(other.marker)) {
				s.t.Errorf("%s of %s knows %s: %s", path, c.workspace, other.marker, text)
			}
		}
	}
}
