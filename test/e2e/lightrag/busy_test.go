package lightrag

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestBusy_AWorkerThatIndexesIsNotEvicted asks for a second workspace, where there is room for one, from the moment at
// which an upload was answered.
func TestBusy_AWorkerThatIndexesIsNotEvicted(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest, "ROUTER_POOL_MAX_WORKERS=1")
	r.must(t, http.StatusOK, "astrid", testkit.Request{Path: "/graph/label/list"})
	before := r.live(t, "astrid").PID
	release := r.model.Hold()
	defer release()
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	for range 2 { // at once, and while the model is asked
		answer := r.must(t, http.StatusServiceUnavailable, "duarte", testkit.Request{Path: "/graph/label/list", Header: http.Header{"Prefer": {"wait=2"}}})
		if !strings.Contains(answer.Body, `"workspace_capacity_exhausted"`) {
			t.Errorf("got %s, want no capacity", answer.Body)
		}
		testkit.Eventually(t, "the model to be asked", func() error {
			if r.model.Waiting() == 0 {
				return errors.New("it is not")
			}
			return nil
		})
	}
	if w := r.live(t, "astrid"); w.PID != before {
		t.Errorf("the worker that indexes is %d, was %d", w.PID, before)
	}
	release()
	r.indexed(t, "astrid", 1)
	r.must(t, http.StatusOK, "duarte", testkit.Request{Path: "/graph/label/list"})
	if _, err := r.worker(t, "astrid"); err == nil {
		t.Error("the worker that is done did not make room")
	}
}

// TestStop_LeavesWhatWasNotIndexedToBeFoundAgain ends the router in the middle of indexing. LightRAG gives it up at
// once; the document stays where it was, is seen at the next start, and goes on when it is asked to.
func TestStop_LeavesWhatWasNotIndexedToBeFoundAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	release := r.model.Hold()
	defer release()
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	testkit.Eventually(t, "the document to be processed", func() error {
		if counts := r.counts(t, "astrid"); counts["processing"] != 1 {
			return fmt.Errorf("%v", counts)
		}
		return nil
	})
	if code := r.Terminate(t); code != 0 {
		t.Errorf("the router ended with status %d", code)
	}
	testkit.NothingLeft(t, r.DataDir)
	testkit.LocksFree(t, r.DataDir)
	release()

	r.start(t) // over the same data
	if counts := r.counts(t, "astrid"); counts["processing"] != 1 {
		t.Errorf("after the stop there are %v, want the document as it was", counts)
	}
	r.must(t, http.StatusOK, "astrid", post("/documents/reprocess_failed", ""))
	r.indexed(t, "astrid", 1)
}
