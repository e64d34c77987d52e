package process

import (
	"testing"

	"workspace-router/internal/keeper"
)

// The end of a launch may be told twice at the same time: by the start that it never came out of, and by the keeper that
// follows the one that died with it. The first counts, and gives the ports back once.
func TestWorker_EndsOnce(t *testing.T) {
	t.Parallel()
	d := newRig(t).Driver
	w := newWorker(d, nil, newSpec(t, "alpha"), values{}, nil, nil)
	first, second := make(chan struct{}), make(chan struct{})
	tell := func(proof string, done chan struct{}) {
		defer close(done)
		w.onGone(keeper.Gone{Proof: proof})
	}
	func() {
		d.mu.Lock() // keeps the first in the middle
		defer d.mu.Unlock()
		go tell("first", first)
		eventually(t, "the first is under way", func() bool { return w.Exit().Proof == "first" })
		go tell("second", second)
		eventually(t, "the second is passed over", func() bool { return closed(second) })
	}()
	<-first
	if proof := w.Exit().Proof; proof != "first" || !closed(w.gone) {
		t.Errorf("the proof is %q, want that of the first", proof)
	}
}
