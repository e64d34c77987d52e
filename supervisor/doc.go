// Package supervisor decides who runs: slots, leases, LRU, admission and events. It declares what it needs of the world,
// Driver and Ownership, and knows no process, file or HTTP route.
//
// A warm request takes its lease with one compare-and-swap on the launch's own word (word.go) and never queues for the
// pool. Everything else is decided under one lock that is not held over I/O or a callback; Drivers work in goroutines of
// their own and report by event, with the launch's id, so that a stale event is dropped. The next state is a pure
// function of state and event (states.go).
//
// New starts nothing. Run starts, and waits for, one goroutine that writes the log, one per start, per stop, per live
// worker and per probe. A workspace that is not running has none of them, no timer and, unless its last start failed or
// somebody waits for it, no memory here. The design note is DESIGN.md.
package supervisor
