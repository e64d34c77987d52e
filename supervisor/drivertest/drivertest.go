// Package drivertest is the meaning of supervisor.Driver: what each implementation must do, as tests that a driver's
// own package runs against it with real workers. It starts the goroutines that the cases need and waits for them.
//
// A Harness makes drivers and says how to get a worker that behaves in a certain way; it knows the machinery beneath.
// The suite knows nothing of it: no pid, no signal, no file.
package drivertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"workspace-router/supervisor"
)

// Fault is how a worker of the suite behaves.
type Fault string

// The behaviours that a Harness provides.
const (
	Plain         Fault = "plain"          // becomes ready, answers GET / with a status below 500, ends when asked to
	NeverReady    Fault = "never_ready"    // runs, and is never ready
	ExitsAtOnce   Fault = "exits_at_once"  // ends with status 3 before it is ready
	Deaf          Fault = "deaf"           // does not end when asked to
	LeavesBehind  Fault = "leaves_behind"  // has helpers that do not end with it
	WrongIdentity Fault = "wrong_identity" // becomes ready, and claims to be another launch
)

// Harness connects the suite to one implementation.
type Harness struct {
	// New gives a driver whose Recover was not called yet. What it started is gone after the test.
	New func(t *testing.T) supervisor.Driver
	// Spec gives what to start: another workspace at each call, with a grace of about a second.
	Spec func(t *testing.T, fault Fault) supervisor.Spec
	// Again gives the next launch of the same workspace.
	Again func(t *testing.T, spec supervisor.Spec) supervisor.Spec
	// Crash ends a worker from outside, as a fault of its own would.
	Crash func(t *testing.T, w supervisor.Worker)
	// Running counts what runs of one of the driver's launches: processes, containers.
	Running func(t *testing.T, d supervisor.Driver, launch supervisor.LaunchID) int
	// Patience bounds each wait.
	Patience time.Duration
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, *bench){
		"a start is ready, proven and reachable":     ready,
		"phases come once and in order":              phases,
		"no endpoint of an unknown name":             endpoints,
		"a stop is an end that was expected":         stops,
		"a stop can be repeated":                     stopsAgain,
		"a deaf worker is ended after its grace":     deaf,
		"force cuts a grace short":                   force,
		"a stop whose context ends is not a proof":   impatient,
		"a crash is seen":                            crash,
		"what a worker leaves behind ends with it":   behind,
		"a failed start names its cause":             causes,
		"a start ends with its context":              cancelled,
		"one live worker per workspace":              oneWriter,
		"a workspace starts again after its end":     again,
		"a connection dies with its launch":          connections,
		"many start and stop at once":                many,
		"a worker can be measured":                   usage,
		"a stop before readiness ends the start":     stopWhileStarting,
		"a report after the start's end never comes": lateReports,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := h.New(t)
			b := &bench{T: t, Harness: h, driver: d}
			left, err := d.Recover(b.context())
			if err != nil {
				t.Fatalf("Recover: %v", err)
			}
			if len(left) != 0 {
				t.Fatalf("Recover found %d workers where none were", len(left))
			}
			test(t, b)
		})
	}
}

// bench is one case's driver with what every case needs.
type bench struct {
	*testing.T
	Harness
	driver supervisor.Driver
}

func (b *bench) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), b.Patience)
	b.Cleanup(cancel)
	return ctx
}

func (b *bench) await(what string, event <-chan struct{}) {
	b.Helper()
	select {
	case <-event:
	case <-time.After(b.Patience):
		b.Fatalf("not %s after %v", what, b.Patience)
	}
}

func (b *bench) running(spec supervisor.Spec) int { return b.Running(b.T, b.driver, spec.Launch) }

// start must succeed. The worker is stopped at the case's end.
func (b *bench) start(spec supervisor.Spec) supervisor.Worker {
	b.Helper()
	w, err := b.driver.Start(b.context(), spec, func(supervisor.Progress) {})
	if err != nil {
		b.Fatalf("Start: %v", err)
	}
	b.Cleanup(func() { b.stop(w, true) })
	return w
}

// stop must prove the worker gone.
func (b *bench) stop(w supervisor.Worker, force bool) {
	b.Helper()
	if err := w.Stop(b.context(), force); err != nil {
		b.Errorf("Stop: %v", err)
	}
	b.await("gone after a stop", w.Gone())
	if n := b.running(w.Spec()); n != 0 {
		b.Errorf("%d of launch %s run, although it is gone", n, w.Spec().Launch)
	}
}

// fail must not succeed.
func (b *bench) fail(ctx context.Context, spec supervisor.Spec, cause supervisor.Cause) {
	b.Helper()
	w, err := b.driver.Start(ctx, spec, func(supervisor.Progress) {})
	if err == nil {
		b.stop(w, true)
		b.Fatalf("the start succeeded, want the cause %q", cause)
	}
	if w != nil {
		b.stop(w, true)
	}
	if n := b.running(spec); n != 0 {
		b.Errorf("%d of launch %s run after its failure", n, spec.Launch)
	}
	var failed *supervisor.StartError
	if !errors.As(err, &failed) || failed.Cause != cause {
		b.Errorf("got %v, want the cause %q", err, cause)
	}
}

// get asks a worker something over a connection of its endpoint.
func get(ctx context.Context, endpoint supervisor.Endpoint, keep bool) (*http.Transport, error) {
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.Dial(ctx) },
		DisableKeepAlives: !keep,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint.Scheme+"://worker/", nil)
	if err != nil {
		return transport, err
	}
	request.Header, request.Host = endpoint.Header.Clone(), endpoint.Host
	response, err := transport.RoundTrip(request)
	if err != nil {
		return transport, err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return transport, fmt.Errorf("status %d", response.StatusCode)
	}
	return transport, nil
}

// recorder takes note of what a start reports.
type recorder struct {
	mu   sync.Mutex
	list []supervisor.Progress
	done bool
	late int
}

func (r *recorder) report(p supervisor.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, p)
	if r.done {
		r.late++
	}
}

func (r *recorder) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
}
