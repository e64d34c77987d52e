package process

import (
	"context"
	"fmt"
	"net"
	"sync"

	"workspace-router/internal/kind"
)

// portSet holds the ports of one launch by the placeholder that stands for each: "port" and "port:NAME".
type portSet map[string]int

func (s portSet) all() []int {
	seen := map[int]bool{}
	var list []int
	for _, port := range s {
		if !seen[port] {
			seen[port] = true
			list = append(list, port)
		}
	}
	return list
}

// ports gives out loopback ports that are free now and that no other live launch was given.
type ports struct {
	mu    sync.Mutex // guards taken
	taken map[int]bool
}

func newPorts() *ports { return &ports{taken: map[int]bool{}} }

// take chooses a port for each TCP endpoint of a kind.
func (p *ports) take(k *kind.Kind) (portSet, error) {
	set := portSet{}
	for name, endpoint := range k.Endpoints {
		if endpoint.Network != kind.NetworkTCP {
			continue
		}
		port, err := p.one()
		if err != nil {
			p.release(set.all())
			return nil, err
		}
		set["port:"+name] = port
		if name == kind.HTTPEndpoint {
			set["port"] = port
		}
	}
	return set, nil
}

// one finds a port by binding to it for a moment. Between that and the worker's own binding another process may take
// it; whoever answers there is then not the launch, which is seen before a byte is sent.
func (p *ports) one() (int, error) {
	var config net.ListenConfig
	for range 100 {
		listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("cannot find a free port: %w", err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		listener.Close()
		if p.reserve(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port: each that the system offers belongs to a launch")
}

func (p *ports) reserve(port int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[port] {
		return false
	}
	p.taken[port] = true
	return true
}

// reserveAll keeps ports that a worker has already from being given out.
func (p *ports) reserveAll(list []int) {
	for _, port := range list {
		p.reserve(port)
	}
}

func (p *ports) release(list []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range list {
		delete(p.taken, port)
	}
}
