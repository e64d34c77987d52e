package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// Not more clients than the race detector has slots for threads, 256: beyond, it fails now and then by itself.
func TestS4_OneStartForAll(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.WaitersPerWorkspace = 150
	bubble(t, cfg, func(b *bench) {
		var results []<-chan outcome
		for range 150 {
			results = append(results, b.ask("a", Wish{}))
		}
		launches := map[LaunchID]int{}
		for _, result := range results {
			o := <-result
			if o.err != nil {
				t.Fatal(o.err)
			}
			launches[o.lease.Launch()]++
			defer o.lease.Release()
		}
		if n := b.driver.startsOf("a"); n != 1 || len(launches) != 1 {
			t.Errorf("%d starts, leases on %d launches, want one", n, len(launches))
		}
		if got := b.pool.List(context.Background())[0].Leases; got != 150 {
			t.Errorf("%d leases, want 150", got)
		}
	})
}

func TestCase5_AStartSurvivesEveryClientThatLeaves(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", script{start: 10 * time.Second})
		return d
	}
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		ctx, cancel := context.WithCancelCause(context.Background())
		left := errors.New("the client left")
		first := make(chan error, 1)
		go func() {
			_, err := b.pool.Acquire(ctx, refOf("a"), Wish{})
			first <- err
		}()
		pass(time.Second)
		second := b.ask("a", Wish{})
		pass(time.Second)
		cancel(left)
		if err := <-first; !errors.Is(err, left) {
			t.Errorf("got %v, want the client's own reason", err)
		}
		o := <-second
		if o.err != nil || o.after != 9*time.Second {
			t.Fatalf("the second client got %v after %v, want a lease after the 9 s that were left", o.err, o.after)
		}
		o.lease.Release()
	})
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		if o := <-b.ask("a", Wish{Wait: time.Second}); !errors.Is(o.err, workspace.ErrTimeout) {
			t.Errorf("got %v, want ErrTimeout", o.err)
		}
		pass(time.Hour)
		b.wantState("a", StateReady) // it stays, as nobody needs the room
		if n := b.driver.startsOf("a"); n != 1 {
			t.Errorf("%d starts, want 1", n)
		}
		status, _ := b.pool.Get(context.Background(), refOf("a"))
		if status.Leases != 0 {
			t.Errorf("%d leases are held by a client that has left", status.Leases)
		}
	})
}

// TestCase4_BornLeased: what was started for a request cannot be evicted before that request had it, even where the next
// newcomer waits already and there is no minimum residency.
func TestCase4_BornLeased(t *testing.T) {
	t.Parallel()
	cfg := testConfig(1)
	cfg.MinResidency = 0
	bubble(t, cfg, func(b *bench) {
		a := b.ask("a", Wish{})
		pass(time.Millisecond)
		c := b.ask("c", Wish{})
		o := <-a
		if o.err != nil {
			t.Fatal(o.err)
		}
		pass(time.Second)
		b.wantState("a", StateReady)
		select {
		case <-o.lease.Ended():
			t.Error("the lease was ended")
		case <-c:
			t.Error("c was served while a is leased")
		default:
		}
		o.lease.Release()
		(<-c).lease.Release()
	})
}

func TestS4_EachWaiterIsRecheckedAtHandOver(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		checked := 0
		refuse := b.ask("a", Wish{Recheck: func(context.Context) error { checked++; return workspace.ErrDeleted }})
		allow := b.ask("a", Wish{Recheck: func(ctx context.Context) error {
			// Outside the lock: the pool can be asked meanwhile.
			b.pool.List(ctx)
			return nil
		}})
		if o := <-refuse; !errors.Is(o.err, workspace.ErrDeleted) || checked != 1 {
			t.Errorf("got %v after %d checks, want ErrDeleted after one", o.err, checked)
		}
		o := <-allow
		if o.err != nil {
			t.Fatal(o.err)
		}
		if status, _ := b.pool.Get(context.Background(), refOf("a")); status.Leases != 1 {
			t.Errorf("%d leases, want only that of the one who was allowed", status.Leases)
		}
		o.lease.Release()
		lease, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{Recheck: func(context.Context) error { return workspace.ErrDeleted }})
		if err != nil {
			t.Fatalf("who did not wait was rechecked: %v", err)
		}
		lease.Release()
	})
}

func TestS4_PassiveRequestsStartOnlyIntoFreeRoom(t *testing.T) {
	t.Parallel()
	passive := Wish{Class: kind.Passive}
	bubble(t, testConfig(1), func(b *bench) {
		o := <-b.ask("a", passive)
		if o.err != nil {
			t.Fatalf("there is free room: %v", o.err)
		}
		o.lease.Release()
		pass(time.Minute)
		if o := <-b.ask("b", passive); !errors.Is(o.err, workspace.ErrCold) || o.after != 0 {
			t.Errorf("got %v after %v, want ErrCold at once", o.err, o.after)
		}
		b.wantState("a", StateReady)
		active := b.ask("b", Wish{})
		pass(15 * time.Millisecond) // a is gone, b is starting
		b.wantState("b", StateStarting)
		o = <-b.ask("b", passive)
		if o.err != nil {
			t.Fatalf("a start is under way: %v", o.err)
		}
		o.lease.Release()
		(<-active).lease.Release()
	})
}

func TestS4_ClassNeverStartsNothing(t *testing.T) {
	t.Parallel()
	never := Wish{Class: kind.Never}
	bubble(t, testConfig(2), func(b *bench) {
		if o := <-b.ask("a", never); !errors.Is(o.err, workspace.ErrCold) {
			t.Errorf("got %v, want ErrCold", o.err)
		}
		active := b.ask("a", Wish{})
		pass(time.Millisecond)
		if o := <-b.ask("a", never); !errors.Is(o.err, workspace.ErrCold) {
			t.Errorf("while it starts: got %v, want ErrCold", o.err)
		}
		(<-active).lease.Release()
		o := <-b.ask("a", never)
		if o.err != nil {
			t.Fatalf("while it is ready: %v", o.err)
		}
		o.lease.Release()
	})
}

func TestS4_WarmingIsNoUse(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		if err := b.pool.Start(context.Background(), refOf("a")); err != nil {
			t.Fatal(err)
		}
		status, found := b.pool.Get(context.Background(), refOf("a"))
		if !found || status.State != StateReady || status.Leases != 0 || status.Requests != 0 {
			t.Errorf("got %+v, want it ready and never leased", status)
		}
	})
}

// A victim that is asked for again waits for its own end, and nobody else does.
func TestCase4_AVictimThatIsAskedForAgainBlocksNobody(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.driver.set("a", script{stop: 15 * time.Second})
		b.use("a")
		go func() { _ = b.pool.Evict(context.Background(), refOf("a"), false) }()
		synctest.Wait()
		again := b.ask("a", Wish{Wait: time.Minute})
		synctest.Wait()
		for _, name := range []string{"b", "c"} { // into free room, and by a victim
			o := <-b.ask(name, Wish{})
			if o.err != nil || o.after > 2*time.Second {
				t.Fatalf("%s: %v after %v, want it served without waiting for a", name, o.err, o.after)
			}
			o.lease.Release()
		}
		if o := <-again; o.err != nil {
			t.Errorf("a again: %v", o.err)
		} else {
			o.lease.Release()
		}
	})
}

func TestCase4_RequestsDuringAStopShareTheNextStart(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", script{start: time.Second, stop: 5 * time.Second})
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		b.use("a")
		evicted := make(chan error, 1)
		go func() { evicted <- b.pool.Evict(context.Background(), refOf("a"), false) }()
		pass(time.Second)
		b.wantState("a", StateStopping)
		first, second := b.ask("a", Wish{}), b.ask("a", Wish{})
		if err := <-evicted; err != nil {
			t.Error(err)
		}
		for _, result := range []<-chan outcome{first, second} {
			o := <-result
			if o.err != nil || o.after != 5*time.Second {
				t.Fatalf("got %v after %v, want a lease after the rest of the stop and a start, 5 s", o.err, o.after)
			}
			o.lease.Release()
		}
		if n := b.driver.startsOf("a"); n != 2 {
			t.Errorf("%d starts, want 2", n)
		}
	})
}

func TestS4_RequestsBeforeThePoolRunsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		pool, err := New(testConfig(1), depsOf(driver))
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{tb: t, pool: pool, driver: driver, ran: make(chan error, 1)}
		waiting := b.ask("a", Wish{})
		pass(time.Second)
		if n := driver.startsOf("a"); n != 0 {
			t.Errorf("S8: %d starts before what was there is accounted for", n)
		}
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		go func() { b.ran <- pool.Run(ctx) }()
		<-pool.Opened()
		if o := <-waiting; o.err != nil {
			t.Error(o.err)
		} else {
			o.lease.Release()
		}
		if err := pool.Run(ctx); err == nil {
			t.Error("the pool ran twice")
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestCase5_WhatWasStartedForNobodyStaysItsTime: a start whose clients all left is worth as much as any other.
func TestCase5_WhatWasStartedForNobodyStaysItsTime(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.IdleTimeout = 10 * time.Minute
	bubbleWith(t, cfg, withScripts(map[string]script{"a": {start: 5 * time.Second}}), func(b *bench) {
		<-b.ask("a", Wish{Wait: time.Second})
		pass(4 * time.Second) // it is ready now
		pass(10*time.Minute - time.Second)
		b.wantState("a", StateReady)
		pass(2 * time.Second)
		b.wantState("a", StateCold)
	})
}

// TestS4_ALeaseThatCrossesItsClientsLeaving: the answer comes while the waiter is leaving.
func TestS4_ALeaseThatCrossesItsClientsLeaving(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithTimeout(context.Background(), 0)
	defer cancelLate()
	tests := map[string]struct {
		ctx  context.Context
		kept bool
	}{
		"the client left":        {gone, false},
		"its time was just over": {late, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, testConfig(2), func(b *bench) {
				lease := b.get("a")
				w := &waiter{slot: lease.launch.slot, answer: make(chan answer, 1)}
				w.answer <- answer{lease: lease}
				a := b.pool.leave(test.ctx, w)
				status, _ := b.pool.Get(context.Background(), refOf("a"))
				if kept := a.lease == lease; kept != test.kept || (status.Leases == 1) != test.kept || (a.err == nil) != test.kept {
					t.Errorf("got %v with %d leases, kept: %v, want %v", a.err, status.Leases, kept, test.kept)
				}
				lease.Release()
			})
		})
	}
}
