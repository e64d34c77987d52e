package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/proxy"
)

// operatorGrace is how long an operator's open request may take when the router ends; those who follow events are cut.
const operatorGrace = time.Second

// listeners are the places where the router is reached: clients, operators, and operators on this machine.
type listeners struct {
	data, operator, local net.Listener
	servers               []*listener
}

type listener struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// listen binds all addresses.
func listen(ctx context.Context, config configs.Config, dir *dataDir) (_ *listeners, err error) {
	l := &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var lc net.ListenConfig
	if l.data, err = lc.Listen(ctx, "tcp", config.Listen); err != nil {
		return nil, fmt.Errorf("listen: cannot use the address %q: %w", config.Listen, err)
	}
	if l.operator, err = lc.Listen(ctx, "tcp", config.OperatorListen); err != nil {
		return nil, fmt.Errorf("operator_listen: cannot use the address %q: %w", config.OperatorListen, err)
	}
	if l.local, err = listenLocal(dir.path); err != nil {
		return nil, err
	}
	return l, nil
}

// serve makes the server of each listener.
func (l *listeners) serve(limits configs.Limits, log *zap.Logger, data, operator, local http.Handler) error {
	config := proxy.ServerConfig{
		HeaderTimeout: limits.HeaderTimeout, IdleTimeout: limits.IdleTimeout, HeaderBytes: int(limits.HeaderBytes),
	}
	for _, one := range []struct {
		name     string
		listener net.Listener
		handler  http.Handler
	}{{"listener", l.data, data}, {"operator's listener", l.operator, operator}, {"local socket", l.local, local}} {
		server, err := proxy.NewServer(config, one.handler, log)
		if err != nil {
			return err
		}
		l.servers = append(l.servers, &listener{name: one.name, listener: one.listener, server: server})
	}
	return nil
}

// run serves until shutdown; ctx is not needed for that.
func (l *listeners) run(context.Context) error {
	failed := make(chan error, len(l.servers))
	var group sync.WaitGroup
	for _, one := range l.servers {
		group.Go(func() {
			if err := one.server.Serve(one.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: %w", one.name, err)
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
	var group sync.WaitGroup
	for _, one := range l.servers {
		bound := operatorGrace
		if one.listener == l.data {
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

// close gives the addresses back.
func (l *listeners) close() {
	for _, one := range []net.Listener{l.data, l.operator, l.local} {
		if one != nil {
			one.Close()
		}
	}
}
