package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/proxy/transport"
	"workspace-router/supervisor"
)

// fakePool has one worker per workspace, on a Unix socket, and counts leases.
type fakePool struct {
	tb     testing.TB
	worker http.HandlerFunc
	// standard has workers reached by net/http's own transport.
	standard bool

	mu      sync.Mutex
	workers map[workspace.Generation]*fakeWorker
	wishes  []supervisor.Wish
	kind    *kind.Kind                                                               // of every lease
	before  func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) error // may refuse
	last    *fakeLease
	fails   func(lease int64) error // what the transport of the nth lease says instead of sending
	ends    func(lease int64) bool  // whether the nth lease has ended when it is taken

	acquired, released, again atomic.Int64
}

type fakeWorker struct {
	socket    string
	launch    supervisor.LaunchID
	server    *http.Server
	transport supervisor.Transport
}

func newFakePool(tb testing.TB, worker http.HandlerFunc) *fakePool {
	p := &fakePool{tb: tb, worker: worker, workers: map[workspace.Generation]*fakeWorker{}}
	tb.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range p.workers {
			w.transport.CloseIdleConnections()
			w.server.Close()
		}
	})
	return p
}

func (p *fakePool) Acquire(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (Lease, error) {
	p.mu.Lock()
	before := p.before
	p.wishes = append(p.wishes, wish)
	p.mu.Unlock()
	if before != nil {
		if err := before(ctx, ref, wish); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[ref.Generation]
	if w == nil {
		w = p.startLocked(ref)
	}
	n := p.acquired.Add(1)
	lease := &fakeLease{pool: p, launch: w.launch, kind: p.kind, transport: w.transport}
	if p.ends != nil {
		lease.ended = p.ends(n)
	}
	if p.fails != nil {
		if err := p.fails(n); err != nil {
			lease.transport = failing{err}
		}
	}
	p.last = lease
	return lease, nil
}

// failing is a transport that sends nothing, and closes the body as transports do.
type failing struct{ err error }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, f.err
}

func (p *fakePool) failFirst(err error) {
	p.fails = func(lease int64) error {
		if lease == 1 {
			return err
		}
		return nil
	}
}

func (p *fakePool) failAlways(err error) { p.fails = func(int64) error { return err } }

func (p *fakePool) endFirst() { p.ends = func(lease int64) bool { return lease == 1 } }

func (p *fakePool) startLocked(ref workspace.Ref) *fakeWorker {
	p.tb.Helper()
	socket := filepath.Join(p.tb.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		p.tb.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Worker-Of", string(ref.Generation))
		p.worker(w, r)
	})
	w := &fakeWorker{
		socket: socket, launch: supervisor.LaunchID(fmt.Sprintf("launch%d", len(p.workers))),
		server: &http.Server{Handler: handler},
	}
	if p.standard {
		w.transport = &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}
	} else if w.transport, err = transport.New(transport.Config{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}); err != nil {
		p.tb.Fatal(err)
	}
	go func() { _ = w.server.Serve(listener) }()
	p.workers[ref.Generation] = w
	return w
}

func (p *fakePool) refuse(before func(context.Context, workspace.Ref, supervisor.Wish) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = before
}

// launchWith says which profile the launches are of, unless one was said before.
func (p *fakePool) launchWith(profile *kind.Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kind == nil {
		p.kind = profile
	}
}

func (p *fakePool) lastLease() *fakeLease {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *fakePool) wished() []supervisor.Wish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]supervisor.Wish(nil), p.wishes...)
}

type fakeLease struct {
	pool      *fakePool
	launch    supervisor.LaunchID
	kind      *kind.Kind
	transport http.RoundTripper

	mu       sync.Mutex
	ended    bool
	onEnded  func()
	released bool
}

func (l *fakeLease) Launch() supervisor.LaunchID { return l.launch }
func (l *fakeLease) Kind() *kind.Kind            { return l.kind }
func (l *fakeLease) Waited() time.Duration       { return 0 }
func (l *fakeLease) Upstream() http.RoundTripper { return l.transport }

func (l *fakeLease) OnEnded(f func()) {
	l.mu.Lock()
	ended := l.ended
	l.onEnded = f
	l.mu.Unlock()
	if ended {
		f()
	}
}

// end is what the pool does when the launch dies or the lease is cut.
func (l *fakeLease) end() {
	l.mu.Lock()
	l.ended = true
	f := l.onEnded
	l.mu.Unlock()
	if f != nil {
		f()
	}
}

func (l *fakeLease) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		l.pool.again.Add(1)
		return
	}
	l.released = true
	l.pool.released.Add(1)
}
