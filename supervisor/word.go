package supervisor

import "sync/atomic"

// word is the whole truth about who may use a launch, in 64 bits that change in one step:
//
//	bit 63      closed: no new lease
//	bits 32–62  epoch: how many active leases were ever taken (it wraps)
//	bits 0–31   leases held now
//
// A lease is one compare-and-swap that finds the word open. An eviction is one that finds it as it was when the victim
// was chosen: no lease held, and no active lease taken since. So nobody is evicted under a lease (S3), and a lease
// taken and ended in between also saves the launch. Passive leases leave the epoch alone: they are held while they
// last and do not count for recency.
type word uint64

const (
	wordClosed     word = 1 << 63
	wordEpochUnit  word = 1 << 32
	wordEpochMask  word = 1<<63 - 1<<32
	wordLeasesMask word = 1<<32 - 1
)

func (w word) closed() bool  { return w&wordClosed != 0 }
func (w word) leases() int   { return int(w & wordLeasesMask) }
func (w word) epoch() uint32 { return uint32(w & wordEpochMask >> 32) }
func (w word) atRest() bool  { return w&(wordClosed|wordLeasesMask) == 0 }
func (w word) drained() bool { return w&wordClosed != 0 && w&wordLeasesMask == 0 }
func (w word) passive() word { return w + 1 }
func (w word) active() word  { return w&^wordEpochMask | (w+wordEpochUnit)&wordEpochMask + 1 }

// gate is a word that requests, the eviction and the operator change at the same time.
type gate struct{ bits atomic.Uint64 }

func (g *gate) load() word { return word(g.bits.Load()) }

// open lets leases in; some are held from the beginning, by those who waited for the start (S4).
func (g *gate) open(active, passive int) {
	var w word
	for range active {
		w = w.active()
	}
	g.bits.Store(uint64(w + word(passive)))
}

// lease takes one lease, unless the word is closed. It gives the word as it left it.
func (g *gate) lease(active bool) (word, bool) {
	for {
		seen := g.load()
		if seen.closed() {
			return seen, false
		}
		after := seen.passive()
		if active {
			after = seen.active()
		}
		if g.bits.CompareAndSwap(uint64(seen), uint64(after)) {
			return after, true
		}
	}
}

// release ends one lease and gives the word as it left it.
func (g *gate) release() word { return word(g.bits.Add(^uint64(0))) }

// closeAs closes the word if it still is what was seen.
func (g *gate) closeAs(seen word) bool {
	return g.bits.CompareAndSwap(uint64(seen), uint64(seen|wordClosed))
}

// close closes the word whatever it is, and gives it as it left it.
func (g *gate) close() word { return word(g.bits.Or(uint64(wordClosed))) | wordClosed }
