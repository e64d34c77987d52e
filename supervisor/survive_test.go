package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// survivor is a worker of before that outlives the pool.
type survivor struct {
	*fakeWorker
	past Past

	mu       sync.Mutex
	requests int
	changed  chan struct{}
	left     []time.Time
}

// survives makes one that was used for the last time so long ago.
func (d *fakeDriver) survives(name string, ago time.Duration, requests int) *survivor {
	s := &survivor{fakeWorker: d.old(name), requests: requests, changed: make(chan struct{})}
	s.past = Past{StartedAt: time.Now().Add(-2 * time.Hour), ReadyAt: time.Now().Add(-2*time.Hour + 1500*time.Millisecond), Isolation: "held"}
	if ago > 0 {
		s.past.LastEnd = time.Now().Add(-ago)
	}
	d.recover = append(d.recover, s)
	return s
}

func (s *survivor) Past() Past { return s.past }

func (s *survivor) Elsewhere() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.changed
}

func (s *survivor) end() { s.have(0) }

// have says how many requests a router that is leaving has on it.
func (s *survivor) have(requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = requests
	close(s.changed)
	s.changed = make(chan struct{})
}

// LetGo takes the worker out of the driver's account.
func (s *survivor) LetGo(lastEnd time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, lastEnd)
	s.driver.exit(s.spec.Ref.Generation)
}

func (s *survivor) wasLeft() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

func (b *bench) eventsOf(of EventType) (names []string) {
	for _, event := range b.pool.Events(0) {
		if event.Type == of {
			names = append(names, event.Workspace)
		}
	}
	return names
}

func TestS8_AWorkerOfBeforeKeepsItsTimesAndItsPlace(t *testing.T) {
	t.Parallel()
	var began time.Time
	driver := func() *fakeDriver {
		d := newFakeDriver()
		began = time.Now()
		d.survives("late", time.Minute, 0)
		d.survives("unknown", 0, 0)
		d.survives("early", time.Hour, 0)
		return d
	}
	bubbleWith(t, testConfig(3), driver, func(b *bench) {
		status, found := b.pool.Get(context.Background(), refOf("early"))
		if !found || status.State != StateReady || status.Launch != "old-early" || status.ReadyMS != 1500 ||
			!status.StartedAt.Equal(began.Add(-2*time.Hour)) || status.IdleSeconds < 3600 || status.IdleSeconds > 3601 {
			t.Errorf("got %+v, want what was known before", status)
		}
		if diff := cmp.Diff([]string{"early", "late", "unknown"}, slices.Sorted(slices.Values(b.eventsOf(EventRecovered)))); diff != "" {
			t.Errorf("recovered (-want +got):\n%s", diff)
		}
		for _, victim := range []string{"early", "late", "unknown"} {
			b.use("new-" + victim)
			b.wantState(victim, StateCold)
			pass(2 * time.Second)
		}
	})
}

// A wall clock that was set back must not make workers of before young, nor keep them until it has caught up.
func TestS8_WorkersOfBeforeGoByTheirTurnWhereTheWallClockWasSetBack(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		for i, name := range []string{"second", "first"} {
			s := d.survives(name, 0, 0)
			s.past.StartedAt, s.past.ReadyAt = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
			s.past.LastEnd = time.Now().Add(3*time.Hour - time.Duration(i)*time.Hour)
		}
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		pass(2 * time.Second)
		b.use("a")
		b.wantState("first", StateCold)
		b.wantState("second", StateReady)
		if idle := b.statusOf("second").IdleSeconds; idle < 2 || idle > 3 {
			t.Errorf("at rest for %.1f s, want since it was taken over", idle)
		}
	})
}

func TestS8_RequestsOfALeavingRouterPinTheWorker(t *testing.T) {
	t.Parallel()
	var busy *survivor
	driver := func() *fakeDriver {
		d := newFakeDriver()
		busy = d.survives("busy", time.Hour, 2)
		d.survives("idle", time.Minute, 0)
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		b.use("a")
		b.wantState("busy", StateReady)
		b.wantState("idle", StateCold)
		if err := b.pool.Evict(context.Background(), refOf("busy"), false); !errors.As(err, new(*RefusedError)) {
			t.Errorf("evict: got %v, want it refused", err)
		}
		busy.end()
		synctest.Wait()
		pass(2 * time.Second)
		b.use("b")
		b.wantState("busy", StateCold)
		b.wantState("a", StateReady)
	})
}

// A client's open connection may bring the leaving router a request after the workers have changed hands.
func TestS8_ARequestThatComesToALeavingRouterLaterPinsTheWorker(t *testing.T) {
	t.Parallel()
	var late *survivor
	driver := func() *fakeDriver {
		d := newFakeDriver()
		late = d.survives("late", time.Hour, 0)
		d.survives("idle", time.Minute, 0)
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		late.have(1)
		synctest.Wait()
		b.use("a")
		b.wantState("late", StateReady)
		b.wantState("idle", StateCold)
		late.have(0)
		synctest.Wait()
		late.have(2)
		synctest.Wait()
		if err := b.pool.Evict(context.Background(), refOf("late"), false); !errors.As(err, new(*RefusedError)) {
			t.Errorf("evict: got %v, want it refused", err)
		}
	})
}

func TestS3_TheEndOfALeavingRoutersRequestIsAUse(t *testing.T) {
	t.Parallel()
	var stream *survivor
	driver := func() *fakeDriver {
		d := newFakeDriver()
		stream = d.survives("stream", time.Hour, 1)
		d.survives("idle", time.Minute, 0)
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		stream.end()
		synctest.Wait()
		pass(2 * time.Second)
		b.use("a")
		b.wantState("stream", StateReady)
		b.wantState("idle", StateCold)
	})
}

func TestS3_ALeavingRoutersRequestsCountOnce(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(*bench, *survivor){
		"they end":        func(_ *bench, s *survivor) { s.have(2); synctest.Wait(); s.end() },
		"they are cut":    func(b *bench, _ *survivor) { b.pool.Cut(Filter{Generation: refOf("t.a").Generation}) },
		"its worker dies": func(_ *bench, s *survivor) { s.fakeWorker.end(Exit{Code: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shared *survivor
			driver := func() *fakeDriver {
				d := newFakeDriver()
				shared = d.survives("t.a", time.Hour, 1)
				return d
			}
			cfg := testConfig(4)
			cfg.TenantMaxLeases = 2
			bubbleWith(t, cfg, driver, func(b *bench) {
				b.use("t.b") // so that the tenant has a worker, whatever becomes of the other
				use := b.pool.tenants["t"]
				if n := use.leases.Load(); n != 1 {
					t.Errorf("%d leases, want 1 for those of the leaving router", n)
				}
				finish(b, shared)
				synctest.Wait()
				if n := use.leases.Load(); n != 0 {
					t.Errorf("%d leases, want none", n)
				}
			})
		})
	}
}

func TestS8_AWorkerThatEndedUnattendedIsTold(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.survives("a", time.Hour, 0).fakeWorker.end(Exit{Code: -1, Signal: "SIGKILL"})
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		b.wantState("a", StateCold)
		events := b.pool.Events(0)
		if len(events) != 1 || events[0].Type != EventDied || events[0].Detail != "SIGKILL" || events[0].Launch != "old-a" || events[0].Reason != "unattended" {
			t.Errorf("got %+v, want its death told", events)
		}
		b.use("a")
	})
}

func TestPool_LetGoLeavesWhatCanSurvive(t *testing.T) {
	t.Parallel()
	var idle, leased, stuck *survivor
	driver := func() *fakeDriver {
		d := newFakeDriver()
		idle, leased, stuck = d.survives("idle", time.Hour, 0), d.survives("leased", 0, 0), d.survives("stuck", 0, 0)
		d.old("mortal")
		d.recover = append(d.recover, d.workers[refOf("mortal").Generation])
		return d
	}
	bubbleWith(t, testConfig(5), driver, func(b *bench) {
		at := time.Now()
		lease, dead := b.get("leased"), b.get("stuck")
		b.driver.set("slow", script{start: time.Hour})
		starting := b.ask("slow", Wish{Wait: 2 * time.Hour})
		synctest.Wait()
		b.pool.LetGo()
		b.use("idle") // what is there is served
		if _, err := b.pool.Acquire(context.Background(), refOf("cold"), Wish{}); !errors.Is(err, workspace.ErrClosing) {
			t.Errorf("a cold workspace: got %v, want ErrClosing", err)
		}
		var held []LaunchID
		for _, hold := range b.pool.Holds() {
			if hold.Leases > 0 {
				held = append(held, hold.Launch)
			}
		}
		if len(held) != 2 {
			t.Errorf("leases on %v, want on two", held)
		}
		b.cancel()
		synctest.Wait()
		if o := <-starting; !errors.Is(o.err, workspace.ErrClosing) {
			t.Errorf("a start that was under way: got %v, want ErrClosing", o.err)
		}
		if got := idle.wasLeft(); len(got) != 1 || !got[0].Equal(at) {
			t.Errorf("left at %v, want once, used at %v", got, at)
		}
		if got := leased.wasLeft(); len(got) != 0 {
			t.Error("a worker was left under a lease")
		}
		pass(time.Second)
		lease.Release()
		synctest.Wait()
		if got := leased.wasLeft(); len(got) != 1 || !got[0].Equal(at.Add(time.Second)) {
			t.Errorf("left at %v, want once, used at %v", got, at.Add(time.Second))
		}
		<-dead.Ended() // after Config.DrainTimeout
		dead.Release()
		<-b.pool.closed
		if got := stuck.wasLeft(); len(got) != 1 {
			t.Errorf("left %d times, want once", len(got))
		}
		if idle.wasAsked() || leased.wasAsked() || stuck.wasAsked() || !b.driver.worker("mortal").wasAsked() {
			t.Error("what survives is not to be stopped, and what does not is")
		}
		if diff := cmp.Diff([]string{"idle", "leased", "stuck"}, slices.Sorted(slices.Values(b.eventsOf(EventLeft)))); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
	})
}

// What the router that goes on wants stopped takes no request here any more; those that it has may end.
func TestPool_GiveUpTakesNoRequestAndEndsNone(t *testing.T) {
	t.Parallel()
	var idle, leased *survivor
	driver := func() *fakeDriver {
		d := newFakeDriver()
		idle, leased = d.survives("idle", time.Hour, 0), d.survives("leased", 0, 0)
		return d
	}
	bubbleWith(t, testConfig(5), driver, func(b *bench) {
		b.pool.GiveUp("old-idle")
		b.use("idle") // the workers are this pool's still, and it decides
		lease := b.get("leased")
		b.pool.LetGo()
		b.pool.GiveUp("old-idle")
		b.pool.GiveUp("old-leased")
		for _, name := range []string{"idle", "leased"} {
			if _, err := b.pool.Acquire(context.Background(), refOf(name), Wish{}); !errors.Is(err, workspace.ErrClosing) {
				t.Errorf("%s: got %v, want ErrClosing", name, err)
			}
		}
		synctest.Wait()
		if closed(lease.Ended()) || len(idle.wasLeft()) != 1 || len(leased.wasLeft()) != 0 {
			t.Errorf("left %d and %d times, want the one that is idle; the lease is ended: %v", len(idle.wasLeft()), len(leased.wasLeft()), closed(lease.Ended()))
		}
		lease.Release()
		synctest.Wait()
		if len(leased.wasLeft()) != 1 || idle.wasAsked() || leased.wasAsked() {
			t.Error("want it left when its request has ended, and none stopped by this pool")
		}
	})
}

// Until it is known who has the workers, what was given up is neither left nor stopped.
func TestPool_GiveUpWaitsUntilItIsKnownWhoHasTheWorkers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		decide func(b *bench, resume func())
		left   int
	}{
		"this pool":    {func(_ *bench, resume func()) { resume() }, 0},
		"the next one": {func(b *bench, _ func()) { b.pool.LetGo() }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var idle, leased *survivor
			driver := func() *fakeDriver {
				d := newFakeDriver()
				idle, leased = d.survives("idle", time.Hour, 0), d.survives("leased", 0, 0)
				return d
			}
			bubbleWith(t, testConfig(5), driver, func(b *bench) {
				lease := b.get("leased")
				resume, err := b.pool.Still(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				b.pool.GiveUp("old-idle")
				b.pool.GiveUp("old-leased")
				lease.Release()
				pass(b.pool.cfg.DrainTimeout + time.Minute)
				for _, w := range []*survivor{idle, leased} {
					if w.wasAsked() || len(w.wasLeft()) > 0 {
						t.Errorf("%s: stopped %v, left %d times, before it is known whose it is", w.spec.Ref, w.wasAsked(), len(w.wasLeft()))
					}
				}
				test.decide(b, resume)
				pass(time.Second)
				for _, w := range []*survivor{idle, leased} {
					if len(w.wasLeft()) != test.left || w.wasAsked() != (test.left == 0) {
						t.Errorf("%s: stopped %v, left %d times; want left %d times, or stopped", w.spec.Ref, w.wasAsked(), len(w.wasLeft()), test.left)
					}
				}
				if test.left == 0 {
					b.use("idle") // by another worker
				}
			})
		})
	}
}

func TestPool_SettledWaitsForStartsAndStops(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.driver.set("slow", script{start: time.Second, stop: time.Second})
		waiting := b.ask("slow", Wish{})
		synctest.Wait()
		short, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if err := b.pool.Settled(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v while a start is under way, want the end of the time", err)
		}
		began := time.Now()
		if err := b.pool.Settled(context.Background()); err != nil || time.Since(began) < 400*time.Millisecond {
			t.Errorf("settled after %v: %v", time.Since(began), err)
		}
		(<-waiting).lease.Release()
	})
}

// While its workers are offered to another router the pool leaves them alone, whatever its clock says and operators ask;
// taken back, it does again what is due.
func TestS8_NothingIsStoppedWhileWorkersAreOffered(t *testing.T) {
	t.Parallel()
	cfg := testConfig(4)
	cfg.IdleTimeout = 5 * time.Second
	bubble(t, cfg, func(b *bench) {
		b.use("a")
		resume, err := b.pool.Still(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Second)
		if err := b.pool.Evict(context.Background(), refOf("a"), true); !errors.Is(err, workspace.ErrClosing) {
			t.Errorf("evict: got %v, want that it is closing", err)
		}
		if err := b.pool.Start(context.Background(), refOf("b")); !errors.Is(err, workspace.ErrClosing) {
			t.Errorf("start: got %v, want that it is closing", err)
		}
		if s, _ := b.pool.Get(context.Background(), refOf("a")); s.State != StateReady {
			t.Errorf("a is %s, want ready", s.State)
		}
		if _, err := b.pool.Acquire(context.Background(), refOf("b"), Wish{Class: kind.Passive}); !errors.Is(err, workspace.ErrCold) {
			t.Errorf("a passive request: got %v, want that it is cold: nothing is started for it now, and perhaps not later", err)
		}
		b.use("a") // it serves
		resume()
		pass(6 * time.Second)
		if s, _ := b.pool.Get(context.Background(), refOf("a")); s.State != StateCold {
			t.Errorf("a is %s after its time, want cold", s.State)
		}
	})
}
