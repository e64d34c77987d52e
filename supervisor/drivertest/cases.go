package drivertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

func ready(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	endpoint, found := w.Endpoint(kind.HTTPEndpoint)
	if !found {
		t.Fatal("a worker that is ready has no endpoint")
	}
	if _, err := get(b.context(), endpoint, false); err != nil {
		t.Errorf("the worker does not answer: %v", err)
	}
	select {
	case <-w.Gone():
		t.Error("a worker that is ready is gone")
	default:
	}
	if n := b.running(w.Spec()); n == 0 {
		t.Error("nothing runs of a worker that is ready")
	}
}

func phases(t *testing.T, b *bench) {
	order := []supervisor.Phase{
		supervisor.PhaseQueued, supervisor.PhaseLocked, supervisor.PhaseSpawned, supervisor.PhaseReady, supervisor.PhaseProven,
	}
	var r recorder
	spec := b.Spec(t, Plain)
	began := time.Now()
	w, err := b.driver.Start(b.context(), spec, r.report)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	defer b.stop(w, true)
	next, at := 0, began.Add(-time.Second) // a second of another clock's difference
	for _, p := range r.list {
		if p.Launch != spec.Launch || p.At.Before(at) {
			t.Errorf("progress %+v is another launch's, or goes back in time", p)
		}
		for next < len(order) && order[next] != p.Phase {
			next++
		}
		if next++; next > len(order) {
			t.Errorf("phase %q came twice or out of order: %+v", p.Phase, r.list)
		}
		at = p.At
	}
	if last := r.list[len(r.list)-1].Phase; last != supervisor.PhaseProven {
		t.Errorf("the last phase is %q, want %q", last, supervisor.PhaseProven)
	}
}

func endpoints(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	if _, found := w.Endpoint("no-such-endpoint"); found {
		t.Error("a worker has an endpoint that its kind does not name")
	}
}

func stops(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	b.stop(w, false)
	if exit := w.Exit(); !exit.Expected || exit.Proof == "" || exit.At.IsZero() || exit.Code != 0 {
		t.Errorf("exit: %+v", exit)
	}
}

func stopsAgain(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() { b.stop(w, i == 3) })
	}
	group.Wait()
	b.stop(w, false)
}

func deaf(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Deaf))
	b.stop(w, false)
	if exit := w.Exit(); exit.Code == 0 || !exit.Expected {
		t.Errorf("exit: %+v", exit)
	}
}

func force(t *testing.T, b *bench) {
	spec := b.Spec(t, Deaf)
	slow := *spec.Kind
	slow.Stop.Grace = time.Hour
	spec.Kind = &slow
	w := b.start(spec)
	gentle := make(chan error, 1)
	go func() { gentle <- w.Stop(b.context(), false) }()
	b.stop(w, true)
	if err := <-gentle; err != nil {
		t.Errorf("the gentle stop: %v", err)
	}
}

func impatient(t *testing.T, b *bench) {
	spec := b.Spec(t, Deaf)
	slow := *spec.Kind
	slow.Stop.Grace = time.Hour
	spec.Kind = &slow
	w := b.start(spec)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.Stop(ctx, false); !errors.Is(err, supervisor.ErrNotGone) {
		t.Errorf("got %v, want %v", err, supervisor.ErrNotGone)
	}
	select {
	case <-w.Gone():
		t.Error("a deaf worker is gone within its grace")
	default:
	}
}

func crash(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	b.Crash(t, w)
	b.await("gone after a crash", w.Gone())
	if exit := w.Exit(); exit.Expected || exit.Code == 0 && exit.Signal == "" {
		t.Errorf("exit: %+v", exit)
	}
	b.stop(w, false)
}

func behind(t *testing.T, b *bench) {
	stopped, crashed := b.start(b.Spec(t, LeavesBehind)), b.start(b.Spec(t, LeavesBehind))
	bystander := b.start(b.Spec(t, LeavesBehind))
	before := b.running(bystander.Spec())
	b.stop(stopped, false)
	b.Crash(t, crashed)
	b.await("gone after a crash", crashed.Gone())
	if n := b.running(crashed.Spec()); n != 0 {
		t.Errorf("%d are left of a worker that crashed", n)
	}
	if after := b.running(bystander.Spec()); after < before {
		t.Errorf("%d of %d are left of a worker that nobody stopped", after, before)
	}
}

func causes(t *testing.T, b *bench) {
	b.fail(b.context(), b.Spec(t, ExitsAtOnce), supervisor.CauseExited)
	b.fail(b.context(), b.Spec(t, WrongIdentity), supervisor.CauseWrongIdentity)
	never := b.Spec(t, NeverReady)
	short := *never.Kind
	short.Ready.Timeout = 100 * time.Millisecond
	never.Kind = &short
	b.fail(b.context(), never, supervisor.CauseNeverReady)
}

func cancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(b.context())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	b.fail(ctx, b.Spec(t, NeverReady), supervisor.CauseCancelled)
}

func oneWriter(t *testing.T, b *bench) {
	spec := b.Spec(t, Plain)
	b.start(spec)
	b.fail(b.context(), b.Again(t, spec), supervisor.CauseLocked)
}

func again(t *testing.T, b *bench) {
	spec := b.Spec(t, Plain)
	for range 3 {
		b.stop(b.start(spec), false)
		spec = b.Again(t, spec)
	}
}

// A connection that was open when its worker ended is of no use, and no new one is given out.
func connections(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	endpoint, _ := w.Endpoint(kind.HTTPEndpoint)
	transport, err := get(b.context(), endpoint, true)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	b.stop(w, false)
	if conn, err := endpoint.Dial(b.context()); err == nil {
		conn.Close()
		t.Error("an endpoint of a launch that is gone gave a connection")
	}
}

func many(t *testing.T, b *bench) {
	var group sync.WaitGroup
	for range 8 {
		spec := b.Spec(t, Plain)
		group.Go(func() {
			w, err := b.driver.Start(b.context(), spec, func(supervisor.Progress) {})
			if w != nil {
				defer b.stop(w, false)
			}
			if err != nil {
				t.Errorf("Start: %v", err)
			}
		})
	}
	group.Wait()
}

func usage(t *testing.T, b *bench) {
	w := b.start(b.Spec(t, Plain))
	u, err := w.Usage(b.context())
	if err != nil {
		t.Fatal(err)
	}
	if u.PSS <= 0 || u.Files <= 0 {
		t.Errorf("usage: %+v", u)
	}
}

func stopWhileStarting(t *testing.T, b *bench) {
	spec := b.Spec(t, NeverReady)
	ctx, cancel := context.WithCancel(b.context())
	defer cancel()
	w, err := b.driver.Start(ctx, spec, func(p supervisor.Progress) {
		if p.Phase == supervisor.PhaseSpawned {
			cancel()
		}
	})
	if err == nil {
		t.Error("the start succeeded")
	}
	if w != nil {
		b.stop(w, true)
	}
}

func lateReports(t *testing.T, b *bench) {
	var r recorder
	w, err := b.driver.Start(b.context(), b.Spec(t, Plain), r.report)
	r.finish()
	if err != nil {
		t.Fatal(err)
	}
	b.stop(w, false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late > 0 {
		t.Errorf("%d reports came after Start had returned", r.late)
	}
}
