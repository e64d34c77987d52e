package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/problem"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
)

// recorder is the outermost step. It gives the request its id, turns an error or a panic into an answer, and writes the
// one line and the figures that are kept of a request.
type recorder struct {
	Observer
	next func(*exchange) error
}

// Observe records the requests of a handler outside the data plane, such as the operator's, in the same way.
func Observe(observer Observer, handler http.Handler) (http.Handler, error) {
	if err := observer.check(); err != nil {
		return nil, fmt.Errorf("cannot record requests: %w", err)
	}
	return &recorder{Observer: observer, next: func(x *exchange) error {
		x.record.Path = telemetry.SafePath(x.r.URL.Path)
		x.serveOwn(handler)
		return nil
	}}, nil
}

// serveOwn lets a handler of the router answer. It finds the request's id among the answer's headers, where
// problem.Write looks for what to name in an error's body, and leaves there what it refused for.
func (x *exchange) serveOwn(handler http.Handler) {
	x.w.Header()[headerRequestID] = x.header(x.record.RequestID)
	handler.ServeHTTP(&x.w, x.counted(x.r.Context()))
	x.record.Code = x.w.Header().Get(problem.Header)
}

// ServeHTTP serves one request.
func (c *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{r: r}
	x.w = writer{ResponseWriter: w, x: x}
	x.record = telemetry.Access{Start: time.Now(), RequestID: requestID(r.Header), Client: clientAddress(r), Method: r.Method}
	if r.Body != nil && r.Body != http.NoBody {
		x.body.ReadCloser = r.Body
		x.body.belongsTo(w)
	}
	c.Metrics.InFlight.Inc()
	defer c.finish(x)
	if err := c.next(x); err != nil {
		c.answer(x, err)
	}
}

// counted is the request with its body counted. It is a copy: the server's own request keeps its body, by whose type
// the server knows what to do with what nobody read, such as not to ask for it only to throw it away.
func (x *exchange) counted(ctx context.Context) *http.Request {
	r := x.r.WithContext(ctx)
	if x.body.ReadCloser != nil {
		r.Body = &x.body
	}
	return r
}

// clientAddress is the peer's address without its port: nothing that a client says about it counts.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// finish is deferred, so that a request that panics is recorded, too. http.ErrAbortHandler goes on: it is how net/http
// is told to cut the connection, so that a client sees that the answer is not whole.
func (c *recorder) finish(x *exchange) {
	caught := recover()
	if caught != nil {
		caught = c.recovered(x, caught)
	}
	if x.body.ReadCloser != nil {
		if x.r.ProtoMajor == 1 { // a stream of HTTP/2 ends with its handler
			x.body.linger()
		}
		x.body.leave()
	}
	x.record.Aborted = caught != nil
	c.write(x)
	if caught != nil {
		panic(caught)
	}
}

// recovered answers a panic of our own code, if that can still be done, and gives what is to go on.
func (c *recorder) recovered(x *exchange, caught any) any {
	if caught == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
		return caught
	}
	c.Metrics.Panics.Inc()
	c.Logger.Error("panic while serving a request", zap.String(telemetry.FieldRequestID, x.record.RequestID),
		zap.Any(telemetry.FieldError, caught), zap.ByteString(telemetry.FieldStack, debug.Stack()))
	if x.w.status != 0 {
		return http.ErrAbortHandler
	}
	c.answer(x, errors.New("the router failed"))
	return nil
}

// write records the request once it is over.
func (c *recorder) write(x *exchange) {
	a := &x.record
	a.Status, a.BytesIn, a.BytesOut = x.w.status, x.body.read.Load(), x.w.bytes
	if conn := x.w.hijacked; conn != nil {
		a.BytesIn, a.BytesOut = a.BytesIn+conn.read.Load(), a.BytesOut+conn.written.Load()
	}
	switch {
	case a.Status != 0:
	case a.Aborted || a.Code == "" && x.r.Context().Err() != nil:
		a.Status = problem.StatusClientClosed
	default:
		a.Status = http.StatusOK // net/http sends it for a handler that wrote nothing
	}
	a.Duration = time.Since(a.Start)
	c.Access.Write(a)
	c.Metrics.InFlight.Dec()
	c.Metrics.Request(a.Class, a.Status, a.Duration)
	c.Metrics.BytesIn.Add(float64(a.BytesIn))
	c.Metrics.BytesOut.Add(float64(a.BytesOut))
	if a.Waited > 0 {
		c.Metrics.Waits.Observe(a.Waited.Seconds())
	}
}

// answer writes the router's own error. An answer that has begun can only be cut off.
func (c *recorder) answer(x *exchange, err error) {
	if problem.Silent(err) {
		x.w.status = max(x.w.status, problem.StatusClientClosed)
		panic(http.ErrAbortHandler) // nobody listens; the connection is of no use any more
	}
	p := problem.Of(err)
	if x.operates() {
		p = problem.ForOperator(err)
	}
	x.record.Code = p.Code
	c.Metrics.Problem(p.Code)
	c.log(x, p, err)
	if x.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	x.body.linger()
	h := x.w.Header()
	clear(h) // nothing of a worker's half answer goes with ours
	h[headerRequestID] = x.header(x.record.RequestID)
	if p.Status == http.StatusRequestTimeout && x.r.ProtoMajor == 1 {
		h.Set("Connection", "close") // in the midst of a body no other request can begin
	}
	p.Write(&x.w, x.r)
}

// operates reports whether the principal may read why the workspace fails.
func (x *exchange) operates() bool {
	return x.principal != nil && x.resolved() && x.principal.May(x.workspace.Ref, workspace.WorkspaceOperate)
}

// log keeps the causes that nobody else keeps; the client is only told the code and the request's id. Why a worker did
// not start, or found no room, the supervisor has said once for all who waited.
func (c *recorder) log(x *exchange, p problem.Problem, err error) {
	if p.Status != http.StatusInternalServerError && !errors.Is(err, workspace.ErrWorkerDied) && !errors.Is(err, workspace.ErrCatalogUnavailable) {
		return
	}
	c.Logger.Warn("cannot serve a request",
		zap.String(telemetry.FieldRequestID, x.record.RequestID), zap.String(telemetry.FieldCode, p.Code),
		zap.String(telemetry.FieldTenant, x.record.Tenant), zap.String(telemetry.FieldWorkspace, x.record.Workspace),
		zap.String(telemetry.FieldLaunch, x.record.Launch), zap.Error(err))
}
