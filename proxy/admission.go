package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"

	"workspace-router/internal/workspace"
)

// Admission counts the requests that are open, streams and those that wait for a worker included, on all listeners that
// share it. What is one too many is refused while it costs nothing yet: before anybody is asked who sent it, or before
// it waits.
type Admission struct {
	open atomic.Int64

	mu         sync.Mutex                   // guards what follows
	workspaces map[workspace.Generation]int // those with an open request, and how many
}

// NewAdmission makes one that counts nothing yet.
func NewAdmission() *Admission {
	return &Admission{workspaces: map[workspace.Generation]int{}}
}

// enter counts a request, if there is room for it.
func (a *Admission) enter(limit int) bool {
	if a.open.Add(1) <= int64(limit) {
		return true
	}
	a.open.Add(-1)
	return false
}

func (a *Admission) enterWorkspace(generation workspace.Generation, limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workspaces[generation] >= limit {
		return false
	}
	a.workspaces[generation]++
	return true
}

// leave takes back what was counted for the exchange.
func (a *Admission) leave(x *exchange) {
	if x.admittedTo != "" {
		a.leaveWorkspace(x.admittedTo)
	}
	if x.admitted {
		a.open.Add(-1)
	}
}

func (a *Admission) leaveWorkspace(generation workspace.Generation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workspaces[generation]--; a.workspaces[generation] == 0 {
		delete(a.workspaces, generation)
	}
}

// countOpen refuses what is too much in all.
func (c *chain) countOpen(x *exchange) error {
	if x.admitted = c.deps.Admission.enter(x.settings.MaxInFlight); !x.admitted {
		return fmt.Errorf("%w: more than %d in all (limits.in_flight)", workspace.ErrOverloaded, x.settings.MaxInFlight)
	}
	return nil
}

// countOpenOfWorkspace refuses what is too much of one workspace.
func (c *chain) countOpenOfWorkspace(x *exchange) error {
	limit := x.settings.MaxInFlightPerWorkspace
	if !c.deps.Admission.enterWorkspace(x.workspace.Generation, limit) {
		return fmt.Errorf("%w: more than %d of this workspace (limits.in_flight_per_workspace)", workspace.ErrOverloaded, limit)
	}
	x.admittedTo = x.workspace.Generation
	return nil
}
