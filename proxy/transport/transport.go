// Package transport carries requests to one worker over HTTP/1.1, on a TCP or a Unix socket: a lean http.RoundTripper
// for the reverse proxy. The goroutine that asks writes the request and reads the answer itself, where http.Transport
// hands both to goroutines of the connection; only a request with a body has its body sent by a second one, so that an
// answer may come before the body's end.
//
// A Transport belongs to one launch. It owns that launch's connections: every one comes from the Dial that it was
// made with, is used for nothing else, and is closed with the launch. It never follows a redirect, uses a proxy,
// changes a body, speaks HTTP/2 or adds a header of its own beyond HTTP's framing.
//
// It reads answers more strictly than net/http: what two programs could take for different messages is an error, and
// the connection is not used again. DESIGN.md beside this file has the rules, and how it may be changed.
package transport

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Defaults of Config.
const (
	defaultIdle     = 512
	defaultIdleTime = 90 * time.Second
	defaultHead     = 256 << 10
)

// Config says where the worker is.
type Config struct {
	// Dial connects to the worker, and to nobody else. An error of it is told as one after which nothing was sent.
	Dial func(context.Context) (net.Conn, error)
	// Header is set on every request, in place of what the request has under these names.
	Header http.Header
	// Idle is how many connections are kept while no request uses them; 0 is 512.
	Idle int
	// IdleTime is how long one is kept; 0 is 90 s.
	IdleTime time.Duration
	// HeadBytes bounds the head of an answer, interim ones included, and its trailers; 0 is 256 KiB.
	HeadBytes int
}

// Transport is an http.RoundTripper. Its methods may be called from any goroutine.
type Transport struct {
	dial      func(context.Context) (net.Conn, error)
	own       []string // the names in Config.Header
	ownLines  []byte   // the lines of it
	headBytes int
	idle      idle
}

// New makes a Transport. It starts nothing and connects to nobody.
func New(config Config) (*Transport, error) {
	if config.Dial == nil {
		return nil, errors.New("cannot make a transport: a function that dials is needed")
	}
	if config.Idle < 0 || config.IdleTime < 0 || config.HeadBytes < 0 {
		return nil, errors.New("cannot make a transport: a limit is negative")
	}
	t := &Transport{dial: config.Dial, headBytes: or(config.HeadBytes, defaultHead)}
	t.idle.most, t.idle.time = or(config.Idle, defaultIdle), or(config.IdleTime, defaultIdleTime)
	own := make(http.Header, len(config.Header))
	for name, values := range config.Header {
		name = http.CanonicalHeaderKey(name)
		if own[name] == nil {
			t.own = append(t.own, name)
		}
		own[name] = append(own[name], values...)
	}
	var err error
	if t.ownLines, err = appendHeader(nil, own, nil); err != nil {
		return nil, err
	}
	return t, nil
}

// or gives the value, or the default where there is none.
func or[T comparable](value, otherwise T) T {
	var none T
	if value == none {
		return otherwise
	}
	return value
}

// RoundTrip sends one request. It does not change the request, and closes its body, perhaps after it has returned.
//
// The end of the request's context closes the connection, also while the answer's body is read; the error is then the
// context's cause. An error has a method NothingSent() bool that says true where no byte of the request went out. A
// request is sent a second time, on a new connection, only if it has no body and the worker closed a kept connection
// before a byte of an answer; and then only if nothing was sent, or its method is GET, HEAD, OPTIONS or TRACE.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x, err := t.newExchange(r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	c := t.idle.take()
	var seen error // of a try that the worker may have seen: that a later one sent nothing does not hold for both
	for {
		kept := c != nil
		if !kept {
			if c, err = t.connect(x.ctx); err != nil {
				x.discard()
				return nil, cmp.Or(seen, err)
			}
		}
		response, err := x.over(c)
		if err == nil {
			return response, nil
		}
		if !kept || !x.repeatable(err) {
			x.discard()
			return nil, cmp.Or(seen, err)
		}
		if unsent := (*unsentError)(nil); !errors.As(err, &unsent) {
			seen = err
		}
		c = nil
	}
}

// connect dials.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	opened, err := t.dial(ctx)
	if err != nil {
		return nil, &unsentError{err}
	}
	return newConn(opened), nil
}

// CloseIdleConnections closes what no request uses, now, and every other connection when its request is over. None is
// kept from then on.
func (t *Transport) CloseIdleConnections() { t.idle.close() }

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}
