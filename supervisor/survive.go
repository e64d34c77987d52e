package supervisor

import "time"

// Survivor is a Worker that can outlive its router. A Driver whose workers cannot has none.
type Survivor interface {
	Worker
	// Past is what is known of a worker that Recover gave.
	Past() Past
	// Elsewhere is how many requests a router that is leaving still has on the worker. changed is closed when that is
	// another number.
	Elsewhere() (requests int, changed <-chan struct{})
	// LetGo tells the driver that the pool leaves the worker to the router that comes next. It must not block.
	LetGo(lastEnd time.Time)
}

// Past is what a router before knew of a worker. What it did not know is zero.
type Past struct {
	StartedAt time.Time
	ReadyAt   time.Time
	LastEnd   time.Time // when its last active request ended
	Isolation string    // by what it is kept from others, for people
	PID       int       // of its root process
}

// Hold is what a pool has on a worker that is ready.
type Hold struct {
	Launch  LaunchID
	Leases  int
	LastEnd time.Time
}
