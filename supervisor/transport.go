package supervisor

import (
	"context"
	"maps"
	"net"
	"net/http"
	"time"
)

// How many connections of a launch are kept while no request uses them, and for how long. They die with the launch.
const (
	idleConnections     = 512
	idleConnectionsTime = 90 * time.Second
)

// NewTransport makes the transport of one launch: connections from the endpoint's Dial, used for nothing else; no
// proxy, no compression of its own, HTTP/1.1; the endpoint's Header set on every request. No deadline cuts a stream;
// the request's context ends it.
func NewTransport(endpoint Endpoint) Transport {
	inner := &http.Transport{
		DialContext:         dialer(endpoint),
		DisableCompression:  true,
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleConnectionsTime,
	}
	if len(endpoint.Header) == 0 {
		return inner
	}
	return &credentialTransport{Transport: inner, header: endpoint.Header.Clone()}
}

// dialer marks the errors of a connection that never came to be: nothing of the request was sent, so it may go to the
// next launch.
func dialer(endpoint Endpoint) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := endpoint.Dial(ctx)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

// dialError is an error of Endpoint.Dial.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }

func (e *dialError) Unwrap() error { return e.err }

// NothingSent tells whoever may send the request once more that no byte of it went out.
func (*dialError) NothingSent() bool { return true }

// credentialTransport sets headers that the worker asks for and nobody else may see.
type credentialTransport struct {
	*http.Transport
	header http.Header
}

// RoundTrip sends a copy of the request: the caller's must not be left with a credential that a later attempt could
// carry to another launch.
func (t *credentialTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := *request
	sent.Header = maps.Clone(request.Header)
	if sent.Header == nil {
		sent.Header = make(http.Header, len(t.header))
	}
	for name, values := range t.header {
		sent.Header[name] = values
	}
	return t.Transport.RoundTrip(&sent)
}
