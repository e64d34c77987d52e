package supervisor

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// upgrade has the lease's worker change to another protocol, and gives the connection.
func upgrade(t *testing.T, lease *Lease) io.ReadWriteCloser {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://worker/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := lease.Upstream().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.Body.(io.ReadWriteCloser)
}

// switching is a worker that changes to another protocol and then says nothing.
func switching(d *Deps) {
	d.NewTransport = func(Endpoint) Transport {
		return transportFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: &hijacked{Reader: strings.NewReader("")}}, nil
		})
	}
}

// TestCase10_WhatCountsAsIdle is case 10: whoever is there without a word counts, and who is there no more does not.
// One worker has the only room; another workspace wants it 20 minutes later.
func TestCase10_WhatCountsAsIdle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		class   kind.Class
		use     func(*testing.T, *Lease)
		evicted bool
	}{
		"an open connection on which one writes": {kind.Active, func(t *testing.T, l *Lease) {
			connection := upgrade(t, l)
			pass(10 * time.Minute)
			if _, err := io.WriteString(connection, "still here"); err != nil {
				t.Error(err)
			}
			pass(10 * time.Minute)
		}, false},
		"an open connection whose other end is gone": {kind.Active, func(t *testing.T, l *Lease) {
			upgrade(t, l)
			pass(20 * time.Minute)
		}, true},
		"a silent request in the background": {kind.Passive, func(*testing.T, *Lease) { pass(20 * time.Minute) }, false},
		"a request in the background that has ended": {kind.Passive, func(_ *testing.T, l *Lease) {
			l.Release()
			pass(20 * time.Minute)
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubbleOf(t, testConfig(1), switching, func(b *bench) {
				lease, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{Class: test.class})
				if err != nil {
					t.Fatal(err)
				}
				test.use(t, lease)
				o := <-b.ask("b", Wish{})
				if evicted := o.err == nil; evicted != test.evicted {
					t.Errorf("evicted: %v (%v), want %v", evicted, o.err, test.evicted)
				}
				if o.err != nil && !errors.Is(o.err, workspace.ErrCapacity) {
					t.Errorf("got %v, want ErrCapacity", o.err)
				}
				lease.Release()
				if o.lease != nil {
					o.lease.Release()
				}
			})
		})
	}
}

// TestCase10_IdleTimeoutHeedsEveryLease: a time-out ends no connection, however long nothing moves on it.
func TestCase10_IdleTimeoutHeedsEveryLease(t *testing.T) {
	t.Parallel()
	cfg := testConfig(3)
	cfg.IdleTimeout = time.Minute
	bubbleOf(t, cfg, switching, func(b *bench) {
		socket := b.get("a")
		upgrade(t, socket)
		background, err := b.pool.Acquire(context.Background(), refOf("b"), Wish{Class: kind.Passive})
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		b.wantState("a", StateReady)
		b.wantState("b", StateReady)
		socket.Release()
		background.Release()
		pass(2 * time.Minute)
		b.wantState("a", StateCold)
		b.wantState("b", StateCold)
	})
}
