package supervisor

import (
	"context"
	"time"

	"workspace-router/internal/kind"
)

// Wish says how a request wants to be served.
type Wish struct {
	Class kind.Class    // never: only if it is running, else ErrCold; passive: starts only into free room
	Wait  time.Duration // the longest to wait for the worker; 0 is the pool's default
	// Recheck is called when a waiter is handed its lease, outside the pool's lock; an error refuses it (promise S4).
	Recheck func(context.Context) error
	// Principal is whose lease it is, so that it can be cut by principal.
	Principal string
}
