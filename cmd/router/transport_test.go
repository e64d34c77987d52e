package main

import (
	"context"
	"net"
	"net/http"
	"testing"

	"workspace-router/configs"
	"workspace-router/proxy/transport"
	"workspace-router/supervisor"
)

// Each launch gets the transport that the configuration names at that moment.
func TestNewTransport_GoesByTheConfigurationInForce(t *testing.T) {
	t.Parallel()
	in := &live{}
	of := newTransport(func() *live { return in })
	endpoint := supervisor.Endpoint{Dial: func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }, Scheme: "http"}
	in.config.Transport = configs.TransportLean
	if made, lean := of(endpoint).(*transport.Transport); !lean {
		t.Errorf("lean gives %T", made)
	}
	in.config.Transport = configs.TransportStandard
	if made, lean := of(endpoint).(*transport.Transport); lean {
		t.Errorf("standard gives %T", made)
	}
	in.config.Transport = configs.TransportLean
	endpoint.Header = http.Header{"X-Key": {"a\nb"}}
	if of(endpoint) == nil {
		t.Error("a credential that no header can hold leaves a launch without a transport")
	}
}
