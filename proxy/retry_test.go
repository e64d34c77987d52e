package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// Nothing was sent to a launch that ended before, so the request goes to the next one; but only once.
func TestRetry_OnlyWhatWasNeverSent(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	tests := map[string]struct {
		first    error
		body     string
		status   int
		acquired int64
	}{
		"refused connection":              {dial, "body", 200, 2},
		"told by the pool":                {fmt.Errorf("gone: %w", workspace.ErrWorkerDied), "body", 200, 2},
		"told by the transport":           {notSent(true), "body", 200, 2},
		"told that it may have been":      {notSent(false), "body", 502, 1},
		"an error while it was read":      {&net.OpError{Op: "read", Err: errors.New("reset")}, "body", 502, 1},
		"an error while it was written":   {&net.OpError{Op: "write", Err: errors.New("reset")}, "", 502, 1},
		"an error that says nothing":      {io.ErrUnexpectedEOF, "", 502, 1},
		"the connection ended":            {io.EOF, "", 502, 1},
		"what the lease's end looks like": {errLeaseEnded, "body", 502, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			r.pool.failFirst(test.first)
			got := r.do(http.MethodPost, "/w/alpha/query", nil, test.body)
			if got.status != test.status || r.pool.acquired.Load() != test.acquired {
				t.Errorf("got %d %q after %d leases", got.status, got.body, r.pool.acquired.Load())
			}
			if test.status == 200 && got.body != "POST /query "+test.body {
				t.Errorf("got %q", got.body)
			}
			r.settled()
		})
	}
}

// A worker that was killed refuses connections a moment before its death is known.
func TestRetry_GoesToTheNextLaunchAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	var dead atomic.Bool
	r.pool.fails = func(lease int64) error {
		if dead.Load() {
			return nil
		}
		if lease == 1 {
			time.AfterFunc(20*time.Millisecond, func() {
				dead.Store(true)
				r.pool.lastLease().end()
			})
		}
		return &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	if got := r.do(http.MethodGet, "/w/alpha/query", nil, ""); got.status != 200 || r.pool.acquired.Load() != 2 {
		t.Errorf("got %d %q after %d leases", got.status, got.body, r.pool.acquired.Load())
	}
	r.settled()
}

func TestRetry_OnlyOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.pool.failAlways(notSent(true))
	if got := r.do(http.MethodPost, "/w/alpha/query", nil, "body"); got.status != 502 || got.code() != "worker_died" || r.pool.acquired.Load() != 2 {
		t.Errorf("got %d %q after %d leases", got.status, got.code(), r.pool.acquired.Load())
	}
	r.settled()
}

// A lease that was cut between its being taken and its use is replaced, too.
func TestRetry_ALeaseThatEndedBeforeItsUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.pool.endFirst()
	if got := r.do(http.MethodPost, "/w/alpha/query", nil, "body"); got.status != 200 || r.pool.acquired.Load() != 2 {
		t.Errorf("got %d after %d leases", got.status, r.pool.acquired.Load())
	}
	r.settled()
}

// What the pool says at the second attempt is what the client hears.
func TestRetry_TheSecondLeaseMayBeRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.pool.failFirst(notSent(true))
	first := true
	r.pool.refuse(func(context.Context, workspace.Ref, supervisor.Wish) error {
		if first {
			first = false
			return nil
		}
		return workspace.ErrCapacity
	})
	if got := r.do(http.MethodPost, "/w/alpha/query", nil, "body"); got.status != 503 || got.code() != "workspace_capacity_exhausted" {
		t.Errorf("got %d %q", got.status, got.code())
	}
	r.settled()
}

// notSent is an error that says whether something was sent.
type notSent bool

func (n notSent) Error() string     { return fmt.Sprintf("nothing sent: %v", bool(n)) }
func (n notSent) NothingSent() bool { return bool(n) }
