package supervisor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// stopped lists the workspaces whose workers were stopped, in order, each with the reason.
func (b *bench) stopped() (list []string) {
	for _, event := range b.pool.Events(0) {
		if event.Type == EventStopping {
			list = append(list, event.Workspace+" "+event.Reason)
		}
	}
	return list
}

// reconfigure changes the pool's configuration or fails the test.
func (b *bench) reconfigure(change func(*Config)) {
	b.tb.Helper()
	b.pool.mu.Lock()
	cfg := b.pool.cfg
	b.pool.mu.Unlock()
	change(&cfg)
	if err := b.pool.Reconfigure(cfg); err != nil {
		b.tb.Fatal(err)
	}
}

func TestS2_FewerWorkersEvictInLRUOrderAndCutNothing(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(5), func(b *bench) {
		held := b.get("a") // in use, although it was used before all others
		for _, name := range []string{"b", "c", "d", "e"} {
			b.use(name)
			pass(2 * time.Second)
		}
		b.use("b")
		pass(2 * time.Second)
		kept := b.driver.startsOf("b")

		b.reconfigure(func(c *Config) { c.MaxWorkers = 2 })
		pass(5 * time.Second)
		if diff := cmp.Diff([]string{"c excess", "d excess", "e excess"}, b.stopped()); diff != "" {
			t.Errorf("stopped (-want +got):\n%s", diff)
		}
		b.wantState("a", StateReady)
		b.wantState("b", StateReady)

		b.reconfigure(func(c *Config) { c.MaxWorkers = 1 })
		pass(5 * time.Second)
		b.wantState("a", StateReady)
		b.wantState("b", StateCold)
		select {
		case <-held.Ended():
			t.Error("a lease was cut")
		default:
		}
		held.Release()
		pass(5 * time.Second)
		b.wantState("a", StateReady) // one is allowed
		if b.driver.startsOf("b") != kept || b.driver.startsOf("a") != 1 {
			t.Error("a worker that was kept was started again")
		}
		b.reconfigure(func(c *Config) { c.MaxWorkers = 5 })
	})
}

func TestS2_WorkerInUseGoesWhenItMay(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		one, two := b.get("a"), b.get("b")
		pass(2 * time.Second)
		b.reconfigure(func(c *Config) { c.MaxWorkers = 1 })
		pass(time.Minute)
		b.wantState("a", StateReady)
		b.wantState("b", StateReady)
		two.Release()
		b.wantState("b", StateStopping)
		b.wantState("a", StateReady)
		one.Release()
		pass(time.Second)
		b.wantState("a", StateReady)
		b.reconfigure(func(c *Config) { c.MaxWorkers = 2 })
	})
}

func TestReconfigure_MoreWorkersServeThoseWhoWait(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		held := b.get("a")
		waiting := b.ask("b", Wish{})
		pass(time.Second)
		b.reconfigure(func(c *Config) { c.MaxWorkers = 2 })
		got := <-waiting
		if got.err != nil || got.after > 2*time.Second {
			t.Errorf("got %v after %v, want a lease at once", got.err, got.after)
		} else {
			got.lease.Release()
		}
		held.Release()
	})
}

func TestReconfigure_WaitCountsForThoseWhoComeAfter(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		held := b.get("a")
		before := b.ask("b", Wish{})
		pass(time.Second)
		b.reconfigure(func(c *Config) { c.Wait = 3 * time.Second })
		after := b.ask("c", Wish{})
		if got := <-after; !errors.Is(got.err, workspace.ErrCapacity) || got.after != 3*time.Second {
			t.Errorf("got %v after %v, want a refusal after 3 s", got.err, got.after)
		}
		if got := <-before; !errors.Is(got.err, workspace.ErrCapacity) || got.after != 25*time.Second {
			t.Errorf("got %v after %v, want a refusal after 25 s", got.err, got.after)
		}
		held.Release()
	})
}

func TestReconfigure_RefusesAndChangesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(4), func(b *bench) {
		for _, name := range []string{"a", "b"} {
			b.use(name)
			if err := b.pool.Pin(refOf(name)); err != nil {
				t.Fatal(err)
			}
		}
		before := b.pool.cfg
		for name, change := range map[string]func(*Config){
			"want 1 or more": func(c *Config) { c.MaxWorkers = 0 },
			"pinned":         func(c *Config) { c.MaxWorkers, c.Wait = 2, time.Hour },
			"fixed":          func(c *Config) { c.EventBuffer, c.Wait = 1, time.Hour },
		} {
			cfg := before
			change(&cfg)
			if err := b.pool.Reconfigure(cfg); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error that says %q", err, name)
			}
		}
		if b.pool.cfg != before {
			t.Errorf("something changed: %+v", b.pool.cfg)
		}
		b.reconfigure(func(c *Config) { c.MaxWorkers = 3 })
		b.reconfigure(func(c *Config) { c.MaxWorkers = 4 })
	})
}

func TestS3_IdleTimeoutChangesWhileThePoolRuns(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		b.use("a")
		pass(time.Hour)
		b.wantState("a", StateReady)
		b.reconfigure(func(c *Config) { c.IdleTimeout = 2 * time.Hour })
		pass(59 * time.Minute)
		b.wantState("a", StateReady)
		pass(2 * time.Minute)
		b.wantState("a", StateCold)
	})
}

func TestS3_IdleTimeoutOfAWorkerOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pool, own time.Duration
		after     time.Duration // when it is gone; 0 is never
	}{
		"none":                 {0, 0, 0},
		"the pool's":           {time.Minute, 0, time.Minute},
		"its own":              {0, time.Minute, time.Minute},
		"its own is longer":    {time.Minute, time.Hour, time.Hour},
		"its own is for ever":  {time.Minute, -1, 0},
		"for ever in any case": {0, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(2)
			cfg.IdleTimeout = tc.pool
			bubble(t, cfg, func(b *bench) {
				describe := b.pool.deps.Describe
				b.pool.deps.Describe = func(ctx context.Context, ref workspace.Ref) (Spec, error) {
					spec, err := describe(ctx, ref)
					spec.IdleTimeout = tc.own
					return spec, err
				}
				b.use("a")
				if tc.after == 0 {
					pass(24 * time.Hour)
					b.wantState("a", StateReady)
					return
				}
				pass(tc.after - time.Second)
				b.wantState("a", StateReady)
				pass(2 * time.Second)
				b.wantState("a", StateCold)
				b.use("a") // counted out and in again
				pass(tc.after + time.Second)
				b.wantState("a", StateCold)
			})
		})
	}
}

func TestReconfigure_UnderLoad(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(6), func(b *bench) {
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for j := range 40 {
					if lease, err := b.pool.Acquire(context.Background(), refOf(string(rune('a'+(i+j)%9))), Wish{}); err == nil {
						pass(time.Millisecond)
						lease.Release()
					}
				}
			})
		}
		for i := range 20 {
			b.reconfigure(func(c *Config) {
				c.MaxWorkers, c.Wait, c.IdleTimeout = 1+i%6, time.Duration(1+i)*time.Second, time.Duration(i%3)*time.Second
			})
			pass(50 * time.Millisecond)
		}
		b.reconfigure(func(c *Config) { c.MaxWorkers = 6 })
		group.Wait()
	})
}

func TestNote_StandsAmongTheEvents(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(1), func(b *bench) {
		b.use("a")
		b.pool.Note(EventConfigRefused, "signal", "router.yaml:3: wrong")
		events := b.pool.Events(0)
		got := events[len(events)-1]
		if got.Type != EventConfigRefused || got.Reason != "signal" || got.Detail != "router.yaml:3: wrong" || got.Ref != (workspace.Ref{}) {
			t.Errorf("got %+v", got)
		}
		if got.message() != "configuration refused" {
			t.Errorf("the log says %q", got.message())
		}
	})
}
