package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/proxy"
)

// settlePatience bounds how long a connection may be on its way from its listener to its server.
const settlePatience = time.Second

// operatorGrace is how long an operator's open request may take when the router ends; those who follow events are cut.
const operatorGrace = time.Second

// linger is for how long a connection that is at rest is kept when another router goes on with the address, so that its
// next request can be answered with "Connection: close" instead of meeting a connection that was closed under it.
const linger = 5 * time.Second

// listeners are the places where the router is reached: clients, operators, operators on this machine, and clients of
// one workspace each.
type listeners struct {
	data, operator, local *gate
	bound                 []*gate // in the order of the configuration, and that of projects
	servers               []*listener
	leaving               atomic.Bool // another process goes on with the sockets
}

type listener struct {
	*gate
	server      *http.Server
	accepts     net.Listener // the gate, with what stands before it
	known       atomic.Int64 // connections that the server was ever given
	connections atomic.Int64 // that are open, those aside that a handler took over
	open        atomic.Int64 // requests, those on connections that a handler took over included
}

// listen binds all addresses for which no socket was given.
func listen(ctx context.Context, config configs.Config, dir *dataDir, from given) (_ *listeners, err error) {
	l := &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
		from.close() // what nobody took
	}()
	if l.data, err = listenTCP(ctx, socketData, "listen", config.Listen, &from); err != nil {
		return nil, err
	}
	if l.operator, err = listenTCP(ctx, socketOperator, "operator_listen", config.OperatorListen, &from); err != nil {
		return nil, err
	}
	if l.local, err = listenLocal(dir.path, &from); err != nil {
		return nil, err
	}
	for _, one := range config.Bound() {
		g, err := listenTCP(ctx, socketBound+one.Workspace, "bound_listeners", one.Listen, &from)
		if err != nil {
			return nil, err
		}
		l.bound = append(l.bound, g)
	}
	if config.Projects.Listen != "" {
		g, err := listenTCP(ctx, socketProjects, "projects.listen", config.Projects.Listen, &from)
		if err != nil {
			return nil, err
		}
		l.bound = append(l.bound, g)
	}
	return l, from.left()
}

// all gives every gate that is there.
func (l *listeners) all() []*gate {
	return slices.DeleteFunc(append([]*gate{l.data, l.operator, l.local}, l.bound...), func(g *gate) bool { return g == nil })
}

// forClients reports whether the gate is one of those that requests for workers come by.
func (l *listeners) forClients(g *gate) bool { return g != l.operator && g != l.local }

func listenTCP(ctx context.Context, name, key, setting string, from *given) (*gate, error) {
	address, err := net.ResolveTCPAddr("tcp", setting)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use the address %q: %w", key, setting, err)
	}
	if g := from.take(name, setting, address); g != nil {
		if _, isTCP := g.Addr().(*net.TCPAddr); !isTCP {
			defer g.Close()
			return nil, fmt.Errorf("%s: cannot use the socket %q at %s: want one of TCP", key, name, g.Addr())
		}
		return g, nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", setting)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use the address %q: %w", key, setting, err)
	}
	return &gate{Listener: listener, name: name, setting: setting}, nil
}

// entrance is what requests pass before they come to a handler.
type entrance struct {
	server       proxy.ServerConfig  // of every listener, but for TLS
	front        *proxy.Front        // of those for clients
	certificates *proxy.Certificates // nil where nobody speaks TLS
	operatorTLS  bool
	log          *zap.Logger
}

// serve makes the server of each listener.
func (l *listeners) serve(e entrance, data, operator, local http.Handler, bound []http.Handler) error {
	handlers := append([]http.Handler{data, operator, local}, bound...)
	for i, g := range l.all() {
		served := &listener{gate: g, accepts: g}
		config := e.server
		if l.forClients(g) {
			served.accepts = e.front.Guard(g, func() { served.known.Add(1) }) // what the server is not given, it need not be
		}
		if e.certificates != nil && (l.forClients(g) || g == l.operator && e.operatorTLS) {
			config.TLS = e.certificates.Config()
		}
		server, err := proxy.NewServer(config, l.parting(served, handlers[i]), e.log)
		if err != nil {
			return err
		}
		served.server = server
		follow := server.ConnState
		server.ConnState = func(conn net.Conn, state http.ConnState) {
			served.count(state)
			follow(conn, state)
		}
		l.servers = append(l.servers, served)
	}
	return nil
}

// scheme is what the URL of a listener begins with.
func (l *listeners) scheme(g *gate) string {
	for _, one := range l.servers {
		if one.gate == g && one.server.TLSConfig != nil {
			return "https"
		}
	}
	return "http"
}

// parting counts the open requests and, once another process goes on with the sockets, asks clients to come by a new
// connection.
func (l *listeners) parting(served *listener, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.open.Add(1)
		defer served.open.Add(-1)
		if l.leaving.Load() && r.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

func (l *listener) count(state http.ConnState) {
	switch state {
	case http.StateNew:
		l.connections.Add(1)
		l.known.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.connections.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// run serves until shutdown; ctx is not needed for that.
func (l *listeners) run(context.Context) error {
	failed := make(chan error, len(l.servers))
	var group sync.WaitGroup
	for _, one := range l.servers {
		group.Go(func() {
			err := proxy.Serve(one.server, one.accepts)
			if !errors.Is(err, http.ErrServerClosed) && !l.leaving.Load() {
				failed <- fmt.Errorf("listener %q: %w", one.name, err)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
		return nil
	}
}

// shutdown stops accepting at once, lets clients' open requests end within the grace, and cuts what is left.
func (l *listeners) shutdown(grace time.Duration) {
	l.settle()
	var group sync.WaitGroup
	for _, one := range l.servers {
		bound := operatorGrace
		if l.forClients(one.gate) {
			bound = grace
		}
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), bound)
			defer cancel()
			if one.server.Shutdown(ctx) != nil {
				one.server.Close()
			}
		})
	}
	group.Wait()
}

// settle stops accepting, and returns when the servers know of each connection that was accepted: they wait for the end of no
// other, and whoever is served by nobody when the process ends is refused after all. Those that come later are left to
// whoever accepts next, where somebody else has the socket, as a service manager may.
func (l *listeners) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	_ = l.hold() // a gate that cannot be held is closed next
	l.until(ctx, func(one *listener) bool { return one.known.Load() == one.given() })
}

// hold stops accepting on all listeners, and open goes on with it.
func (l *listeners) hold() error {
	return l.each((*gate).hold)
}

func (l *listeners) open() error {
	return l.each((*gate).open)
}

func (l *listeners) each(do func(*gate) error) (err error) {
	for _, g := range l.all() {
		err = errors.Join(err, do(g))
	}
	return err
}

// inherit makes the names of the sockets this process's own, unless they are the service manager's.
func (l *listeners) inherit() {
	for _, g := range l.all() {
		if g.setting != "" {
			g.inherit()
		}
	}
}

// leave stops accepting for good, and lets everything that is open end within the grace: requests with their answer,
// connections with their next one or when they were at rest for a while.
func (l *listeners) leave(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	l.leaving.Store(true)
	for _, g := range l.all() {
		g.bequeath()
		g.Close()
	}
	rest, done := context.WithTimeout(ctx, linger)
	defer done()
	l.until(rest, func(one *listener) bool { return one.connections.Load() == 0 })
	deadline, _ := ctx.Deadline()
	l.shutdown(time.Until(deadline))
	// A server does not know of the connections that a handler took over.
	l.until(ctx, func(one *listener) bool { return !l.forClients(one.gate) || one.open.Load() == 0 })
}

// until waits until it holds for all listeners, or for ctx.
func (l *listeners) until(ctx context.Context, holds func(*listener) bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		all := true
		for _, one := range l.servers {
			all = all && holds(one)
		}
		if all {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// close gives the addresses back.
func (l *listeners) close() {
	for _, g := range l.all() {
		g.Close()
	}
}
