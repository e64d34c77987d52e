package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// worker is one launch as the router sees it. What happens to it comes from the keeper, by the on… methods, which the
// one goroutine calls that reads from the keeper.
type worker struct {
	driver *Driver
	spec   supervisor.Spec
	values values
	ports  []int
	header http.Header // what each request carries; holds the secret
	notify *notifier   // nil where the kind cannot say that it is ready

	settled chan struct{} // closed when the program runs or was refused
	exited  chan struct{} // closed when the root process is known to have ended
	gone    chan struct{} // closed when nothing is left

	mu      sync.Mutex // guards what follows
	link    *link      // whose keeper holds the launch
	spawned *keeper.Spawned
	refused *keeper.Refused
	status  keeper.Status // valid after exited
	exit    supervisor.Exit
	notGone chan struct{} // closed, and replaced, when the keeper says that something is left
	ready   bool
	stopped bool            // a stop was asked for here
	over    bool            // gone is closed, or about to be
	peers   map[int]proc.ID // processes that were proven to listen for this launch, by pid

	memo            memo          // what the next router is to know
	requests        int           // that a leaving router still has on it
	requestsChanged chan struct{} // closed, and replaced, when that is another number

	preloads bool // it is a preloader, which is nobody's worker

	// Of one that another router has started; set before it is in the table.
	survivor bool
	unfit    error // why it cannot be taken over
}

var _ supervisor.Survivor = (*worker)(nil)

func newWorker(d *Driver, l *link, spec supervisor.Spec, v values, ports []int, header http.Header) *worker {
	return &worker{
		driver: d, link: l, spec: spec, values: v, ports: ports, header: header,
		settled: make(chan struct{}), exited: make(chan struct{}), gone: make(chan struct{}), notGone: make(chan struct{}),
		peers: map[int]proc.ID{}, requestsChanged: make(chan struct{}),
	}
}

// Spec gives what the worker was started with.
func (w *worker) Spec() supervisor.Spec { return w.spec }

// Gone is closed when the keeper has proven that nothing of the launch is left.
func (w *worker) Gone() <-chan struct{} { return w.gone }

// Exit is valid after Gone.
func (w *worker) Exit() supervisor.Exit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exit
}

// Endpoint gives a place of a worker that was proven.
func (w *worker) Endpoint(name string) (supervisor.Endpoint, bool) {
	endpoint, found := w.spec.Kind.Endpoints[name]
	w.mu.Lock()
	ready := w.ready
	w.mu.Unlock()
	if !found || !ready {
		return supervisor.Endpoint{}, false
	}
	scheme := name
	if name == kind.HTTPEndpoint {
		scheme = "http"
	}
	return supervisor.Endpoint{Dial: w.dialer(name, endpoint), Scheme: scheme, Host: endpoint.Host, Header: w.header.Clone()}, true
}

// Stop asks the keeper for the launch's end and waits for its word.
func (w *worker) Stop(ctx context.Context, force bool) error {
	w.mu.Lock()
	w.stopped = true
	notGone := w.notGone
	w.mu.Unlock()
	for asked := (*link)(nil); ; {
		holder := w.holder()
		if holder != asked {
			asked = holder
			// A keeper that is dead cannot take it. Its successor reaps the launch, or takes it over and is asked then.
			_ = holder.send(keeper.Message{Nonce: w.values.nonce, Stop: &keeper.Stop{Launch: string(w.spec.Launch), Force: force}})
		}
		select {
		case <-w.gone:
			return nil
		default:
		}
		changed := w.driver.linkChange()
		if holder != w.holder() {
			continue
		}
		select {
		case <-w.gone:
			return nil
		case <-notGone:
			return fmt.Errorf("cannot stop launch %s: %w", w.spec.Launch, supervisor.ErrNotGone)
		case <-changed:
		case <-ctx.Done():
			if closed(w.gone) { // both at once
				return nil
			}
			return fmt.Errorf("cannot stop launch %s in time: %w (%w)", w.spec.Launch, supervisor.ErrNotGone, context.Cause(ctx))
		}
	}
}

// holder is the link to the keeper that has the launch, or had it last.
func (w *worker) holder() *link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link
}

func (d *Driver) linkChange() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (w *worker) onSpawned(s keeper.Spawned) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if closed(w.settled) { // told of before, or another router's
		return
	}
	w.spawned = &s
	close(w.settled)
}

// onRefused ends a launch that never ran. Nothing of it is left.
func (w *worker) onRefused(r keeper.Refused) {
	w.mu.Lock()
	if !closed(w.settled) {
		w.refused = &r
		close(w.settled)
	}
	w.mu.Unlock()
	w.onGone(keeper.Gone{Status: keeper.Status{Code: -1, At: time.Now()}, Proof: "never ran"})
}

func (w *worker) onExited(status keeper.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteExitLocked(status)
}

func (w *worker) noteExitLocked(status keeper.Status) {
	select {
	case <-w.exited:
	default:
		w.status = status
		close(w.exited)
	}
}

func (w *worker) onNotGone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.notGone)
	w.notGone = make(chan struct{})
}

func (w *worker) onGone(g keeper.Gone) {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.over = true
	w.noteExitLocked(g.Status)
	w.exit = supervisor.Exit{
		At: w.status.At, Code: w.status.Code, Signal: w.status.Signal,
		Expected: g.Asked || w.stopped, Proof: g.Proof, LastLog: g.LastLog, OutOfMemory: w.status.OutOfMemory,
	}
	w.mu.Unlock()
	w.notify.close()
	w.driver.strike(w)
	close(w.gone)
}

// orphaned notes that the launch's keeper is dead. The kernel kills the root process with it.
func (w *worker) orphaned(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link == l {
		w.noteExitLocked(keeper.Status{Code: -1, Signal: "SIGKILL", At: time.Now()})
	}
}

// adoptedBy notes that a new keeper holds what the old one's successor could not end.
func (w *worker) adoptedBy(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link = l
}

// root is the launch's root process.
func (w *worker) root() proc.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spawned == nil {
		return proc.ID{}
	}
	return proc.ID{PID: w.spawned.PID, Start: w.spawned.Start}
}

var errWorkerGone = errors.New("the worker has ended")
