package proxy

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"workspace-router/internal/workspace"
)

// The headers by which the router speaks to clients, in the form that net/http keeps them in.
const (
	headerRequestID   = "X-Request-Id"
	headerWorkspace   = "Lightrag-Workspace"
	headerWorkspaceID = "X-Workspace-Id"
	headerApplied     = "Preference-Applied"
)

// varyBySelection says on what a request without a selector in its path or host depends.
const varyBySelection = "LIGHTRAG-WORKSPACE, X-Workspace-ID"

// writer is the client's side. It counts, remembers whether an answer has begun, and adds the router's own headers at
// the last moment: the headers of a worker's interim answers are cleared away by then.
type writer struct {
	http.ResponseWriter
	x        *exchange
	status   int // 0: the answer has not begun
	bytes    int64
	hijacked *countedConn
}

// WriteHeader begins the answer, unless the status is an interim one.
func (w *writer) WriteHeader(status int) {
	switch {
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		cleanResponse(w.Header())
	case w.status == 0:
		w.status = status
		w.stamp()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Identified is how a handler that authenticates by itself tells the record who asks.
func (w *writer) Identified(principal *workspace.Principal) {
	if principal != nil {
		w.x.record.Principal = principal.ID
	}
}

// Unwrap lets http.ResponseController reach what this writer does not do itself.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError sends what is buffered.
func (w *writer) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush sends what is buffered; the form that older code looks for.
func (w *writer) Flush() { _ = w.FlushError() }

// Hijack hands over the connection, counted, for another protocol.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.status = http.StatusSwitchingProtocols
	w.hijacked = &countedConn{Conn: conn}
	w.stamp()
	return w.hijacked, buffered, nil
}

// stamp adds the router's own headers to an answer, whoever wrote it.
func (w *writer) stamp() {
	h, x := w.Header(), w.x
	h[headerRequestID] = x.header(x.record.RequestID)
	if x.waits > 0 {
		h[headerApplied] = append(h[headerApplied], "wait="+strconv.Itoa(int(x.waits-1)))
	}
	if x.session != "" {
		h["Vary"] = append(h["Vary"], "Cookie")
	}
	if x.resolved() {
		h[headerWorkspace] = x.header(x.workspace.String())
		if x.bare {
			if h["Vary"] == nil {
				h["Vary"] = x.header(varyBySelection)
			} else {
				h["Vary"] = append(h["Vary"], varyBySelection)
			}
		}
	}
}

// countedConn counts what goes over a connection after a change of protocol.
type countedConn struct {
	net.Conn
	read, written atomic.Int64
}

// Read counts.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// Write counts.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}
