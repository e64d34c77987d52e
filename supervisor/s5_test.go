package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

var errBroken = &StartError{Cause: CauseExited, Phase: PhaseSpawned, LastLog: []string{"cannot open the database"}, Err: errors.New("exit status 1")}

// withScripts gives a driver whose workers behave as said.
func withScripts(scripts map[string]script) func() *fakeDriver {
	return func() *fakeDriver {
		d := newFakeDriver()
		for name, s := range scripts {
			d.set(name, s)
		}
		return d
	}
}

func TestCase11_AFailedStartBacksOffAndIsTriedOnce(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(3), withScripts(map[string]script{"a": {start: 10 * time.Millisecond, startErr: errBroken}}), func(b *bench) {
		for failure, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			wait *= time.Second
			// Many ask for the trial: all get its outcome, of one start.
			first, second := b.ask("a", Wish{}), b.ask("a", Wish{})
			for _, result := range []<-chan outcome{first, second} {
				o := <-result
				var unavailable *UnavailableError
				if !errors.As(o.err, &unavailable) || !errors.Is(o.err, workspace.ErrUnavailable) {
					t.Fatalf("failure %d: got %v, want an UnavailableError", failure+1, o.err)
				}
				if unavailable.Failures != failure+1 || unavailable.RetryAfter() != wait || unavailable.Start != errBroken || o.after != 10*time.Millisecond {
					t.Errorf("failure %d: got %+v after %v, want to be told of %v, and of the cause", failure+1, unavailable, o.after, wait)
				}
			}
			if n := b.driver.startsOf("a"); n != failure+1 {
				t.Errorf("%d starts after %d trials", n, failure+1)
			}
			// In between, the answer comes at once and starts nothing.
			pass(wait - time.Millisecond)
			o := <-b.ask("a", Wish{})
			if o.after != 0 || !errors.Is(o.err, workspace.ErrUnavailable) || b.driver.startsOf("a") != failure+1 {
				t.Errorf("got %v after %v and %d starts, want to be refused at once", o.err, o.after, b.driver.startsOf("a"))
			}
			status, found := b.pool.Get(context.Background(), refOf("a"))
			if !found || status.State != StateFailed || status.Failure != errBroken || status.RetryAfter != time.Millisecond {
				t.Errorf("shown is %+v", status)
			}
			pass(time.Millisecond)
		}
	})
}

func TestCase11_ResetLiftsTheBackOff(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(3), withScripts(map[string]script{"a": {startErr: errBroken}}), func(b *bench) {
		for range 3 {
			<-b.ask("a", Wish{})
			pass(time.Minute)
		}
		<-b.ask("a", Wish{})
		b.wantState("a", StateFailed)
		b.driver.set("a", script{})
		b.pool.Reset(refOf("a"))
		b.use("a")
		b.driver.worker("a").die() // it counts as the first failure again
		b.wantState("a", StateCold)
		b.use("a")
	})
}

func TestCase11_OthersNoticeNothingOfACrashLoop(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		b.use("b")
		for range 50 {
			if o := <-b.ask("a", Wish{}); o.lease != nil {
				b.driver.worker("a").die()
				<-o.lease.Ended()
				o.lease.Release()
			}
			if lease := b.get("b"); lease.Waited() != 0 {
				t.Errorf("b waited %v", lease.Waited())
			} else {
				lease.Release()
			}
		}
		b.wantState("a", StateFailed)
		if n := b.driver.startsOf("a"); n != 2 {
			t.Errorf("a was started %d times in no time, want 2", n)
		}
		var unavailable *UnavailableError
		if o := <-b.ask("a", Wish{}); !errors.As(o.err, &unavailable) || unavailable.Start.Cause != CauseExited || unavailable.Failures != 2 {
			t.Errorf("got %v, want the cause to be told", o.err)
		}
		if n := b.driver.startsOf("b"); n != 1 {
			t.Errorf("b was started %d times", n)
		}
	})
}

func TestS5_ADeathNowAndThenIsNoCrashLoop(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		for range 10 {
			lease := b.get("a")
			pass(11 * time.Second)
			b.driver.worker("a").die()
			<-lease.Ended()
			lease.Release()
		}
		if n := b.driver.startsOf("a"); n != 10 {
			t.Errorf("%d starts, want 10", n)
		}
	})
}

func TestCase6_ASlowStopDelaysNobody(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"slow": {stop: 30 * time.Second, grace: time.Minute}}), func(b *bench) {
		b.use("slow")
		pass(2 * time.Second)
		b.use("a")
		stopped := make(chan error, 1)
		go func() { stopped <- b.pool.Evict(context.Background(), refOf("slow"), false) }()
		for range 100 {
			lease := b.get("a")
			if lease.Waited() != 0 {
				t.Errorf("a waited %v", lease.Waited())
			}
			pass(100 * time.Millisecond)
			lease.Release()
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestS5_PatienceWithOneVictimEnds(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"slow": {stop: 20 * time.Second, grace: time.Minute}}), func(b *bench) {
		b.use("slow")
		pass(2 * time.Second)
		b.use("a")
		pass(2 * time.Second)
		o := <-b.ask("b", Wish{})
		// 2 s of patience, 10 ms to stop a, 10 ms to start b
		if want := 2*time.Second + 20*time.Millisecond; o.err != nil || o.after != want {
			t.Fatalf("got %v after %v, want a lease after %v", o.err, o.after, want)
		}
		o.lease.Release()
		b.wantState("slow", StateStopping)
		b.wantState("a", StateCold)
	})
}

func TestS5_DescriptionAndOwnershipAreNoFailures(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.describe = workspace.ErrTenantSuspended
		return d
	}
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		for range 3 {
			if o := <-b.ask("a", Wish{}); !errors.Is(o.err, workspace.ErrTenantSuspended) || o.after != 0 {
				t.Errorf("got %v after %v, want ErrTenantSuspended at once", o.err, o.after)
			}
			b.wantState("a", StateCold)
		}
		b.pool.mu.Lock()
		if s := b.pool.slots[refOf("a").Generation]; s != nil { // nor is anything counted that a later failure would add to
			t.Errorf("the slot is kept, with %d failures", s.failures)
		}
		b.pool.mu.Unlock()
		if n := b.driver.startsOf("a"); n != 0 {
			t.Errorf("%d starts", n)
		}
	})
}

func TestS5_WhatAFailedStartLeavesIsStopped(t *testing.T) {
	t.Parallel()
	left := script{startErr: errBroken, leavesOne: true, stop: 3 * time.Second, grace: time.Minute}
	bubbleWith(t, testConfig(1), withScripts(map[string]script{"a": left, "b": {}}), func(b *bench) {
		o := <-b.ask("a", Wish{})
		if !errors.Is(o.err, workspace.ErrUnavailable) || o.after != 0 {
			t.Errorf("got %v after %v, want ErrUnavailable without waiting for the stop", o.err, o.after)
		}
		b.wantState("a", StateStopping)
		b.use("b") // only when it is gone: S2 is looked at in the end
		b.wantState("a", StateFailed)
	})
}

func TestS5_AWorkerWithoutEndpointIsAFailedStart(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(1), withScripts(map[string]script{"a": {noHTTP: true}}), func(b *bench) {
		o := <-b.ask("a", Wish{})
		var unavailable *UnavailableError
		if !errors.As(o.err, &unavailable) || unavailable.Start.Cause != CauseInternal {
			t.Errorf("got %v, want a failed start with the cause %q", o.err, CauseInternal)
		}
		pass(time.Second)
		if !b.driver.worker("a").wasAsked() {
			t.Error("the worker was left running")
		}
	})
}

func TestBackoff_GrowsToItsBound(t *testing.T) {
	t.Parallel()
	b := Backoff{Initial: time.Second, Max: 10 * time.Second, Factor: 3, Jitter: 0.5}
	tests := map[string]struct {
		failures int
		chance   float64
		want     time.Duration
	}{
		"first":             {1, 0, time.Second},
		"third":             {3, 0, 9 * time.Second},
		"bounded":           {4, 0, 10 * time.Second},
		"thousandth":        {1000, 0, 10 * time.Second},
		"shortest":          {1, -1, 500 * time.Millisecond},
		"longest":           {4, 1, 15 * time.Second},
		"before any at all": {0, 0, time.Second},
	}
	for name, test := range tests {
		if got := b.after(test.failures, test.chance); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
