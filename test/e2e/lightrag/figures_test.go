package lightrag

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// TestFigures measures what the documentation promises, and holds the machine that runs it to a part of that: others
// may work on it at the same time.
func TestFigures(t *testing.T) {
	r := newRig(t, newest)
	const samples = 100
	began := time.Now()
	r.must(t, http.StatusOK, "astrid", testkit.Request{Path: "/graph/label/list"})
	first := time.Since(began)
	w := r.live(t, "astrid")
	t.Logf("first answer of a cold workspace: %v, of which the worker took %.0f ms; PSS %d MiB, %d descriptors", first.Round(time.Millisecond), w.ReadyMS, w.PSS>>20, w.Files)
	if over := first - time.Duration(w.ReadyMS*float64(time.Millisecond)); over > time.Second {
		t.Errorf("the router took %v of the first answer for itself", over)
	}

	c := newComparison(t, r, "astrid")
	one := request{method: http.MethodGet, path: "/graph/label/list"}
	var direct, routed []time.Duration
	for range samples { // in turn, so that both see the same machine
		direct = append(direct, took(func() { c.exchange(t, c.worker, c.key, one) }))
		routed = append(routed, took(func() { c.exchange(t, c.router, c.routerKey, one) }))
	}
	slices.Sort(direct)
	slices.Sort(routed)
	added := routed[samples/2] - direct[samples/2]
	t.Logf("a warm request: p50 %v itself, %v through the router, %v more", direct[samples/2], routed[samples/2], added)
	if added > 10*time.Millisecond {
		t.Errorf("the router adds %v to a warm request, want less than 10ms", added)
	}
}

func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
