package lightrag

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestStreams_ArriveAsTheyAreMade reads the first part of an answer while the model is held in the middle of it.
func TestStreams_ArriveAsTheyAreMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	r.indexed(t, "astrid", 1)
	for name, test := range map[string]struct {
		request testkit.Request
		text    func(line map[string]any) string // what a line adds to the answer
	}{
		"query": {
			post("/query/stream", fmt.Sprintf(`{"query":%q,"mode":"naive"}`, where)),
			func(line map[string]any) string { text, _ := line["response"].(string); return text },
		},
		"chat": {
			post("/api/chat", `{"model":"any","messages":[{"role":"user","content":"/naive Who lights the Lighthouse?"}]}`),
			func(line map[string]any) string {
				message, _ := line["message"].(map[string]any)
				text, _ := message["content"].(string)
				return text
			},
		},
		"generate": {
			post("/api/generate", `{"model":"any","stream":true,"prompt":"Who lights it?"}`),
			func(line map[string]any) string { text, _ := line["response"].(string); return text },
		},
	} {
		release := r.model.HoldWithin()
		s := r.stream(t, "astrid", test.request)
		half := ""
		for half == "" { // the model does not go on before it is released
			line := s.next(t)
			if line == nil {
				t.Fatalf("%s: the answer has no text", name)
			}
			half = test.text(line)
		}
		release()
		whole := half
		for line := s.next(t); line != nil; line = s.next(t) {
			whole += test.text(line)
		}
		if !strings.Contains(whole, "light") && !strings.Contains(whole, "Light") || len(whole) <= len(half) {
			t.Errorf("%s: got %q after %q", name, whole, half)
		}
	}
}

// TestStreams_EndWithTheirClient: a worker that is to stop does not wait for an answer that nobody reads, and one that
// is read is finished first, within the time that the pool gives.
func TestStreams_EndWithTheirClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest, "ROUTER_POOL_DRAIN_TIMEOUT=1s")
	r.must(t, http.StatusOK, "astrid", testkit.Request{Path: "/graph/label/list"})
	release := r.model.HoldWithin()
	defer release()
	s := r.stream(t, "astrid", post("/api/generate", `{"model":"any","stream":true,"prompt":"How long does it take?"}`))
	s.next(t)
	if _, stderr, code := r.CLI(t, "worker", "evict", "astrid", "--force"); code != 0 {
		t.Fatalf("evict: exit %d: %s", code, stderr)
	}
	if _, err := r.worker(t, "astrid"); err == nil {
		t.Error("the worker lives on")
	}
	for s.lines.Scan() { // until the cut
	}
	if s.lines.Err() == nil {
		t.Error("the answer that was cut has an end as if it were whole")
	}
}

// stream is an answer that is read line by line.
type stream struct{ lines *bufio.Scanner }

func (r *rig) stream(t *testing.T, workspace string, request testkit.Request) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request.Path = "/w/" + workspace + request.Path
	response, err := r.Open(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "application/x-ndjson") {
		t.Fatalf("%s: got %d of type %q", request.Path, response.StatusCode, kind)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return stream{lines}
}

// next reads a line; nil at the end.
func (s stream) next(t *testing.T) map[string]any {
	t.Helper()
	if !s.lines.Scan() {
		if err := s.lines.Err(); err != nil {
			t.Fatal(err)
		}
		return nil
	}
	line := map[string]any{}
	if err := json.Unmarshal(s.lines.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", s.lines.Text(), err)
	}
	return line
}
