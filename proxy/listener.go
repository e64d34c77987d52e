package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
)

// ListenerConfig is about connections, before anything is read from them.
type ListenerConfig struct {
	// Connections is how many may be open on all listeners of one Front.
	Connections int
	// UnreadTimeout is how long a client may take nothing of what was written to it.
	UnreadTimeout time.Duration
	// HeaderTimeout is how long the PROXY protocol's header may take.
	HeaderTimeout time.Duration
	// ProxyProtocol are the networks whose connections begin with the PROXY protocol; none: no connection does.
	ProxyProtocol []netip.Prefix
}

// Front is what the listeners for clients have in common.
type Front struct {
	Observer
	cfg  ListenerConfig
	open atomic.Int64
}

// NewFront checks the configuration. What never comes to a handler is recorded by the observer: connections that were
// too many, and requests that could not be read.
func NewFront(cfg ListenerConfig, observer Observer) (*Front, error) {
	if cfg.Connections <= 0 || cfg.UnreadTimeout <= 0 || cfg.HeaderTimeout <= 0 {
		return nil, fmt.Errorf("cannot guard listeners: want limits above 0, got %d connections, %v, %v", cfg.Connections, cfg.UnreadTimeout, cfg.HeaderTimeout)
	}
	if err := observer.check(); err != nil {
		return nil, fmt.Errorf("cannot guard listeners: %w", err)
	}
	return &Front{Observer: observer, cfg: cfg}, nil
}

// Guard gives the listener's connections bounds, and their clients' addresses where the PROXY protocol says them. refused
// is called for each connection that was accepted and is one too many; it must not block.
func (f *Front) Guard(listener net.Listener, refused func()) net.Listener {
	guarded := &guardedListener{Listener: listener, front: f, refused: refused}
	if len(f.cfg.ProxyProtocol) == 0 {
		return guarded
	}
	return &proxyproto.Listener{Listener: guarded, ConnPolicy: f.proxyPolicy, ReadHeaderTimeout: f.cfg.HeaderTimeout}
}

// proxyPolicy demands the protocol of those who are trusted with it: if it were optional there, a client behind a
// balancer that does not speak it could begin with a header of its own.
func (f *Front) proxyPolicy(options proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
	if within(f.cfg.ProxyProtocol, addressOf(options.Upstream)) {
		return proxyproto.REQUIRE, nil
	}
	return proxyproto.SKIP, nil
}

// addressOf is the address without its port; the zero value where it has none.
func addressOf(address net.Addr) netip.Addr {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	found, _ := netip.AddrFromSlice(tcp.IP)
	return found.Unmap()
}

// within reports whether one of the networks holds the address.
func within(networks []netip.Prefix, address netip.Addr) bool {
	return address.IsValid() && slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// guardedListener counts connections.
type guardedListener struct {
	net.Listener
	front   *Front
	refused func()
}

// Accept waits for a connection for which there is room.
func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.front.open.Add(1) <= int64(l.front.cfg.Connections) {
			limitUnread(accepted, l.front.cfg.UnreadTimeout)
			return &clientConn{Conn: accepted, front: l.front}, nil
		}
		l.front.open.Add(-1)
		accepted.Close()
		l.front.Metrics.ConnectionsRefused.Inc()
		l.refused()
	}
}
