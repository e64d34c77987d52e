package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// asking is a kind's word for being busy, with round numbers.
func asking() *kind.Busy {
	return &kind.Busy{
		Path: "/health", Pointers: []string{"/pipeline/active", "/pipeline/queue"},
		Samples: 3, Interval: 100 * time.Millisecond, Bound: time.Hour,
	}
}

// busyDriver gives workers that answer as said.
func busyDriver(answer func() (int, string)) func() *fakeDriver {
	return func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", script{busy: asking(), answer: answer})
		return d
	}
}

func TestS9_OnlyAnIdleWorkerIsEvicted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status  int
		body    string
		evicted bool
	}{
		"idle":                       {200, `{"pipeline":{"active":false}}`, true},
		"idle by the second pointer": {200, `{"pipeline":{"queue":0}}`, true},
		"busy":                       {200, `{"pipeline":{"active":true}}`, false},
		"busy by number":             {200, `{"pipeline":{"queue":3}}`, false},
		"the first pointer decides":  {200, `{"pipeline":{"active":false,"queue":3}}`, true},
		"says neither":               {200, `{"status":"fine"}`, false},
		"says nonsense":              {200, `{"pipeline":{"active":"no"}}`, false},
		"says null":                  {200, `{"pipeline":{"active":null}}`, false},
		"no JSON":                    {200, `<html>`, false},
		"an error":                   {500, `{"pipeline":{"active":false}}`, false},
		"silent":                     {0, ``, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := func() (int, string) { return test.status, test.body }
			bubbleWith(t, testConfig(1), busyDriver(answer), func(b *bench) {
				b.use("a")
				pass(time.Minute)
				o := <-b.ask("b", Wish{})
				if evicted := o.err == nil; evicted != test.evicted {
					t.Fatalf("evicted: %v (%v), want %v", evicted, o.err, test.evicted)
				}
				if o.lease != nil {
					// Three samples, 100 ms apart, then 10 ms to start b.
					if want := 210 * time.Millisecond; o.after != want {
						t.Errorf("it took %v, want %v", o.after, want)
					}
					o.lease.Release()
					return
				}
				var capacity *CapacityError
				if !errors.As(o.err, &capacity) || capacity.Reason != ReasonBusy {
					t.Errorf("got %v, want no room because of a busy worker", o.err)
				}
			})
		})
	}
}

func TestS9_OneBusyAnswerAmongSeveralCounts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	answer := func() (int, string) {
		busy := asked.Add(1) == 3 // the third of the first three samples
		return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, busy)
	}
	bubbleWith(t, testConfig(1), busyDriver(answer), func(b *bench) {
		b.use("a")
		pass(time.Minute)
		o := <-b.ask("b", Wish{})
		// 200 ms to see it busy, asked again after 1 s, 200 ms to see it idle, 10 ms to start b.
		if want := 1410 * time.Millisecond; o.err != nil || o.after != want {
			t.Fatalf("got %v after %v, want a lease after %v", o.err, o.after, want)
		}
		o.lease.Release()
	})
}

func TestS9_TheNextAtRestGoesInsteadOfABusyOne(t *testing.T) {
	t.Parallel()
	busy := func() (int, string) { return http.StatusOK, `{"pipeline":{"active":true}}` }
	bubbleWith(t, testConfig(2), busyDriver(busy), func(b *bench) {
		b.use("a")
		pass(time.Second)
		b.use("plain")
		pass(time.Minute)
		b.use("b")
		b.wantState("a", StateReady)
		b.wantState("plain", StateCold)
	})
}

func TestS9_SilenceIsBelievedUpToABound(t *testing.T) {
	t.Parallel()
	silent := func() (int, string) { return http.StatusServiceUnavailable, "" }
	bubbleWith(t, testConfig(1), busyDriver(silent), func(b *bench) {
		b.use("a")
		pass(2 * time.Second)
		if o := <-b.ask("b", Wish{}); o.err == nil {
			t.Fatal("a worker that did not say that it is idle was evicted")
		}
		pass(time.Hour)
		o := <-b.ask("b", Wish{})
		if o.err != nil || o.after != 10*time.Millisecond {
			t.Errorf("got %v after %v, want a lease at once: it has been silent for longer than the bound", o.err, o.after)
		} else {
			o.lease.Release()
		}
	})
}

func TestS9_TheBoundBeginsAnewWithEachIdleAnswer(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	answer := func() (int, string) { return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, busy.Load()) }
	bubbleWith(t, testConfig(1), busyDriver(answer), func(b *bench) {
		b.use("a")
		look := func() {
			b.pool.List(context.Background())
			pass(40 * time.Minute)
		}
		busy.Store(true)
		look()
		busy.Store(false)
		look()
		busy.Store(true)
		look()
		if o := <-b.ask("b", Wish{}); o.err == nil {
			t.Error("a worker that has been busy for 40 minutes was evicted, as if it had been so for two hours")
		}
	})
}

func TestS9_ARequestDuringTheProbeSavesTheWorker(t *testing.T) {
	t.Parallel()
	idle := func() (int, string) { return http.StatusOK, `{"pipeline":{"active":false}}` }
	bubbleWith(t, testConfig(2), busyDriver(idle), func(b *bench) {
		b.use("a")
		pass(time.Second)
		b.use("plain")
		pass(time.Minute)
		waiting := b.ask("b", Wish{})
		pass(150 * time.Millisecond) // a has been asked twice
		b.use("a")
		o := <-waiting
		if o.err != nil {
			t.Fatal(o.err)
		}
		o.lease.Release()
		b.wantState("a", StateReady)
		b.wantState("plain", StateCold)
	})
}

func TestS9_EvictAsksToo(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	answer := func() (int, string) { return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, busy.Load()) }
	bubbleWith(t, testConfig(1), busyDriver(answer), func(b *bench) {
		b.use("a")
		if err := b.pool.Evict(context.Background(), refOf("a"), false); !errors.Is(err, workspace.ErrRefused) {
			t.Errorf("got %v, want to be refused", err)
		}
		pass(2 * time.Second)
		if status, _ := b.pool.Get(context.Background(), refOf("a")); !status.Busy {
			t.Error("it is not shown as busy")
		}
		busy.Store(false)
		pass(2 * time.Second)
		if status, _ := b.pool.Get(context.Background(), refOf("a")); status.Busy {
			t.Error("it is shown as busy")
		}
		if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
			t.Error(err)
		}
	})
	bubbleWith(t, testConfig(1), busyDriver(func() (int, string) { return 500, "" }), func(b *bench) {
		b.use("a")
		if err := b.pool.Evict(context.Background(), refOf("a"), true); err != nil {
			t.Errorf("with force: %v", err)
		}
	})
}

func TestS9_IdleTimeoutAsksToo(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.IdleTimeout = time.Minute
	var busy atomic.Bool
	busy.Store(true)
	answer := func() (int, string) { return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, busy.Load()) }
	bubbleWith(t, cfg, busyDriver(answer), func(b *bench) {
		b.use("a")
		pass(10 * time.Minute)
		b.wantState("a", StateReady)
		busy.Store(false)
		pass(2 * time.Second)
		b.wantState("a", StateCold)
	})
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	document := map[string]any{"a": map[string]any{"b/c": 1.0, "d~e": true}, "list": []any{"x", map[string]any{"y": 2.0}}, "": 3.0}
	tests := map[string]struct {
		pointer string
		want    any
		found   bool
	}{
		"member":           {"/a/b~1c", 1.0, true},
		"tilde":            {"/a/d~0e", true, true},
		"element":          {"/list/1/y", 2.0, true},
		"blank name":       {"/", 3.0, true},
		"no such member":   {"/a/x", nil, false},
		"beyond the end":   {"/list/2", nil, false},
		"leading zero":     {"/list/01", nil, false},
		"negative":         {"/list/-1", nil, false},
		"into a value":     {"/a/d~0e/x", nil, false},
		"no leading slash": {"a", nil, false},
	}
	for name, test := range tests {
		if got, found := kind.LookUp(document, test.pointer); got != test.want || found != test.found {
			t.Errorf("%s: got %v, %v", name, got, found)
		}
	}
	if got, found := kind.LookUp(document, ""); got == nil || !found {
		t.Error("the whole document was not found")
	}
}
