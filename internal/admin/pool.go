package admin

import "net/http"

// Pool is how full the pool is. The names are part of the API.
type Pool struct {
	Workers      map[string]int `json:"workers"` // by state, those in which a worker may exist
	MaxWorkers   int            `json:"max_workers"`
	MemoryBytes  int64          `json:"memory_bytes"` // of all workers: measured, or what their kinds declare
	MemoryBudget int64          `json:"memory_budget"`
	Files        int64          `json:"files"` // descriptors of all workers and the router
	FilesBudget  int64          `json:"files_budget"`
	Pinned       int            `json:"pinned"`
	Leases       int            `json:"leases"`  // requests and streams that are open
	Waiters      int            `json:"waiters"` // requests that wait for a worker
	Queued       int            `json:"queued"`  // workspaces that wait for room
	NextVictim   string         `json:"next_victim,omitempty"`
}

// pool answers how full the pool is. The next victim may be anybody's, so that it is for those who operate all.
func (a *Admin) pool(c *call) error {
	pool, err := a.deps.Workers.Pool(c.r.Context())
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, pool)
}
