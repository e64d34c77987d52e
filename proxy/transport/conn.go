package transport

import (
	"net"
	"syscall"
	"time"
)

// conn is one connection to the worker. It belongs to one exchange, or to the idle list.
type conn struct {
	net.Conn
	abort func() // closes it; made once, since every request watches its context with it
	since time.Time

	raw   syscall.RawConn // nil where the kernel cannot be asked: then it is used once
	probe func(fd uintptr) bool
	quiet bool // what the last probe found
}

func newConn(opened net.Conn) *conn {
	c := &conn{Conn: opened}
	c.abort = func() { opened.Close() }
	if has, ok := opened.(syscall.Conn); ok {
		if raw, err := has.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.probe = func(fd uintptr) bool {
		c.quiet = quiet(fd)
		return true
	}
	return c
}

// usable reports whether a kept connection is open and silent. A worker that closed it, or that said something while
// nobody asked, must not get another request: the one would be lost, and the other's answer would go to a stranger.
func (c *conn) usable() bool {
	if c.raw == nil {
		return false
	}
	c.quiet = false
	return c.raw.Read(c.probe) == nil && c.quiet
}
