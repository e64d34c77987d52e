package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"workspace-router/internal/problem"
	"workspace-router/internal/telemetry"
)

// clientConn is a client's connection, below PROXY protocol and TLS. It knows whether a request is with the handler:
// what net/http writes while none is, is its own answer to something that was no request.
type clientConn struct {
	net.Conn
	front   *Front
	closed  atomic.Bool
	reading atomic.Bool // no request is with the handler
	begun   atomic.Bool // a byte of the next request has come
	told    atomic.Bool // that it could not be read is recorded
}

// Close closes the connection and gives its place to another, once.
func (c *clientConn) Close() error {
	if !c.closed.Swap(true) {
		c.front.open.Add(-1)
	}
	return c.Conn.Close()
}

// Write puts the router's own form of an error in the place of net/http's own, which is a line of text. It can do so
// only where it sees the answer in the clear.
func (c *clientConn) Write(p []byte) (int, error) {
	if !c.reading.Load() {
		return c.Conn.Write(p)
	}
	status := plainStatus(p)
	if status == 0 {
		return c.Conn.Write(p) // TLS, or the frames of HTTP/2
	}
	id := requestID(nil)
	c.record(id, status)
	if _, err := c.Conn.Write(unreadable(id, status)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadFrom lets the kernel copy where it can.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) {
	if from, ok := c.Conn.(io.ReaderFrom); ok {
		return from.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite ends what is sent, so that the client reads the last answer before the connection is reset.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// record keeps what is known of a request that was none.
func (c *clientConn) record(id string, status int) {
	if c.told.Swap(true) {
		return
	}
	p := problem.Unreadable(status)
	a := telemetry.Access{Start: time.Now(), RequestID: id, Status: p.Status, Code: p.Code}
	if address := addressOf(c.RemoteAddr()); address.IsValid() {
		a.Client = address.String()
	}
	c.front.Metrics.Unreadable.Inc()
	c.front.Metrics.Request("", p.Status, 0)
	c.front.Access.Write(&a)
}

// plainStatus is the status of an answer of HTTP/1.1 that begins here and is an error; 0 where none does.
func plainStatus(p []byte) int {
	rest, found := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !found || len(rest) < len("400") {
		return 0
	}
	status, err := strconv.Atoi(string(rest[:len("400")]))
	if err != nil || status < http.StatusBadRequest {
		return 0
	}
	return status
}

// unreadable is the whole answer to what could not be read as a request.
func unreadable(id string, status int) []byte {
	w := answerInMemory{header: http.Header{headerRequestID: {id}, "Connection": {"close"}}}
	problem.Unreadable(status).Write(&w, &http.Request{Method: http.MethodGet})
	return w.Bytes()
}

// answerInMemory takes an answer in the form of HTTP/1.1.
type answerInMemory struct {
	bytes.Buffer
	header http.Header
}

// Header gives the answer's headers.
func (a *answerInMemory) Header() http.Header { return a.header }

// WriteHeader writes the head.
func (a *answerInMemory) WriteHeader(status int) {
	fmt.Fprintf(a, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = a.header.Write(a) // into memory
	a.WriteString("\r\n")
}

type connKey struct{}

// withConn lets the handler find the connection that its request came by.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if own := clientConnOf(conn); own != nil {
		return context.WithValue(ctx, connKey{}, own)
	}
	return ctx
}

// clientConnOf finds the connection below TLS and the PROXY protocol; nil where it was not accepted by a Front.
func clientConnOf(conn net.Conn) *clientConn {
	for {
		switch c := conn.(type) {
		case *clientConn:
			return c
		case *tls.Conn:
			conn = c.NetConn()
		case *proxyproto.Conn:
			conn = c.Raw()
		default:
			return nil
		}
	}
}

// followConn follows what net/http does with a connection.
func followConn(conn net.Conn, state http.ConnState) {
	own := clientConnOf(conn)
	if own == nil {
		return
	}
	switch state {
	case http.StateNew, http.StateIdle:
		own.reading.Store(true)
		own.begun.Store(false)
	case http.StateActive:
		own.begun.Store(true)
	case http.StateClosed:
		// Where its answer was not seen, over TLS, or there was none, since it never came to its end.
		if own.begun.Load() && own.reading.Load() {
			own.record(requestID(nil), http.StatusBadRequest)
		}
	case http.StateHijacked:
	}
}

// marked tells the connection of each request that comes to the handler.
func marked(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own, ok := r.Context().Value(connKey{}).(*clientConn); ok && own.reading.Load() {
			own.reading.Store(false)
		}
		handler.ServeHTTP(w, r)
	})
}
