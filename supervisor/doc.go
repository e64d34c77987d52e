// Package supervisor decides who runs: slots, leases, LRU, admission and events. It declares what it needs of the world,
// Driver and Ownership, and never does I/O under its lock. The state table is in states.go; the design note is DESIGN.md.
package supervisor
