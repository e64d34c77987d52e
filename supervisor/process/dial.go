package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
)

// errForeign says that whoever listens at a launch's address is not the launch.
var errForeign = errors.New("the process that listens is not the launch's")

// dialer gives the function that connects to an endpoint of a worker that was spawned. It refuses when the launch has ended, and gives out no
// connection before it is proven that one of the launch's own processes listens at the other end.
func (w *worker) dialer(name string, endpoint kind.Endpoint) func(context.Context) (net.Conn, error) {
	if endpoint.Network == kind.NetworkUnix {
		return func(ctx context.Context) (net.Conn, error) {
			return w.dial(ctx, "unix", w.values.socket, w.provePeer)
		}
	}
	port := w.values.ports["port:"+name]
	if w.apart() {
		return func(ctx context.Context) (net.Conn, error) { return w.dialInside(ctx, port) }
	}
	return func(ctx context.Context) (net.Conn, error) {
		return w.dial(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), func(net.Conn) error { return w.proveListener(port) })
	}
}

func (w *worker) dial(ctx context.Context, network, address string, proven func(net.Conn) error) (net.Conn, error) {
	select {
	case <-w.exited:
		return nil, fmt.Errorf("cannot connect to launch %s: %w", w.spec.Launch, errWorkerGone)
	default:
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := proven(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot connect to launch %s: %w", w.spec.Launch, err)
	}
	return conn, nil
}

// provePeer asks the kernel which process made the Unix socket listen.
func (w *worker) provePeer(conn net.Conn) error {
	peer, err := peerOf(conn)
	if err != nil {
		return fmt.Errorf("cannot tell whose socket it is: %w", err)
	}
	pid := int(peer.Pid)
	if w.owns(pid) {
		return nil
	}
	if stat, err := proc.Read(pid); pid > 0 && (err != nil || stat.Dead()) { // as a worker that could not go on
		return fmt.Errorf("%w: process %d, which made the socket listen, has ended", errNotReady, pid)
	}
	return errForeign
}

// owns reports whether the process is one of the launch's: by its brand, or because it descends from the root. What
// was found once holds as long as that very process lives.
func (w *worker) owns(pid int) bool {
	stat, err := proc.Read(pid)
	if err != nil {
		return false
	}
	w.mu.Lock()
	known, found := w.peers[pid]
	w.mu.Unlock()
	if found && known == stat.ID {
		return true
	}
	if launch, branded := proc.BrandOf(pid, w.driver.id); branded {
		if launch != string(w.spec.Launch) {
			return false
		}
	} else if !descends(stat, w.root()) {
		return false
	}
	w.mu.Lock()
	w.peers[pid] = stat.ID
	w.mu.Unlock()
	return true
}

// descends walks from a process to its ancestors until it meets root.
func descends(stat proc.Stat, root proc.ID) bool {
	const deepest = 64
	for range deepest {
		if stat.ID == root {
			return true
		}
		if stat.Parent <= 1 {
			return false
		}
		parent, err := proc.Read(stat.Parent)
		if err != nil {
			return false
		}
		stat = parent
	}
	return false
}
