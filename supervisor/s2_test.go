package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

func TestS2_ZeroAndUnlimitedAreRefused(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, -1} {
		if _, err := New(testConfig(workers), depsOf(newFakeDriver())); err == nil {
			t.Errorf("a pool of %d workers was made", workers)
		}
	}
}

func TestS2_AsManyAsAllowedAndNoMore(t *testing.T) {
	t.Parallel()
	cfg := testConfig(5)
	cfg.StartConcurrency = 50
	bubble(t, cfg, func(b *bench) {
		var clients sync.WaitGroup
		for i := range 40 {
			clients.Go(func() {
				o := <-b.ask(fmt.Sprint("w", i), Wish{})
				if o.err != nil {
					t.Errorf("%s: %v", o.name, o.err)
					return
				}
				pass(time.Second)
				o.lease.Release()
			})
		}
		clients.Wait()
		b.driver.mu.Lock()
		defer b.driver.mu.Unlock()
		if b.driver.most != 5 {
			t.Errorf("%d workers ran at once, want all 5 that are allowed", b.driver.most)
		}
	})
}

func TestS2_StartsAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	cfg := testConfig(10)
	cfg.StartConcurrency = 2
	bubble(t, cfg, func(b *bench) {
		var results []<-chan outcome
		for i := range 6 {
			results = append(results, b.ask(fmt.Sprint("w", i), Wish{}))
		}
		after := map[time.Duration]int{}
		for _, result := range results {
			o := <-result
			if o.err != nil {
				t.Fatal(o.err)
			}
			after[o.after]++
			o.lease.Release()
		}
		want := map[time.Duration]int{10 * time.Millisecond: 2, 20 * time.Millisecond: 2, 30 * time.Millisecond: 2}
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("not two at a time (-want +got):\n%s", diff)
		}
	})
}

func TestS2_StoppingAndQuarantinedCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		driver.set("a", script{notGone: 1000})
		b := newBench(t, testConfig(1), driver)
		b.use("a")
		pass(2 * time.Second)
		o := <-b.ask("b", Wish{Wait: 5 * time.Second})
		var capacity *CapacityError
		if !errors.As(o.err, &capacity) || capacity.Reason != ReasonQuarantined {
			t.Errorf("got %v, want no room because of a quarantined worker", o.err)
		}
		b.wantState("a", StateQuarantined)
		if o := <-b.ask("a", Wish{}); !errors.Is(o.err, workspace.ErrQuarantined) || o.after != 0 {
			t.Errorf("got %v after %v, want ErrQuarantined at once", o.err, o.after)
		}
		if err := b.end(); !errors.Is(err, ErrNotGone) {
			t.Errorf("Run: %v, want it to name the worker that is not gone", err)
		}
	})
}

func TestS2_QuarantineEndsWithTheProof(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("late", script{notGone: 1, notGoneIn: 7 * time.Second})
		d.set("again", script{notGone: 3})
		return d
	}
	for _, name := range []string{"late", "again"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubbleWith(t, testConfig(1), driver, func(b *bench) {
				b.use(name)
				pass(2 * time.Second)
				o := <-b.ask("b", Wish{})
				if o.err != nil {
					t.Fatalf("the room of a worker that was proven gone at last was not given on: %v", o.err)
				}
				o.lease.Release()
				b.wantState(name, StateCold)
			})
		})
	}
}

func TestS2_OperatorCanHaveAQuarantinedWorkerTriedAgain(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", script{notGone: 6}) // seven tries: after 1, 3, 7, 15, 31, 61 s
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		b.use("a")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := b.pool.Evict(ctx, refOf("a"), false); !errors.Is(err, workspace.ErrQuarantined) {
			t.Errorf("Evict: got %v, want ErrQuarantined", err)
		}
		for range 4 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			_ = b.pool.Release(ctx, refOf("a"))
			cancel()
		}
		b.wantState("a", StateCold)
	})
}

func TestS2_WhatWasTakenOverBeyondTheLimitIsCorrected(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		for i := range 4 {
			d.recover = append(d.recover, d.old(fmt.Sprint("w", i)))
		}
		return d
	}
	bubbleWith(t, testConfig(4), driver, func(b *bench) {
		b.use("w3")
		for i := range 4 {
			b.wantState(fmt.Sprint("w", i), StateReady)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := driver()
		b := newBench(t, testConfig(2), d)
		pass(3 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		slices.Sort(d.stops) // both were asked at the same time
		if d.total != 2 || len(d.stops) != 2 || d.stops[0] != "w0" || d.stops[1] != "w1" {
			t.Errorf("%d workers are left, stopped were %v, want w0 and w1 stopped", d.total, d.stops)
		}
		d.most = 0 // it was more than allowed, at first
		d.mu.Unlock()
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}
