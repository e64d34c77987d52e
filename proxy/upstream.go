package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"workspace-router/internal/workspace"
	"workspace-router/proxy/transport"
)

// upstream sends requests by the lease of their exchange.
type upstream struct{ chain *chain }

// RoundTrip sends the request, and once more by a lease on another launch where the first ended before anything of the
// request had reached it. What may have been seen by a worker is never sent twice.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	response, err := u.attempt(x, r)
	if err == nil || !nothingSent(err) || errors.Is(err, transport.ErrRequest) || x.body.read.Load() > 0 || x.r.Context().Err() != nil {
		return response, err
	}
	u.chain.deps.Observer.Metrics.Retries.Inc()
	x.awaitEnd(err)
	x.release()
	x.lease, x.cancel, x.attempt = nil, nil, nil
	profile := x.kind
	if err := u.chain.acquire(x); err != nil {
		return nil, err
	}
	if x.kind != profile { // by which the request was made ready for the worker
		return nil, died(errProfileChanged)
	}
	return u.attempt(x, r)
}

// deathNotice is how long it may take until the death of a worker is known that refuses connections already.
const deathNotice = 500 * time.Millisecond

// awaitEnd waits, after a connection that was refused, for the end of the launch that refused it: until that is known,
// another lease would be one on the same.
func (x *exchange) awaitEnd(err error) {
	if errors.Is(err, workspace.ErrWorkerDied) {
		return // it is known
	}
	timer := time.NewTimer(deathNotice)
	defer timer.Stop()
	select {
	case <-x.attempt.Done(): // with the lease, or with the client
	case <-timer.C:
	}
}

// errLeaseEnded ends an attempt whose launch died or whose lease was cut. It is a value of its own, so that it cannot
// be taken for a pool's word that nothing was sent: by then everything may have been.
var errLeaseEnded = errors.New("the lease has ended")

// errProfileChanged ends a request whose worker died and was followed by one of another profile.
var errProfileChanged = errors.New("the worker that followed is of another profile")

// errNeverSent says that the lease had ended before the attempt began.
var errNeverSent = fmt.Errorf("%w: the lease had ended before the request was sent", workspace.ErrWorkerDied)

// attempt is one try. Its context ends with the client's, with the lease, and when the answer does not begin in time.
func (u *upstream) attempt(x *exchange, r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	x.attempt, x.cancel = ctx, cancel
	x.lease.OnEnded(func() { cancel(errLeaseEnded) })
	if errors.Is(context.Cause(ctx), errLeaseEnded) {
		return nil, errNeverSent
	}
	timer := x.answerTimer(u.chain.AnswerTimeout, cancel)
	defer timer.Stop()
	sent := r.WithContext(ctx)
	if r.Body != nil {
		sent.Body = unclosed{r.Body}
	}
	response, err := x.lease.Upstream().RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		// The transport has let go of this connection, so the end of the lease must close it by itself.
		body := response.Body
		context.AfterFunc(ctx, func() { body.Close() })
	}
	response.Request = r // whose context the rest of the way knows
	return response, nil
}

// answerTimer ends the attempt when no answer has begun within patience of the body's last byte, since a slow upload is
// no slow worker, or when the client takes too long over its body.
func (x *exchange) answerTimer(patience time.Duration, cancel context.CancelCauseFunc) *time.Timer {
	const never = time.Duration(1<<63 - 1)
	began := time.Now()
	var timer *time.Timer
	timer = time.AfterFunc(never, func() {
		client, slow := x.watchBody()
		switch silence := cmp.Or(x.body.quiet(), time.Since(began)); {
		case slow:
			cancel(fmt.Errorf("%w: %d bytes have come", workspace.ErrBodySlow, x.body.read.Load()))
			x.body.cut()
		case client > 0:
			timer.Reset(client)
		case silence < patience:
			timer.Reset(x.nextLook(patience - silence))
		default:
			cancel(fmt.Errorf("%w: no answer began within %v", workspace.ErrTimeout, patience))
		}
	})
	timer.Reset(x.nextLook(patience)) // only now, when the function can see the variable
	return timer
}

// nextLook is when the attempt is looked at again, at the latest after left.
func (x *exchange) nextLook(left time.Duration) time.Duration {
	if x.body.ReadCloser == nil || x.body.ended.Load() {
		return left
	}
	return min(left, x.settings.BodyTimeout)
}

// watchBody reports whether the client has taken too long over its body, and how much longer it may be waited for; 0
// where it is not waited for.
func (x *exchange) watchBody() (left time.Duration, slow bool) {
	if x.body.ReadCloser == nil || x.body.ended.Load() {
		return 0, false
	}
	left, waiting := x.body.left(x.settings.BodyTimeout)
	if !waiting {
		return 0, false
	}
	return max(left, 0), left <= 0
}

// unclosed keeps a transport that could not send a body from closing it: a second attempt may.
type unclosed struct{ io.Reader }

// Close does nothing; the body is closed when the request ends.
func (unclosed) Close() error { return nil }

// nothingSent reports whether an attempt failed before a byte of the request went out.
func nothingSent(err error) bool {
	if errors.Is(err, workspace.ErrWorkerDied) {
		return true // the launch had ended before the request came to it
	}
	var told interface{ NothingSent() bool }
	if errors.As(err, &told) {
		return told.NothingSent()
	}
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}
