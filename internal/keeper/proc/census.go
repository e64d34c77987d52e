package proc

import (
	"math"

	"workspace-router/internal/keeper"
)

// Root is what is known of a launch by whoever takes a census: its root process, if that was ever started.
type Root struct {
	Launch string
	ID     ID // zero where it is not known
}

// Census says which processes run, by the launch that they belong to.
type Census struct {
	// Members holds, for each launch of the data directory, what lives of it, also of launches that no Root names.
	Members map[string][]Stat
	// Strays are children of the subreaper that belong to no launch: somebody's orphans, or a process that was being
	// forked while the census was taken.
	Strays []Stat
}

// Scope says whose processes are counted, and how far back.
type Scope struct {
	Data      keeper.DataID
	Subreaper int    // the keeper's pid; 0 for none
	Roots     []Root // the launches that are known
	// Everything counts also launches that no Root names and processes that are older than every Root, as the start of
	// a keeper needs.
	Everything bool
}

// Take counts the processes of the scope's launches. A process belongs to a launch by the first of these that says
// so: its brand; being the root; being in the session that a living root leads; the mark in its environment; being a
// child of one that belongs.
func Take(scope Scope) (Census, error) {
	pids, err := PIDs()
	if err != nil {
		return Census{}, err
	}
	c := counter{scope: scope, known: map[int]*entry{}, roots: map[ID]string{}, leaders: map[int]string{}, oldest: math.MaxUint64}
	for _, root := range scope.Roots {
		if root.ID.PID != 0 {
			c.roots[root.ID] = root.Launch
		}
		c.oldest = min(c.oldest, root.ID.Start)
	}
	if scope.Everything {
		c.oldest = 0
	}
	for _, pid := range pids {
		c.read(pid)
	}
	return c.result(), nil
}

type entry struct {
	stat   Stat
	launch string // empty where it is not, or not yet, known
	asked  bool
}

type counter struct {
	scope   Scope
	known   map[int]*entry
	roots   map[ID]string
	leaders map[int]string // pid of a living root, which leads its session, to its launch
	oldest  uint64
	environ []byte
}

func (c *counter) read(pid int) {
	if pid == c.scope.Subreaper {
		return
	}
	stat, err := Read(pid)
	if err != nil || stat.Dead() || stat.Kernel() || stat.Start < c.oldest {
		return
	}
	e := &entry{stat: stat}
	if launch, found := c.roots[stat.ID]; found {
		e.launch = launch
		c.leaders[pid] = launch
	} else if launch, found := BrandOf(pid, c.scope.Data); found && c.believe(pid, launch) {
		e.launch = launch
	}
	c.known[pid] = e
}

// believe guards against the brand of another data directory whose id has the same first bits: a launch that is not
// known counts only if the process's environment does not name another directory.
func (c *counter) believe(pid int, launch string) bool {
	for _, root := range c.scope.Roots {
		if root.Launch == launch {
			return true
		}
	}
	mark, found := MarkOf(pid, c.buffer())
	return !found || mark.Data == c.scope.Data
}

func (c *counter) buffer() []byte {
	if c.environ == nil {
		c.environ = make([]byte, maxEnviron)
	}
	return c.environ
}

func (c *counter) result() Census {
	census := Census{Members: map[string][]Stat{}}
	for _, e := range c.known {
		if launch := c.launchOf(e); launch != "" {
			census.Members[launch] = append(census.Members[launch], e.stat)
		} else if c.scope.Subreaper != 0 && e.stat.Parent == c.scope.Subreaper {
			census.Strays = append(census.Strays, e.stat)
		}
	}
	return census
}

// launchOf asks by the costlier means, each process once.
func (c *counter) launchOf(e *entry) string {
	if e.launch != "" || e.asked {
		return e.launch
	}
	e.asked = true // also ends the walk, should parents ever form a ring while they are read
	if launch, found := c.leaders[e.stat.Session]; found {
		e.launch = launch
		return launch
	}
	if mark, found := MarkOf(e.stat.PID, c.buffer()); found && mark.Data == c.scope.Data {
		e.launch = mark.Launch
		return e.launch
	}
	if parent := c.known[e.stat.Parent]; parent != nil && e.stat.Parent != c.scope.Subreaper {
		e.launch = c.launchOf(parent)
	}
	return e.launch
}
