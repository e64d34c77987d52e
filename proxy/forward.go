package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"

	"workspace-router/internal/kind"
	"workspace-router/internal/problem"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
	"workspace-router/proxy/transport"
)

// forward leases a worker, sends it the request and its answer to the client. The lease lasts until the answer's last
// byte, and is given back whichever way this ends, by a panic too: net/http is told by one to cut a connection.
func (c *chain) forward(x *exchange) error {
	defer x.release()
	if err := c.acquire(x); err != nil {
		return c.coldInstead(x, err)
	}
	if x.body.ReadCloser != nil {
		// A worker may answer before it has read the whole body, and its answer must not wait for the rest. Where that
		// cannot be had, as over HTTP/2 where it is so anyway, there is nothing to be done about it.
		_ = http.NewResponseController(x.w.ResponseWriter).EnableFullDuplex()
	}
	c.reverse.ServeHTTP(&x.w, x.counted(&exchangeContext{Context: x.r.Context(), x: x}))
	if x.failure != nil {
		return c.coldInstead(x, x.failure)
	}
	return nil
}

// coldInstead lets the kind's own answer stand in where no worker runs and the route starts none.
func (c *chain) coldInstead(x *exchange, err error) error {
	if errors.Is(err, workspace.ErrCold) && x.route.Class == kind.Never && x.route.Cold != nil {
		x.answerCold()
		return nil
	}
	return err
}

const copyBuffer = 32 << 10

// buffers are what answers are copied through.
type buffers struct{ pool sync.Pool }

// Get gives a buffer of copyBuffer bytes.
func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return buffer[:]
	}
	return make([]byte, copyBuffer)
}

// Put takes one back.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[copyBuffer]byte)(buffer)) }

func (c *chain) newReverse() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:   c.rewrite,
		Transport: &upstream{chain: c},
		// An answer's bytes go on as they come: where the length is not known httputil sees to it, else relay.
		FlushInterval:  0,
		ErrorLog:       telemetry.StandardLog(c.deps.Observer.Logger.Named("forward")),
		BufferPool:     &buffers{},
		ModifyResponse: modifyResponse,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			x := exchangeOf(r.Context())
			x.failure = x.explain(err)
		},
	}
}

// explain finds out whose fault it is that a request could not be forwarded: the client's, who went or whose body is
// wrong, the time's, or the worker's.
func (x *exchange) explain(err error) error {
	switch cause := x.attemptCause(); {
	case errors.Is(cause, workspace.ErrBodySlow):
		return cause // for whose sake the reading was cut, which net/http takes for a client that has gone
	case x.r.Context().Err() != nil:
		return fmt.Errorf("the client has gone: %w", context.Canceled)
	case errors.Is(cause, errLeaseEnded):
		return died(cause)
	case errors.Is(cause, workspace.ErrTimeout):
		return cause
	}
	if fault := x.body.failure(); fault != nil {
		return explainBody(fault)
	}
	if errors.Is(err, transport.ErrRequest) {
		return fmt.Errorf("%w: %w", problem.ErrBadRequest, transport.ErrRequest) // it may quote what the log must not have
	}
	if problem.Of(err).Code != "internal" {
		return err // from the pool, at a second attempt
	}
	return died(err)
}

// explainBody says what was wrong with a client's body.
func explainBody(fault error) error {
	var (
		tooLarge *http.MaxBytesError
		network  net.Error
	)
	switch {
	case errors.As(fault, &tooLarge):
		return fmt.Errorf("%w: more than %d bytes", workspace.ErrBodyTooLarge, tooLarge.Limit)
	case errors.Is(fault, io.ErrUnexpectedEOF), errors.As(fault, &network):
		return fmt.Errorf("the client has gone: %w", context.Canceled)
	}
	return fmt.Errorf("%w: the body cannot be read", problem.ErrBadRequest)
}

// attemptCause is why the present attempt was ended, if it was.
func (x *exchange) attemptCause() error {
	if x.attempt == nil {
		return nil
	}
	return context.Cause(x.attempt)
}
