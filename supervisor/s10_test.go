package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func TestS10_EveryWaitEndsInTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script script
		before func(*bench)
		wish   Wish
		limit  time.Duration // of the request's context; 0 is none
		want   error
		after  time.Duration
	}{
		"a start that hangs": {
			script: script{start: time.Hour}, want: workspace.ErrTimeout, after: 25 * time.Second,
		},
		"a start that hangs, and a shorter wish": {
			script: script{start: time.Hour}, wish: Wish{Wait: 3 * time.Second}, want: workspace.ErrTimeout, after: 3 * time.Second,
		},
		"a start that hangs, and a shorter context": {
			script: script{start: time.Hour}, limit: 2 * time.Second, want: workspace.ErrTimeout, after: 2 * time.Second,
		},
		"a start that hangs for longer than its own limit": {
			script: script{start: time.Hour}, wish: Wish{Wait: time.Hour}, want: workspace.ErrUnavailable, after: 120 * time.Second,
		},
		"no room": {
			before: func(b *bench) { b.get("x"); b.get("y") }, want: workspace.ErrCapacity, after: 25 * time.Second,
		},
		"no permit to start": {
			before: func(b *bench) {
				b.driver.set("x", script{start: time.Hour})
				b.ask("x", Wish{})
				synctest.Wait()
			},
			want: workspace.ErrCapacity, after: 25 * time.Second,
		},
		"its own predecessor does not end": {
			script: script{stop: time.Hour, grace: 2 * time.Hour},
			before: func(b *bench) {
				b.use("a")
				go func() { _ = b.pool.Evict(context.Background(), refOf("a"), false) }()
				synctest.Wait()
			},
			want: workspace.ErrTimeout, after: 25 * time.Second,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(2)
			cfg.StartConcurrency = 1
			bubbleWith(t, cfg, withScripts(map[string]script{"a": test.script}), func(b *bench) {
				if test.before != nil {
					test.before(b)
				}
				ctx := context.Background()
				if test.limit > 0 {
					limited, cancel := context.WithTimeout(ctx, test.limit)
					defer cancel()
					ctx = limited
				}
				began := time.Now()
				_, err := b.pool.Acquire(ctx, refOf("a"), test.wish)
				if took := time.Since(began); !errors.Is(err, test.want) || took != test.after {
					t.Errorf("got %v after %v, want %v after %v", err, took, test.want, test.after)
				}
				var hint interface{ RetryAfter() time.Duration }
				if !errors.As(err, &hint) || hint.RetryAfter() <= 0 {
					t.Errorf("%v does not say when to try again", err)
				}
				if b.driver.worker("a") != nil {
					_ = b.pool.Evict(context.Background(), refOf("a"), true)
				}
			})
		})
	}
}

func TestS10_LinesAreBounded(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.WaitersPerWorkspace = 3
	cfg.WaitersTotal = 5
	slow := script{start: 10 * time.Second}
	bubbleWith(t, cfg, withScripts(map[string]script{"a": slow, "b": slow}), func(b *bench) {
		var waiting []<-chan outcome
		for range 3 {
			waiting = append(waiting, b.ask("a", Wish{}))
		}
		synctest.Wait()
		var capacity *CapacityError
		o := <-b.ask("a", Wish{})
		if !errors.As(o.err, &capacity) || capacity.Reason != ReasonWaiters || capacity.Limit != 3 || o.after != 0 {
			t.Errorf("got %v after %v, want to be told of the limit of 3", o.err, o.after)
		}
		for range 2 {
			waiting = append(waiting, b.ask("b", Wish{}))
		}
		synctest.Wait()
		o = <-b.ask("b", Wish{})
		if !errors.As(o.err, &capacity) || capacity.Reason != ReasonAllWaiters || capacity.Limit != 5 || o.after != 0 {
			t.Errorf("got %v after %v, want to be told of the limit of 5", o.err, o.after)
		}
		for _, result := range waiting {
			if o := <-result; o.err != nil {
				t.Error(o.err)
			} else {
				o.lease.Release()
			}
		}
		b.pool.mu.Lock()
		defer b.pool.mu.Unlock()
		if n := b.pool.waiters; n != 0 {
			t.Errorf("%d waiters are counted when nobody waits", n)
		}
	})
}

func TestS10_OperatorsWaitsEnd(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {stop: time.Hour, grace: 2 * time.Hour}}), func(b *bench) {
		b.use("a")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := b.pool.Evict(ctx, refOf("a"), false); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		_ = b.pool.Evict(context.Background(), refOf("a"), true)
	})
}

func TestS10_AHangingStopIsQuarantined(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.StopMargin = 5 * time.Second
	bubbleWith(t, cfg, withScripts(map[string]script{"a": {stop: time.Hour, grace: 10 * time.Second}}), func(b *bench) {
		b.use("a")
		go func() { _ = b.pool.Evict(context.Background(), refOf("a"), false) }()
		pass(14 * time.Second)
		b.wantState("a", StateStopping)
		pass(1500 * time.Millisecond)
		b.wantState("a", StateQuarantined)
		pass(time.Second) // the next try is with force
		b.wantState("a", StateCold)
	})
}

func TestS10_ListingDoesNotWaitForWorkers(t *testing.T) {
	t.Parallel()
	silent := func() (int, string) { return 0, "" }
	bubbleWith(t, testConfig(2), busyDriver(silent), func(b *bench) {
		b.use("a")
		began := time.Now()
		list := b.pool.List(context.Background())
		if took := time.Since(began); took > 300*time.Millisecond || len(list) != 1 {
			t.Errorf("%d workers after %v", len(list), took)
		}
		pass(time.Second)
		if list := b.pool.List(context.Background()); !list[0].Busy {
			t.Error("S9: a worker that does not answer is shown as idle")
		}
	})
}

func TestS11_WhatIsNotRunningCostsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		for i := range 100 {
			name := fmt.Sprint("w", i)
			b.use(name)
			if err := b.pool.Evict(context.Background(), refOf(name), false); err != nil {
				t.Fatal(err)
			}
			if _, err := b.pool.Acquire(context.Background(), refOf(name), Wish{Class: kind.Never}); !errors.Is(err, workspace.ErrCold) {
				t.Error(err)
			}
		}
		synctest.Wait()
		b.pool.mu.Lock()
		defer b.pool.mu.Unlock()
		if len(b.pool.slots) != 0 || len(b.pool.queue) != 0 || len(b.pool.ready) != 0 || len(*b.pool.index.Load()) != 0 || b.pool.counts[StateCold] != 0 {
			t.Errorf("left are %d slots, %d in the queue, %d ready, %d in the index", len(b.pool.slots), len(b.pool.queue), len(b.pool.ready), len(*b.pool.index.Load()))
		}
		if b.pool.timer.Stop() {
			t.Error("a timer runs")
		}
	})
}

func TestS11_FailuresAreRememberedWithinBounds(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.fallback = script{startErr: errBroken}
		return d
	}
	cfg := testConfig(50)
	cfg.StartConcurrency = 50
	bubbleWith(t, cfg, driver, func(b *bench) {
		for round := range 40 {
			var clients sync.WaitGroup
			for i := range 50 {
				clients.Go(func() { _, _ = b.pool.Acquire(context.Background(), refOf(fmt.Sprint("w", round, "-", i)), Wish{}) })
			}
			clients.Wait()
			pass(time.Hour)
		}
		b.pool.mu.Lock()
		defer b.pool.mu.Unlock()
		if n := len(b.pool.slots); n > maxResting+1 || n < 100 {
			t.Errorf("%d failures are remembered, want at most %d", n, maxResting)
		}
	})
}
