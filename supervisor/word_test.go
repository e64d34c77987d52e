package supervisor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func TestWord_CountsLeasesAndActiveOnesApart(t *testing.T) {
	t.Parallel()
	var g gate
	g.open(2, 1)
	if w := g.load(); w.leases() != 3 || w.epoch() != 2 || w.closed() || w.atRest() {
		t.Errorf("got %d leases, epoch %d, closed %v", w.leases(), w.epoch(), w.closed())
	}
	for range 3 {
		g.release()
	}
	if w := g.load(); !w.atRest() || w.drained() || w.epoch() != 2 {
		t.Errorf("got %x after all leases ended, want at rest in epoch 2", w)
	}
}

func TestWord_EpochWrapsWithoutClosing(t *testing.T) {
	t.Parallel()
	w := wordEpochMask // the last epoch
	if next := w.active(); next.closed() || next.epoch() != 0 || next.leases() != 1 {
		t.Errorf("got %x after the last epoch, want epoch 0 with one lease, open", next)
	}
	if next := (w | wordClosed).active(); !next.closed() {
		t.Errorf("got %x, want it to stay closed", next)
	}
}

func TestWord_ClosedTakesNoLease(t *testing.T) {
	t.Parallel()
	var g gate
	g.open(1, 0)
	if w := g.close(); !w.closed() || w.leases() != 1 || w.drained() {
		t.Errorf("got %x, want closed with one lease", w)
	}
	if _, ok := g.lease(true); ok {
		t.Error("a closed word gave a lease")
	}
	if w := g.release(); !w.drained() {
		t.Errorf("got %x after the last release, want drained", w)
	}
}

// TestS3_VictimThatARequestReachedFirstIsKept is the eviction's half of the race, word by word.
func TestS3_VictimThatARequestReachedFirstIsKept(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		between func(*gate)
		evicted bool
	}{
		"nothing":                         {func(*gate) {}, true},
		"a lease that is held":            {func(g *gate) { g.lease(true) }, false},
		"a passive lease that is held":    {func(g *gate) { g.lease(false) }, false},
		"a lease that has ended":          {func(g *gate) { g.lease(true); g.release() }, false},
		"a passive lease that has ended":  {func(g *gate) { g.lease(false); g.release() }, true},
		"another eviction was here first": {func(g *gate) { g.close() }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var g gate
			g.open(0, 0)
			seen := g.load()
			test.between(&g)
			if got := g.closeAs(seen); got != test.evicted {
				t.Errorf("evicted: %v, want %v", got, test.evicted)
			}
		})
	}
}

// TestWord_Race lets requests and evictions meet for real: nobody holds a lease that was taken after the closing, and
// no eviction succeeds under a lease.
func TestWord_Race(t *testing.T) {
	t.Parallel()
	for range 200 {
		var g gate
		g.open(0, 0)
		var inside atomic.Int64
		var evicted atomic.Bool
		var wait sync.WaitGroup
		for i := range 4 {
			wait.Go(func() {
				for range 50 {
					if _, ok := g.lease(i%2 == 0); ok {
						inside.Add(1)
						runtime.Gosched() // so that the eviction comes upon it
						if evicted.Load() {
							t.Error("a lease is held on a launch that was evicted at rest")
						}
						inside.Add(-1)
						g.release()
					}
				}
			})
		}
		wait.Go(func() {
			for {
				seen := g.load()
				runtime.Gosched() // as the rest of the scan does
				if seen.atRest() && g.closeAs(seen) {
					evicted.Store(true)
					if n := inside.Load(); n != 0 {
						t.Errorf("evicted under %d leases", n)
					}
					return
				}
			}
		})
		wait.Wait()
		if w := g.load(); !w.drained() {
			t.Fatalf("ended with %x, want drained", w)
		}
	}
}

// TestWord_Model compares the word with three plain variables.
func TestWord_Model(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var g gate
		g.open(0, 0)
		leases, epoch, closed := 0, 0, false
		t.Repeat(map[string]func(*rapid.T){
			"lease": func(t *rapid.T) {
				active := rapid.Bool().Draw(t, "active")
				if _, ok := g.lease(active); ok == closed {
					t.Fatalf("lease: %v on a word that is closed: %v", ok, closed)
				}
				if !closed {
					leases++
					if active {
						epoch++
					}
				}
			},
			"release": func(t *rapid.T) {
				if leases == 0 {
					t.Skip("no lease")
				}
				leases--
				g.release()
			},
			"close": func(t *rapid.T) { g.close(); closed = true },
			"": func(t *rapid.T) {
				if w := g.load(); w.leases() != leases || int(w.epoch()) != epoch || w.closed() != closed {
					t.Fatalf("the word says %d, %d, %v; want %d, %d, %v", w.leases(), w.epoch(), w.closed(), leases, epoch, closed)
				}
			},
		})
	})
}
