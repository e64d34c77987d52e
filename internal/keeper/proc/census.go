package proc

import (
	"math"

	"workspace-router/internal/keeper"
)

// Root is what is known of a launch by whoever takes a census: its root process, if that runs.
type Root struct {
	Launch string
	ID     ID // PID 0 where none runs; Start is kept, as nothing of the launch is older
}

// Census says which processes run, by the launch that they belong to.
type Census struct {
	// Members holds, for each launch of the data directory, what lives of it, also of launches that no Root names. One
	// that ended while it was looked at is among them, with a start time of 0: it may have left a child behind.
	Members map[string][]Stat
	// Strays are children of the subreaper that belong to no launch: somebody's orphans, or a process that was being
	// forked while the census was taken.
	Strays []Stray
}

// Stray is a process that belongs to no launch that was known when the census began.
type Stray struct {
	Stat
	// Claims is the launch that its marks name all the same; empty where they name none. It may have begun since, or
	// be one that never was: any process can lower its brand, or write itself another environment.
	Claims string
}

// Scope says whose processes are counted, and how far back.
type Scope struct {
	Data      keeper.DataID
	Subreaper int    // the keeper's pid, whose Roots are all the launches that there are; 0 for none
	Roots     []Root // the launches that are known
	// Everything counts also launches that no Root names and processes that are older than every Root, as the start of
	// a keeper needs.
	Everything bool
	// Wanted, if there is one, says which launches are counted. Of the others' processes no more is looked at than whose
	// they are, which makes a census on a machine full of workers many times cheaper.
	Wanted func(launch string) bool
	// Found, if there is one, is called for each member at once, before the next process is looked at.
	Found func(launch string, member Stat)
}

func (s *Scope) wants(launch string) bool { return s.Wanted == nil || s.Wanted(launch) }

// Take counts the processes of the scope's launches. A process belongs to a launch by the first of these that says
// so: being the root; its brand; being in the session that a living root leads; the mark in its environment; being a
// child of one that belongs.
func Take(scope Scope) (Census, error) {
	c := counter{
		scope: scope, census: Census{Members: map[string][]Stat{}},
		known: map[int]*entry{}, roots: map[int]Root{}, launches: map[string]bool{}, leaders: map[int]string{}, oldest: math.MaxUint64,
	}
	for _, root := range scope.Roots {
		c.launches[root.Launch] = true
		if root.ID.PID != 0 {
			c.roots[root.ID.PID] = root
		}
		c.oldest = min(c.oldest, root.ID.Start)
	}
	if scope.Everything {
		c.oldest = 0
	}
	if err := eachPID(c.look); err != nil {
		return Census{}, err
	}
	c.trace()
	return c.census, nil
}

// entry is a process that was seen; its launch is empty where it is not, or not yet, known.
type entry struct {
	stat   Stat
	launch string
	claims string // a launch that its marks name, and that there is not
	traced string // as launch, but found by trace
	asked  bool   // trace was here
}

type counter struct {
	scope    Scope
	census   Census
	known    map[int]*entry
	roots    map[int]Root // by pid
	launches map[string]bool
	leaders  map[int]string // pid of a living root, which leads its session, to its launch
	oldest   uint64
	environ  []byte
}

// look takes in one process by what is quickly known, the brand first: whatever bears it may be gone in a moment.
func (c *counter) look(pid int) {
	if pid == c.scope.Subreaper {
		return
	}
	launch, branded := BrandOf(pid, c.scope.Data)
	if branded && c.launches[launch] && !c.scope.wants(launch) {
		c.known[pid] = &entry{launch: launch}
		c.lead(pid, launch)
		return
	}
	stat, err := Read(pid)
	switch {
	case err != nil && branded && c.believe(pid, launch):
		c.count(launch, Stat{ID: ID{PID: pid}})
		return
	case err != nil || stat.Dead() || stat.Kernel() || stat.Start < c.oldest:
		return
	}
	e := &entry{stat: stat}
	c.known[pid] = e
	if root := c.roots[pid]; root.ID == stat.ID {
		e.launch = root.Launch
	} else if branded && c.believe(pid, launch) {
		e.launch = launch
	} else if branded {
		e.claims = launch
	}
	if e.launch != "" {
		c.lead(pid, e.launch)
		c.count(e.launch, stat)
	}
}

// lead notes a root, which leads a session as long as it lives.
func (c *counter) lead(pid int, launch string) {
	if c.roots[pid].Launch == launch {
		c.leaders[pid] = launch
	}
}

func (c *counter) count(launch string, stat Stat) {
	if !c.scope.wants(launch) {
		return
	}
	c.census.Members[launch] = append(c.census.Members[launch], stat)
	if c.scope.Found != nil {
		c.scope.Found(launch, stat)
	}
}

// exists reports whether there can be the launch that a mark names. To whoever knows all of them one that is not known
// is made up, and what bears it must not pass for the process of a launch that nobody ends.
func (c *counter) exists(launch string) bool {
	return c.launches[launch] || c.scope.Subreaper == 0 || c.scope.Everything
}

// believe guards against the brand of another data directory whose id has the same first bits: a launch that is not
// known counts only if the process's environment does not name another directory.
func (c *counter) believe(pid int, launch string) bool {
	if c.launches[launch] {
		return true
	}
	if !c.exists(launch) {
		return false
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

// trace finds the launches of those that bear no brand.
func (c *counter) trace() {
	for _, e := range c.known {
		if e.launch != "" {
			continue
		}
		if launch := c.launchOf(e); launch != "" {
			c.count(launch, e.stat)
		} else if c.scope.Subreaper != 0 && e.stat.Parent == c.scope.Subreaper {
			c.census.Strays = append(c.census.Strays, Stray{Stat: e.stat, Claims: e.claims})
		}
	}
}

// launchOf asks by the costlier means, each process once.
func (c *counter) launchOf(e *entry) string {
	if e.launch != "" || e.asked {
		return e.launch + e.traced
	}
	e.asked = true // before the parents, should they ever form a ring while they are read
	if launch, found := c.leaders[e.stat.Session]; found {
		e.traced = launch
	} else if launch := c.marked(e); launch != "" {
		e.traced = launch
	} else if parent := c.known[e.stat.Parent]; parent != nil {
		e.traced = c.launchOf(parent)
	}
	return e.traced
}

// marked gives the launch that the mark in the process's environment names, if there can be such a launch.
func (c *counter) marked(e *entry) string {
	mark, found := MarkOf(e.stat.PID, c.buffer())
	if !found || mark.Data != c.scope.Data {
		return ""
	}
	if !c.exists(mark.Launch) {
		e.claims = mark.Launch
		return ""
	}
	return mark.Launch
}
