package supervisor

import (
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

// TestCase3_ARequestMeetsTheChoiceOfItsWorker is case 3 in every order in which the two can come: the storm meets the
// moment in between too seldom to be a proof.
func TestCase3_ARequestMeetsTheChoiceOfItsWorker(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		between func(*bench) *Lease // the choice and the end of its worker
		evicted bool
	}{
		"no request":                   {func(*bench) *Lease { return nil }, true},
		"a request that is being done": {func(b *bench) *Lease { return b.get("a") }, false},
		"a request that is over":       {func(b *bench) *Lease { b.use("a"); return nil }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, testConfig(2), func(b *bench) {
				b.use("a")
				pass(2 * time.Second)
				p, wake := b.pool, neverRings
				p.mu.Lock()
				chosen, found := p.victim("", p.now(), &wake)
				p.mu.Unlock()
				if !found || chosen.launch.ref != refOf("a") {
					t.Fatalf("chosen is %+v, want a", chosen)
				}
				lease := test.between(b)
				var evicted bool
				p.locked(func() { evicted = p.evict(chosen, stopReason{reason: stopRoom}) })
				if evicted != test.evicted {
					t.Errorf("evicted: %v, want %v", evicted, test.evicted)
				}
				pass(time.Second)
				if asked := b.driver.worker("a").wasAsked(); asked != test.evicted {
					t.Errorf("asked to stop: %v, want %v", asked, test.evicted)
				}
				if lease != nil {
					if closed(lease.Ended()) {
						t.Error("its request was told to end")
					}
					lease.Release()
				}
			})
		})
	}
}

// TestCase3_ARequestThatComesTooLateMeetsTheNextWorker is the other half: what a request has found may have been chosen
// before it is there.
func TestCase3_ARequestThatComesTooLateMeetsTheNextWorker(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.use("a")
		pass(2 * time.Second)
		index := map[workspace.Generation]*launch{}
		for generation, l := range *b.pool.index.Load() { // as a request reads it
			index[generation] = l
		}
		found := index[refOf("a").Generation]
		b.pool.locked(func() {
			b.pool.evict(victim{launch: found, seen: found.gate.load(), since: found.lastEnd.Load()}, stopReason{reason: stopRoom})
		})
		b.pool.index.Store(&index) // it has read it already
		lease := b.get("a")
		defer lease.Release()
		if lease.Launch() == found.id || b.driver.startsOf("a") != 2 {
			t.Errorf("got a lease on launch %s, and %d starts; want one on the next launch", lease.Launch(), b.driver.startsOf("a"))
		}
	})
}
