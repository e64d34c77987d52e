package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

// worksAfter gives workers of which "a" is busy as soon as it is told so.
func worksAfter(working *atomic.Bool) func() *fakeDriver {
	return busyDriver(func() (int, string) {
		return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, working.Load())
	})
}

// TestS9_WhatAnUploadGaveToDoCountsFromItsEnd has a worker say that it is idle while an upload is open on it, and be busy
// from the answer to that on.
func TestS9_WhatAnUploadGaveToDoCountsFromItsEnd(t *testing.T) {
	t.Parallel()
	var working atomic.Bool
	bubbleWith(t, testConfig(1), worksAfter(&working), func(b *bench) {
		upload := b.get("a")
		pass(time.Minute)
		b.pool.locked(func() { b.pool.probe(b.pool.slots[refOf("a").Generation].launch) })
		waiting := b.ask("b", Wish{Wait: 2 * time.Second})
		pass(300 * time.Millisecond) // it was asked three times
		working.Store(true)
		upload.Release()
		if o := <-waiting; o.err == nil {
			o.lease.Release()
			t.Fatal("it was evicted in the moment at which an upload was answered")
		}
		b.wantState("a", StateReady)
	})
}

// TestS9_EvictHeedsWhatCameWhileItAsked has requests come and go while an operator's eviction asks the worker.
func TestS9_EvictHeedsWhatCameWhileItAsked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ from, to time.Duration }{
		"one that was there before": {0, 150 * time.Millisecond},
		"one that came and went":    {120 * time.Millisecond, 150 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var working atomic.Bool
			bubbleWith(t, testConfig(1), worksAfter(&working), func(b *bench) {
				b.use("a")
				pass(time.Minute)
				evicted := make(chan error, 1)
				go func() { evicted <- b.pool.Evict(context.Background(), refOf("a"), false) }()
				pass(test.from + time.Millisecond)
				upload := b.get("a")
				pass(test.to - test.from)
				upload.Release()
				if err := <-evicted; !errors.Is(err, workspace.ErrRefused) {
					t.Errorf("got %v, want to be refused", err)
				}
				b.wantState("a", StateReady)
				pass(time.Second)
				if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
					t.Errorf("at rest: %v", err)
				}
			})
		})
	}
}
