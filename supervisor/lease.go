package supervisor

import (
	"net/http"
	"sync/atomic"
	"time"

	"workspace-router/internal/kind"
)

// Lease is the right to send one request, or to hold one open stream, to a launch. It pins the launch until Release.
// Its methods may be called from any goroutine.
type Lease struct {
	launch    *launch
	principal string
	waited    time.Duration
	active    bool
	released  atomic.Bool
	lastByte  atomic.Int64 // of the answer, on the pool's clock; 0 while the answer has not begun
	body      stream       // the answer's body; here so that it costs no allocation

	// Guarded by the mutex of the lease set's shard.
	shard      uint8
	over       bool
	ended      chan struct{}
	onEnded    func()
	prev, next *Lease
}

// lease takes a lease on the launch, unless it is closed. It was counted for the tenant: see take.
func (l *launch) lease(principal string, active bool) (*Lease, bool) {
	w, ok := l.gate.lease(active)
	if !ok {
		return nil, false
	}
	return l.newLease(principal, active, w.epoch()), true
}

// newLease makes the lease that the launch's word counts already.
func (l *launch) newLease(principal string, active bool, spread uint32) *Lease {
	lease := &Lease{launch: l, principal: principal, active: active, shard: uint8(spread % leaseShards)}
	l.leases.add(lease)
	return lease
}

// Launch names the launch that the lease is on.
func (l *Lease) Launch() LaunchID { return l.launch.id }

// Kind is the profile that the launch was started with, whatever has become of the configuration since.
func (l *Lease) Kind() *kind.Kind { return l.launch.kind }

// Waited is how long the request waited for its worker; 0 where it was ready.
func (l *Lease) Waited() time.Duration { return l.waited }

// Upstream carries requests to the worker, with the worker's own credential added. It does not change the request it
// is given. An answer's body counts as progress of the stream: see Config.StreamIdle.
func (l *Lease) Upstream() http.RoundTripper { return (*upstream)(l) }

// Ended is closed when the worker died or the lease was cut: the request must end, and Release must still be called.
func (l *Lease) Ended() <-chan struct{} { return l.launch.leases.endedOf(l) }

// OnEnded has f called once when Ended would be closed, at once where it is already; not any more after Release, but a
// call may then be under way. It costs less than a goroutine that waits for Ended. f must not block. A second call
// replaces the first.
func (l *Lease) OnEnded(f func()) {
	if l.launch.leases.onEnded(l, f) {
		f()
	}
}

// Release ends the lease. It may be called more than once.
func (l *Lease) Release() {
	if l.released.Swap(true) {
		return
	}
	launch := l.launch
	launch.leases.remove(l)
	if l.active {
		// S3: before the count goes down, so that an eviction that finds no lease finds this end, too.
		launch.endAt(launch.pool.now())
	}
	launch.giveBack()
	w := launch.gate.release()
	if w.leases() == 0 && (w.closed() || launch.pool.hungry.Load()) {
		launch.pool.onRest(launch)
	}
}

// endAt moves lastEnd forward; ends that happen together may come here in any order.
func (l *launch) endAt(now int64) {
	for {
		seen := l.lastEnd.Load()
		if now <= seen || l.lastEnd.CompareAndSwap(seen, now) {
			return
		}
	}
}

// upstream is a Lease as a RoundTripper.
type upstream Lease

// RoundTrip sends one request to the worker.
func (u *upstream) RoundTrip(request *http.Request) (*http.Response, error) {
	lease := (*Lease)(u)
	launch := lease.launch
	select {
	case <-launch.done:
		return nil, &EndedError{Workspace: launch.ref, Launch: launch.id}
	default:
	}
	response, err := launch.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if !launch.firstByte.Load() && !launch.firstByte.Swap(true) {
		launch.pool.onFirstByte(launch)
	}
	lease.watch(response)
	return response, nil
}
