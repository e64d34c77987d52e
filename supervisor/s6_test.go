package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

func TestS6_EvictReturnsWithTheProof(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {stop: 7 * time.Second, grace: time.Minute}}), func(b *bench) {
		b.use("a")
		began := time.Now()
		if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("Evict returned after %v, want 7 s", took)
		}
		b.wantState("a", StateCold)
		if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
			t.Errorf("what is not running is gone: %v", err)
		}
	})
}

func TestS6_EvictIsRefusedUnderALeaseAndNamesWhoHoldsIt(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		lease := b.get("a")
		err := b.pool.Evict(context.Background(), refOf("a"), false)
		want := `cannot evict workspace "a": 1 request is open, among them of key:a`
		if !errors.Is(err, workspace.ErrRefused) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		b.wantState("a", StateReady)
		if again := b.get("a"); again.Waited() != 0 {
			t.Error("the refused eviction closed the worker")
		} else {
			again.Release()
		}
		lease.Release()
	})
}

func TestS6_ForceCutsLeasesAndStopsWithGrace(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {stop: 3 * time.Second, grace: time.Minute}}), func(b *bench) {
		obedient, stubborn := b.get("a"), b.get("a")
		told := make(chan struct{})
		obedient.OnEnded(func() { close(told) })
		evicted := make(chan error, 1)
		began := time.Now()
		go func() { evicted <- b.pool.Evict(context.Background(), refOf("a"), true) }()
		<-told
		<-stubborn.Ended()
		obedient.Release()
		b.wantState("a", StateDraining)
		if b.driver.worker("a").wasAsked() {
			t.Error("the worker was asked to stop under a lease that had time to end")
		}
		waiting := b.ask("a", Wish{})
		if err := <-evicted; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("it took %v, want 1 s for the one who does not end and 3 s for the stop", took)
		}
		if b.driver.worker("a").forced {
			t.Error("the worker was killed, want the kind's signal and grace")
		}
		stubborn.Release()
		if o := <-waiting; o.err != nil {
			t.Error(o.err)
		} else {
			o.lease.Release()
		}
	})
}

func TestS6_DrainingEndsWithTheLastLease(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		first, second := b.get("a"), b.get("a")
		evicted := make(chan error, 1)
		began := time.Now()
		go func() { evicted <- b.pool.Evict(context.Background(), refOf("a"), true) }()
		pass(100 * time.Millisecond)
		first.Release()
		b.wantState("a", StateDraining)
		pass(100 * time.Millisecond)
		second.Release()
		if err := <-evicted; err != nil || time.Since(began) != 210*time.Millisecond {
			t.Errorf("got %v after %v, want the stop to begin with the end of the last lease", err, time.Since(began))
		}
	})
}

func TestS6_ForceOnAStopThatIsUnderWayEndsItsGrace(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {stop: time.Hour, grace: 2 * time.Hour}}), func(b *bench) {
		b.use("a")
		polite := make(chan error, 1)
		go func() { polite <- b.pool.Evict(context.Background(), refOf("a"), false) }()
		pass(time.Minute)
		if err := b.pool.Evict(context.Background(), refOf("a"), true); err != nil {
			t.Error(err)
		}
		if err := <-polite; err != nil {
			t.Error(err)
		}
	})
}

func TestS6_EvictingAStart(t *testing.T) {
	t.Parallel()
	slow := withScripts(map[string]script{"a": {start: time.Minute}})
	bubbleWith(t, testConfig(2), slow, func(b *bench) {
		waiting := b.ask("a", Wish{Wait: 10 * time.Second})
		pass(time.Second)
		if err := b.pool.Evict(context.Background(), refOf("a"), false); !errors.Is(err, workspace.ErrRefused) {
			t.Errorf("got %v, want to be refused: a request waits", err)
		}
		<-waiting // its time is over
		if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
			t.Error(err)
		}
		b.wantState("a", StateCold)
		if status, found := b.pool.Get(context.Background(), refOf("a")); found || status.Failures != 0 {
			t.Errorf("a start that was cancelled counts as a failure: %+v", status)
		}
	})
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {start: 3 * time.Second, deaf: true}}), func(b *bench) {
		waiting := b.ask("a", Wish{})
		pass(time.Second)
		if err := b.pool.Evict(context.Background(), refOf("a"), true); err != nil {
			t.Error(err) // the worker came up all the same, and was stopped
		}
		o := <-waiting
		if o.err != nil {
			t.Fatalf("who waited is served by the next launch: %v", o.err)
		}
		o.lease.Release()
		if n := b.driver.startsOf("a"); n != 2 {
			t.Errorf("%d starts, want 2", n)
		}
	})
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {start: time.Minute, leavesOne: true}}), func(b *bench) {
		go func() { _ = b.pool.Start(context.Background(), refOf("a")) }()
		pass(time.Second)
		if err := b.pool.Evict(context.Background(), refOf("a"), true); err != nil {
			t.Error(err) // what the cancelled start left was stopped
		}
		if status, _ := b.pool.Get(context.Background(), refOf("a")); status.Failures != 0 || !b.driver.worker("a").wasAsked() {
			t.Errorf("%d failures, asked to stop: %v; want none, and that it was", status.Failures, b.driver.worker("a").wasAsked())
		}
		_ = b.pool.Evict(context.Background(), refOf("a"), true) // the next start, for who waits
	})
}

func TestS6_Restart(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		lease := b.get("a")
		before := lease.Launch()
		if err := b.pool.Restart(context.Background(), refOf("a"), false); !errors.Is(err, workspace.ErrRefused) {
			t.Errorf("got %v, want to be refused under a lease", err)
		}
		lease.Release()
		if err := b.pool.Restart(context.Background(), refOf("a"), false); err != nil {
			t.Fatal(err)
		}
		lease = b.get("a")
		if lease.Launch() == before || lease.Waited() != 0 {
			t.Errorf("got launch %q after %v, want a new one that is ready", lease.Launch(), lease.Waited())
		}
		lease.Release()
	})
}

func TestS6_TheEndDrainsThenCutsThenStops(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		use  func(*Lease)
		want time.Duration // until Run returns
	}{
		"nothing is open":           {func(l *Lease) { l.Release() }, 10 * time.Millisecond},
		"it ends by itself":         {func(l *Lease) { time.AfterFunc(3*time.Second, l.Release) }, 3*time.Second + 10*time.Millisecond},
		"it ends when it is told":   {func(l *Lease) { l.OnEnded(func() { go l.Release() }) }, 10*time.Second + 10*time.Millisecond},
		"it does not end even then": {func(*Lease) {}, 11*time.Second + 10*time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, testConfig(3), newFakeDriver())
				b.use("b")
				test.use(b.get("a"))
				waiting := b.ask("c", Wish{})
				b.cancel()
				began := time.Now()
				synctest.Wait()
				if o := <-waiting; o.err != nil && !errors.Is(o.err, workspace.ErrClosing) {
					t.Errorf("who waits: got %v, want ErrClosing", o.err)
				} else if o.lease != nil {
					o.lease.Release()
				}
				if _, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{}); !errors.Is(err, workspace.ErrClosing) {
					t.Errorf("who comes: got %v, want ErrClosing", err)
				}
				if err := b.end(); err != nil || time.Since(began) != test.want {
					t.Errorf("Run: %v after %v, want %v", err, time.Since(began), test.want)
				}
			})
		})
	}
}

func TestS6_LostOwnershipStopsWithoutGrace(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {stop: time.Hour, grace: 2 * time.Hour}}), func(b *bench) {
		lease := b.get("a")
		b.driver.mu.Lock()
		close(b.driver.lost[refOf("a").Generation])
		b.driver.mu.Unlock()
		<-lease.Ended()
		lease.Release()
		pass(2 * time.Second)
		b.wantState("a", StateCold)
		if !b.driver.worker("a").forced {
			t.Error("the worker was given its grace, while another router may start one")
		}
	})
}
