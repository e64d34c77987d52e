package lightrag

import (
	"fmt"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

func TestCrash_OfAWorkerCostsNoData(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	r.indexed(t, "astrid", 1)
	killed := r.live(t, "astrid").PID
	kill(t, killed)
	testkit.Eventually(t, "the death to be seen", func() error {
		if w, err := r.worker(t, "astrid"); err == nil && w.PID == killed {
			return fmt.Errorf("worker %d is listed", killed)
		}
		return nil
	})
	if answer := r.query(t, "astrid", "mix", where); !strings.Contains(answer, "Astrid") {
		t.Errorf("after its worker was killed the workspace says %s", answer)
	}
	if w := r.live(t, "astrid"); w.PID == killed {
		t.Errorf("worker %d answers after its death", killed)
	}
}

func TestCrash_OfTheRouterCostsNoData(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	r.indexed(t, "astrid", 1)
	r.Kill()
	testkit.NothingLeft(t, r.DataDir) // the keeper ends the workers, and itself
	testkit.LocksFree(t, r.DataDir)
	r.start(t) // over the same data
	if answer := r.query(t, "astrid", "mix", where); !strings.Contains(answer, "Astrid") {
		t.Errorf("after the router was killed the workspace says %s", answer)
	}
}
