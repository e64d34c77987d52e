package transport

import (
	"slices"
	"sync"
	"time"
)

// sweeps is how often a connection is looked at while it is kept.
const sweeps = 6

// idle are the connections that no request uses. While there are any, a timer looks for those that were kept long
// enough, or that the worker has closed.
type idle struct {
	most int
	time time.Duration

	// mu guards what is below. It is not held over a system call.
	mu     sync.Mutex
	conns  []*conn // the one that was used last is last
	timer  *time.Timer
	closed bool
}

// take gives the connection that was used last and can be used again, or nil.
func (i *idle) take() *conn {
	for {
		c := i.pop()
		if c == nil || c.usable() {
			return c
		}
		c.Close()
	}
}

func (i *idle) pop() *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := len(i.conns) - 1
	if last < 0 {
		return nil
	}
	c := i.conns[last]
	i.conns[last] = nil
	i.conns = i.conns[:last]
	return c
}

// keep takes back a connection whose exchange is over.
func (i *idle) keep(c *conn) {
	if c.raw == nil || !i.push(c) {
		c.Close()
	}
}

func (i *idle) push(c *conn) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || len(i.conns) >= i.most {
		return false
	}
	c.since = time.Now()
	i.conns = append(i.conns, c)
	if i.timer == nil {
		i.timer = time.AfterFunc(i.time/sweeps, i.sweep)
	}
	return true
}

// sweep closes what was kept long enough or is dead. What was used since the last time is left alone.
func (i *idle) sweep() {
	rested := i.rested()
	alive := rested[:0]
	for _, c := range rested {
		if time.Since(c.since) < i.time && c.usable() {
			alive = append(alive, c)
		} else {
			c.Close()
		}
	}
	for _, c := range i.giveBack(alive) {
		c.Close()
	}
}

// rested takes out those that were not used since the last sweep.
func (i *idle) rested() []*conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for n < len(i.conns) && time.Since(i.conns[n].since) >= i.time/sweeps {
		n++
	}
	rested := slices.Clone(i.conns[:n])
	i.conns = slices.Delete(i.conns, 0, n)
	return rested
}

// giveBack puts connections back, as the ones that were used longest ago, and gives those for which there is no room.
func (i *idle) giveBack(alive []*conn) (surplus []*conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return alive
	}
	room := min(len(alive), i.most-len(i.conns))
	i.conns = slices.Insert(i.conns, 0, alive[len(alive)-room:]...)
	if len(i.conns) > 0 {
		i.timer.Reset(i.time / sweeps)
	} else {
		i.timer = nil
	}
	return alive[:len(alive)-room]
}

// close closes all, and has none kept from now on.
func (i *idle) close() {
	i.mu.Lock()
	conns := i.conns
	i.conns, i.closed = nil, true
	if i.timer != nil {
		i.timer.Stop()
	}
	i.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}
