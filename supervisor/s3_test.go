package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func TestS3_VictimIsTheOneWhoseLastActiveLeaseEndedFirst(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		act  func(*bench)
		want string // stopped for "new"
	}{
		"used in order": {func(*bench) {}, "a"},
		"used again":    {func(b *bench) { b.use("a") }, "b"},
		"the last end counts, not the last begin": {func(b *bench) {
			long := b.get("a")
			pass(time.Second)
			b.use("b")
			pass(time.Second)
			b.use("c")
			pass(time.Second)
			long.Release()
		}, "b"},
		"a passive lease does not count": {func(b *bench) {
			lease, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{Class: kind.Passive})
			if err != nil {
				t.Error(err)
				return
			}
			lease.Release()
		}, "a"},
		"nor does one of the class never": {func(b *bench) {
			lease, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{Class: kind.Never})
			if err != nil {
				t.Error(err)
				return
			}
			lease.Release()
		}, "a"},
		"looking does not count":     {func(b *bench) { b.pool.List(context.Background()) }, "a"},
		"warming does not count":     {func(b *bench) { _ = b.pool.Start(context.Background(), refOf("a")) }, "a"},
		"one that is leased is kept": {func(b *bench) { defer time.AfterFunc(time.Hour, b.get("a").Release) }, "b"},
		"one with a passive lease is kept": {func(b *bench) {
			lease, _ := b.pool.Acquire(context.Background(), refOf("a"), Wish{Class: kind.Passive})
			time.AfterFunc(time.Hour, lease.Release)
		}, "b"},
		"one that is pinned is kept": {func(b *bench) { _ = b.pool.Pin(refOf("a")) }, "b"},
		"one whose pin was lifted is not": {func(b *bench) {
			_ = b.pool.Pin(refOf("a"))
			_ = b.pool.Unpin(refOf("a"))
		}, "a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, testConfig(3), func(b *bench) {
				for _, name := range []string{"a", "b", "c"} {
					b.use(name)
					pass(2 * time.Second)
				}
				test.act(b)
				pass(time.Second)
				b.use("new")
				b.driver.mu.Lock()
				defer b.driver.mu.Unlock()
				if len(b.driver.stops) != 1 || b.driver.stops[0] != test.want {
					t.Errorf("stopped were %v, want only %q", b.driver.stops, test.want)
				}
			})
		})
	}
}

func TestS3_MinimumResidency(t *testing.T) {
	t.Parallel()
	cfg := testConfig(1)
	cfg.MinResidency = 3 * time.Second
	bubble(t, cfg, func(b *bench) {
		b.use("a")
		o := <-b.ask("b", Wish{})
		// a was ready for 3 s, then 10 ms to stop it and 10 ms to start b
		if want := 3*time.Second + 20*time.Millisecond; o.err != nil || o.after != want {
			t.Fatalf("got %v after %v, want a lease after %v", o.err, o.after, want)
		}
		o.lease.Release()
		o = <-b.ask("c", Wish{Wait: 2 * time.Second})
		var capacity *CapacityError
		if !errors.As(o.err, &capacity) || capacity.Reason != ReasonResidency {
			t.Errorf("got %v, want no room because of residency", o.err)
		}
	})
}

func TestCase4_AllLeasedOrPinnedIsAnAnswerInTime(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		b.use("pinned")
		if err := b.pool.Pin(refOf("pinned")); err != nil {
			t.Fatal(err)
		}
		held := []*Lease{b.get("a"), b.get("b")}
		pass(2 * time.Second)
		o := <-b.ask("c", Wish{Wait: 5 * time.Second})
		var capacity *CapacityError
		if !errors.As(o.err, &capacity) || !errors.Is(o.err, workspace.ErrCapacity) {
			t.Fatalf("got %v, want a CapacityError", o.err)
		}
		if capacity.Reason != ReasonLeased || capacity.Held[ReasonLeased] != 2 || capacity.Held[ReasonPinned] != 1 ||
			capacity.Limit != 3 || capacity.RetryAfter() <= 0 || o.after != 5*time.Second {
			t.Errorf("got %+v after %v", capacity, o.after)
		}
		for _, lease := range held {
			lease.Release()
		}
	})
}

// TestS3_AsManyVictimsAsNewcomers: two that become evictable at the same time are stopped side by side.
func TestS3_AsManyVictimsAsNewcomers(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.MinResidency = 3 * time.Second
	slow := script{stop: time.Second, grace: time.Minute}
	bubbleWith(t, cfg, withScripts(map[string]script{"a": slow, "b": slow, "c": {}, "d": {}}), func(b *bench) {
		b.use("a")
		b.use("b")
		first, second := b.ask("c", Wish{}), b.ask("d", Wish{})
		for _, result := range []<-chan outcome{first, second} {
			o := <-result
			if o.err != nil || o.after != 4*time.Second {
				t.Fatalf("%s: got %v after %v, want a lease after 3 s of residency and one stop", o.name, o.err, o.after)
			}
			o.lease.Release()
		}
	})
}

// TestS3_RoomIsGivenOnAtTheEndOfALease needs no tick: the end of the last lease makes the choice.
func TestS3_RoomIsGivenOnAtTheEndOfALease(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		held := b.get("a")
		pass(2 * time.Second)
		waiting := b.ask("b", Wish{})
		pass(1234 * time.Millisecond)
		held.Release()
		if o := <-waiting; o.err != nil || o.after != 1254*time.Millisecond {
			t.Errorf("got %v after %v, want a lease 20 ms after the other one ended", o.err, o.after)
		} else {
			o.lease.Release()
		}
	})
}

func TestCase4_TwoAlternateOnAPoolOfOne(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		served := make(chan string, 100)
		for _, name := range []string{"a", "b"} {
			go func() {
				for range 10 {
					lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{})
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if most := b.pool.cfg.MinResidency + 100*time.Millisecond; lease.Waited() > most {
						t.Errorf("%s waited %v, want no longer than the other's residency, its request and two changes: %v", name, lease.Waited(), most)
					}
					pass(50 * time.Millisecond)
					lease.Release()
					served <- name
				}
			}()
		}
		order := ""
		for range 20 {
			order += <-served
		}
		counts := map[rune]int{}
		for i, r := range order {
			counts[r]++
			if i >= 10 && (counts['a'] == 0 || counts['b'] == 0) {
				t.Fatalf("only one of the two made progress: %s", order)
			}
		}
	})
}

func TestCase4_TwoWaitersAndOneRoom(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		held := b.get("a")
		pass(2 * time.Second)
		first := b.ask("b", Wish{})
		pass(time.Millisecond)
		second := b.ask("c", Wish{})
		pass(time.Millisecond)
		held.Release()
		o := <-first
		if o.err != nil {
			t.Fatal(o.err)
		}
		pass(2 * time.Second)
		select {
		case o := <-second:
			t.Fatalf("the second one was served (%v) while the first one holds the room", o.err)
		default:
		}
		o.lease.Release()
		if o := <-second; o.err != nil {
			t.Error(o.err)
		} else {
			o.lease.Release()
		}
	})
}

func TestS3_FreedRoomGoesToWhoCameFirst(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		held := b.get("a")
		pass(2 * time.Second)
		order := make(chan string, 10)
		for i := range 5 {
			go func() {
				name := fmt.Sprint("w", i)
				lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{})
				if err != nil {
					t.Error(err)
				} else {
					order <- name
					lease.Release()
				}
			}()
			pass(time.Millisecond)
		}
		held.Release()
		for i := range 5 {
			if got, want := <-order, fmt.Sprint("w", i); got != want {
				t.Errorf("served was %s, want %s", got, want)
			}
		}
	})
}

// streams drive one open answer per lease, byte by byte.
func open(t *testing.T, lease *Lease) io.ReadCloser {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://worker/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := lease.Upstream().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.Body
}

func TestCase10_AStuckStreamNoLongerPins(t *testing.T) {
	t.Parallel()
	stream := func() *fakeDriver {
		d := newFakeDriver()
		d.fallback.answer = func() (int, string) { return http.StatusOK, "a long answer" }
		return d
	}
	tests := map[string]struct {
		use     func(*testing.T, *Lease) // within 20 minutes
		evicted bool
	}{
		"a request without an answer pins": {func(*testing.T, *Lease) { pass(20 * time.Minute) }, false},
		"an answer that moves pins": {func(t *testing.T, l *Lease) {
			body := open(t, l)
			for range 2 {
				pass(10 * time.Minute)
				if _, err := body.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
			}
		}, false},
		"nor does a stuck answer lift the pin of a request without one": {func(t *testing.T, l *Lease) {
			other, _ := l.launch.lease("", true)
			open(t, other)
			time.AfterFunc(time.Hour, other.Release)
			pass(20 * time.Minute)
		}, false},
		"an answer that is stuck does not": {func(t *testing.T, l *Lease) {
			body := open(t, l)
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			pass(20 * time.Minute)
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubbleWith(t, testConfig(1), stream, func(b *bench) {
				lease := b.get("a")
				test.use(t, lease)
				o := <-b.ask("b", Wish{})
				if evicted := o.err == nil; evicted != test.evicted {
					t.Errorf("evicted: %v (%v), want %v", evicted, o.err, test.evicted)
				}
				select {
				case <-lease.Ended():
					if !test.evicted {
						t.Error("the lease was cut")
					}
				default:
					if test.evicted {
						t.Error("the lease was not told to end")
					}
				}
				lease.Release()
				if o.lease != nil {
					o.lease.Release()
				}
			})
		})
	}
}

func TestS3_OneAtRestGoesBeforeOneThatIsStuck(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		stuck := b.get("a")
		open(t, stuck)
		pass(30 * time.Minute)
		b.use("b")
		pass(2 * time.Second)
		b.use("c")
		b.wantState("a", StateReady)
		b.wantState("b", StateCold)
		stuck.Release()
	})
}

func TestS3_PinsLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		for _, name := range []string{"a", "b"} {
			if err := b.pool.Pin(refOf(name)); err != nil {
				t.Error(err)
			}
		}
		err := b.pool.Pin(refOf("c"))
		want := `cannot pin workspace "c": of 3 workers, 2 cannot be evicted already; with this one, 0 would be left for all other workspaces`
		if !errors.Is(err, workspace.ErrRefused) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := b.pool.Pin(refOf("a")); err != nil {
			t.Errorf("pinning again: %v", err)
		}
		if err := b.pool.Unpin(refOf("b")); err != nil {
			t.Error(err)
		}
		if err := b.pool.Pin(refOf("c")); err != nil {
			t.Errorf("after an unpin: %v", err)
		}
	})
}

func TestS3_IdleTimeout(t *testing.T) {
	t.Parallel()
	cfg := testConfig(3)
	cfg.IdleTimeout = time.Minute
	bubble(t, cfg, func(b *bench) {
		b.use("a")
		b.use("pinned")
		_ = b.pool.Pin(refOf("pinned"))
		held := b.get("b")
		pass(59 * time.Second)
		b.use("a")
		pass(59 * time.Second)
		b.wantState("a", StateReady)
		pass(2 * time.Second)
		b.wantState("a", StateCold)
		b.wantState("b", StateReady)
		b.wantState("pinned", StateReady)
		held.Release()
		pass(2 * time.Minute)
		b.wantState("b", StateCold)
	})
}

// TestS3_RequestThatReachesTheVictimFirst is the pool's half of the race: the victim is chosen, and then leased.
func TestS3_RequestThatReachesTheVictimFirst(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.use("a")
		pass(time.Second)
		b.use("b")
		pass(2 * time.Second)
		wake := neverRings
		v, found := b.pool.victim("", b.pool.now(), &wake)
		if !found || v.launch.ref != refOf("a") || v.next.ref != refOf("b") {
			t.Fatalf("chosen was %+v", v)
		}
		lease := b.get("a")
		b.pool.locked(func() {
			if b.pool.evict(v, stopReason{reason: stopRoom}) {
				t.Error("the victim was stopped under a lease")
			}
		})
		b.use("c")
		b.wantState("a", StateReady)
		b.wantState("b", StateCold)
		lease.Release()
	})
}
