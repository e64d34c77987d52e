package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gate is a listening socket whose accepting can be held up. What connects meanwhile waits in the socket's own queue,
// which it shares with every process that has the same socket: whoever accepts next gets it, and nothing is refused.
type gate struct {
	net.Listener
	name    string // "http", "operator", "local", or "workspace." and a name
	setting string // the address as configured; blank where the service manager chose it

	mu        sync.Mutex    // guards what follows
	held      chan struct{} // closed when accepting goes on; nil while it does
	accepting int           // calls that are in the listener's Accept
	quiet     chan struct{} // closed when none is any more; nil where nobody waits for that
	closed    bool
	accepted  int64 // connections that Accept has given
}

// deadliner is what the listeners of TCP and of Unix sockets have.
type deadliner interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// Accept waits for a connection, and while the gate is shut for its opening.
func (g *gate) Accept() (net.Conn, error) {
	for {
		if held := g.enter(); held != nil {
			<-held
			continue
		}
		conn, err := g.Listener.Accept()
		g.leave(err == nil)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
	}
}

// enter counts a call that accepts, or gives what it has to wait for first.
func (g *gate) enter() (held <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.accepting++
	}
	return g.held
}

func (g *gate) leave(accepted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if accepted {
		g.accepted++
	}
	if g.accepting--; g.accepting == 0 && g.quiet != nil {
		close(g.quiet)
		g.quiet = nil
	}
}

// given is how many connections Accept has given.
func (g *gate) given() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accepted
}

// hold stops accepting. A connection that was accepted before it returns is served, and none is accepted after.
func (g *gate) hold() error {
	quiet, err := g.shut()
	if quiet != nil {
		// A call may have passed the look at its deadline and not yet have accepted. The deadline ends all of them at once.
		<-quiet
	}
	return err
}

// shut lets nobody accept any more, and gives what is closed when those who do have returned; nil where nobody does.
func (g *gate) shut() (quiet <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil || g.closed {
		return nil, nil //nolint:nilnil // as documented
	}
	// Whoever waits in Accept is woken by a deadline in the past.
	if err := g.Listener.(deadliner).SetDeadline(time.Unix(1, 0)); err != nil {
		return nil, fmt.Errorf("cannot hold up the listener %q: %w", g.name, err)
	}
	g.held = make(chan struct{})
	if g.accepting > 0 {
		g.quiet = make(chan struct{})
	}
	return g.quiet, nil
}

// open goes on accepting.
func (g *gate) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil || g.closed {
		return nil
	}
	if err := g.Listener.(deadliner).SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("cannot open the listener %q again: %w", g.name, err)
	}
	close(g.held)
	g.held = nil
	return nil
}

// Close gives this process's hold of the socket back, and where nobody else has it, the address.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	err := g.Listener.Close()
	if g.held != nil {
		close(g.held) // whoever waits finds the listener closed
		g.held = nil
	}
	return err
}

// bequeath makes Close leave the name of a Unix socket where it is: another process goes on with it, or made it.
func (g *gate) bequeath() {
	if local, ok := g.Listener.(*net.UnixListener); ok {
		local.SetUnlinkOnClose(false)
	}
}

// inherit makes Close remove the name of a Unix socket, as the process that made it would.
func (g *gate) inherit() {
	if local, ok := g.Listener.(*net.UnixListener); ok {
		local.SetUnlinkOnClose(true)
	}
}

// file gives a second descriptor of the socket for another process. It is not made with the listener's own File, whose
// Fd puts the socket into blocking mode, for all who share it.
func (g *gate) file() (*os.File, error) {
	raw, err := g.Listener.(deadliner).SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("cannot hand the listener %q over: %w", g.name, err)
	}
	var copied int
	var failure error
	if err := raw.Control(func(fd uintptr) { copied, failure = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		failure = err
	}
	if failure != nil {
		return nil, fmt.Errorf("cannot hand the listener %q over: %w", g.name, failure)
	}
	return os.NewFile(uintptr(copied), g.name), nil
}
