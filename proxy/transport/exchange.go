package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
)

// maxInterim bounds the interim answers to one request.
const maxInterim = 1000

// errClosed is why nothing can be read from a body that was closed.
var errClosed = http.ErrBodyReadAfterClose

// exchange is one request and its answer on one connection. It belongs to the goroutine that calls RoundTrip and, after
// that, to the answer's body; the request's body is sent by its upload.
type exchange struct {
	t       *Transport
	request *http.Request
	ctx     context.Context // the request's
	out     outgoing
	conn    *conn
	in      reader
	unwatch func() bool // ends the watch over the context; false if the connection was, or is being, closed by it
	upload  *upload     // nil where the request has no body
	decided atomic.Bool // somebody decided what becomes of the connection

	head     bool // it is a HEAD request
	upgrades bool // it asks for another protocol
	lastUse  bool // the connection cannot be used again
	framing  framing
	response http.Response
	body     body
}

// newExchange writes the request's head.
func (t *Transport) newExchange(r *http.Request) (*exchange, error) {
	x := &exchange{t: t, request: r, ctx: r.Context(), head: r.Method == http.MethodHead, lastUse: r.Close}
	if x.ctx.Err() != nil {
		return nil, &unsentError{context.Cause(x.ctx)}
	}
	length := bodyLength(r)
	x.out = newOutgoing()
	head, err := t.writeHead(x.out.buf, r, length)
	if err != nil {
		x.out.release()
		return nil, err
	}
	if x.out.buf = head; cap(head) != writeBuffer {
		x.out.release() // it had to grow
		x.out.buf = head
	}
	x.upgrades = len(r.Header["Upgrade"]) > 0
	if length != 0 {
		x.upload = newUpload(r, length)
	}
	return x, nil
}

// discard ends an exchange that failed.
func (x *exchange) discard() {
	x.in.release()
	if x.upload == nil || !x.upload.started {
		x.out.release()
		closeBody(x.request)
	}
}

// over sends the request over a connection and waits for the head of the answer.
func (x *exchange) over(c *conn) (*http.Response, error) {
	x.conn, x.in.src = c, c
	x.unwatch = context.AfterFunc(x.ctx, c.abort)
	err := x.send()
	if err == nil {
		err = x.receive()
	}
	if err != nil {
		x.unwatch()
		c.Close()
		return nil, x.explain(err)
	}
	return &x.response, nil
}

// send writes a request without a body, and has one with a body written.
func (x *exchange) send() error {
	if x.upload != nil {
		x.upload.start(x.conn, x.out)
		return nil
	}
	n, err := x.conn.Write(x.out.buf)
	if err != nil {
		err = fmt.Errorf("cannot send the request: %w", err)
		if n == 0 {
			return &unsentError{err}
		}
	}
	return err
}

// explain finds out why the exchange failed: the caller ended it, the request's body could not be read, or the
// connection broke.
func (x *exchange) explain(err error) error {
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	if x.upload != nil {
		if failure := x.upload.failure(); failure != nil {
			return failure
		}
	}
	return err
}

// repeatable reports whether the request may go over another connection: the kept one was closed by the worker.
func (x *exchange) repeatable(err error) bool {
	if x.upload != nil || x.in.any || x.ctx.Err() != nil || errors.Is(err, ErrAnswer) {
		return false
	}
	var unsent *unsentError
	if errors.As(err, &unsent) {
		return true
	}
	switch x.request.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// receive reads heads until the one of the final answer.
func (x *exchange) receive() error {
	for range maxInterim {
		if err := x.readHead(); err != nil {
			return fmt.Errorf("cannot read the answer: %w", err)
		}
		status := x.response.StatusCode
		if status == http.StatusSwitchingProtocols {
			return x.switchProtocols()
		}
		if status >= 200 {
			return x.begin()
		}
		if err := x.interim(); err != nil {
			return err
		}
	}
	return refusedf("it has more than %d interim answers", maxInterim)
}

// interim passes an interim answer to whoever asked for them.
func (x *exchange) interim() error {
	status := x.response.StatusCode
	if status == http.StatusContinue && x.upload != nil {
		x.upload.mayGoOn()
	}
	if trace := httptrace.ContextClientTrace(x.ctx); trace != nil && trace.Got1xxResponse != nil {
		return trace.Got1xxResponse(status, textproto.MIMEHeader(x.response.Header))
	}
	return nil
}

// begin makes the answer of its head.
func (x *exchange) begin() error {
	if err := x.frame(); err != nil {
		return err
	}
	if x.upload != nil {
		x.upload.answered()
	} else {
		x.out.release() // it is not sent again
	}
	x.response.Request = x.request
	if x.framing == noBody {
		x.response.Body = http.NoBody
		x.finish(true)
		return nil
	}
	x.body.x, x.body.left = x, x.response.ContentLength
	x.response.Body = &x.body
	return nil
}

// finish ends the exchange: the connection is kept if the answer was read whole and nothing is left on it, of the
// request or of the worker's. It is called once, by the exchange's own goroutine or the body's reader.
func (x *exchange) finish(whole bool) {
	first := !x.decided.Swap(true)
	clean := x.in.r == x.in.w
	x.in.release()
	if !first {
		x.unwatch()
		return // the body was closed, and the connection with it
	}
	sent := x.upload == nil || x.upload.complete()
	if x.unwatch() && whole && clean && sent && !x.lastUse {
		x.t.idle.keep(x.conn)
		return
	}
	x.conn.Close()
}
