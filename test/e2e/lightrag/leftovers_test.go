package lightrag

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// shownWorker is what `worker show -o json` says of leftovers.
type shownWorker struct {
	Leftovers int    `json:"leftovers"`
	Resume    string `json:"resume"`
}

// shown asks for the worker of a workspace, as an operator does.
func (r *rig) shown(t *testing.T, workspace string) (w shownWorker) {
	t.Helper()
	stdout, stderr, code := r.CLI(t, "worker", "show", workspace, "-o", "json")
	if code != 0 {
		t.Fatalf("worker show: exit %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// interrupt has the worker of a workspace killed while the model is asked about a document of it.
func (r *rig) interrupt(t *testing.T, workspace, text string) {
	t.Helper()
	release := r.model.Hold()
	defer release()
	r.upload(t, workspace, "notes.txt", text)
	testkit.Eventually(t, "the document to be processed", func() error {
		if counts := r.counts(t, workspace); counts["processing"] != 1 || r.model.Waiting() == 0 {
			return fmt.Errorf("%v, and %d chats wait", counts, r.model.Waiting())
		}
		return nil
	})
	killed := r.live(t, workspace).PID
	kill(t, killed)
	testkit.Eventually(t, "the death to be seen", func() error {
		if w, err := r.worker(t, workspace); err == nil && w.PID == killed {
			return fmt.Errorf("worker %d is listed", killed)
		}
		return nil
	})
}

// TestLeftovers_AreShownAndLeftAlone kills a worker in the middle of indexing. The next one says what was left, and does
// nothing about it until it is asked to.
func TestLeftovers_AreShownAndLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, oldest)
	r.interrupt(t, "astrid", ofAstrid)
	asked := r.model.Chats()
	r.must(t, http.StatusOK, "astrid", testkit.Request{Path: "/graph/label/list"}) // starts the next
	testkit.Eventually(t, "what was left to be shown", func() error {
		if w := r.shown(t, "astrid"); w.Leftovers != 1 || w.Resume != "off" {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
	if stdout, stderr, _ := r.CLI(t, "worker", "show", "astrid"); !strings.Contains(stdout, "1 interrupted, 0 failed; resume: off") {
		t.Errorf("worker show says %s%s", stdout, stderr)
	}
	if stdout, stderr, _ := r.CLI(t, "events"); !strings.Contains(stdout, "leftovers") {
		t.Errorf("events says %s%s", stdout, stderr)
	}
	if stdout, _, _ := r.CLI(t, "worker", "explain", "astrid"); !strings.Contains(stdout, "left work unfinished: 1 interrupted") {
		t.Errorf("worker explain says %s", stdout)
	}
	if counts := r.counts(t, "astrid"); counts["processing"] != 1 || r.model.Chats() != asked {
		t.Errorf("left alone are %v, and the model was asked %d times more", counts, r.model.Chats()-asked)
	}
	r.must(t, http.StatusOK, "astrid", post("/documents/reprocess_failed", ""))
	r.indexed(t, "astrid", 1)
	testkit.Eventually(t, "nothing to be shown any more", func() error {
		if w := r.shown(t, "astrid"); w.Leftovers != 0 || w.Resume != "" {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
}

// TestLeftovers_AreTakenUpByThePolicy does so with two workspaces whose workers are told to go on, one at a time: the one
// by its own policy, the other by its kind's.
func TestLeftovers_AreTakenUpByThePolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest, "ROUTER_KIND_LIGHTRAG_RESUME=pending")
	r.interrupt(t, "astrid", ofAstrid)
	r.interrupt(t, "duarte", ofDuarte)
	if _, stderr, code := r.CLI(t, "workspace", "update", "astrid", "--resume", "all"); code != 0 {
		t.Fatalf("workspace update: exit %d: %s", code, stderr)
	}
	release := r.model.Hold()
	defer release()
	for _, workspace := range []string{"astrid", "duarte"} {
		r.must(t, http.StatusOK, workspace, testkit.Request{Path: "/graph/label/list"})
	}
	testkit.Eventually(t, "one to go on and the other to wait", func() error {
		states := map[string]int{r.shown(t, "astrid").Resume: 1, r.shown(t, "duarte").Resume: 1}
		if states["resuming"]+states["waiting"] != 2 {
			return fmt.Errorf("%v", states)
		}
		if r.model.Waiting() == 0 {
			return errors.New("the model is not asked")
		}
		return nil
	})
	release()
	r.indexed(t, "astrid", 1)
	r.indexed(t, "duarte", 1)
	for workspace, marker := range map[string]string{"astrid": "Astrid", "duarte": "Duarte"} {
		if answer := r.query(t, workspace, "mix", where); !strings.Contains(answer, marker) {
			t.Errorf("%s says %s", workspace, answer)
		}
		testkit.Eventually(t, workspace+" to be done", func() error {
			if w := r.shown(t, workspace); w.Leftovers != 0 || w.Resume != "resumed" {
				return fmt.Errorf("%+v", w)
			}
			return nil
		})
	}
}
