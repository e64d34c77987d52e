package main

import (
	"workspace-router/configs"
	"workspace-router/proxy/transport"
	"workspace-router/supervisor"
)

// newTransport makes the transport of a launch by the configuration that is in force at that moment.
func newTransport(current func() *live) func(supervisor.Endpoint) supervisor.Transport {
	return func(endpoint supervisor.Endpoint) supervisor.Transport {
		if current().config.Transport == configs.TransportStandard {
			return supervisor.NewTransport(endpoint)
		}
		lean, err := transport.New(transport.Config{Dial: endpoint.Dial, Header: endpoint.Header})
		if err != nil { // a credential that no header can hold: the other says so with each request
			return supervisor.NewTransport(endpoint)
		}
		return lean
	}
}
