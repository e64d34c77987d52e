package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

// A start that does not come back holds no more than its room, and that only until it does.
func TestS10_AStartThatHangsIsQuarantined(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		startErr  error
		leavesOne bool
		evict     bool // while it starts
	}{
		"and comes back with a worker":             {},
		"and fails":                                {startErr: errBroken},
		"and fails and leaves a worker":            {startErr: errBroken, leavesOne: true},
		"after it was cancelled, and has a worker": {evict: true},
		"after it was cancelled, and fails":        {evict: true, startErr: errBroken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(2)
			cfg.StartConcurrency = 1
			bubble(t, cfg, func(b *bench) {
				hangs := make(chan struct{}) // of this bubble
				b.driver.set("a", script{hangs: hangs, startErr: test.startErr, leavesOne: test.leavesOne})
				b.ask("a", Wish{Wait: time.Second})
				pass(2 * time.Second)
				due := cfg.StartTimeout + cfg.StopMargin - 2*time.Second
				if test.evict {
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					_ = b.pool.Evict(ctx, refOf("a"), true)
					cancel()
					due = cfg.StopMargin - time.Second
				}
				pass(due - time.Millisecond)
				if b.state("a") == StateQuarantined {
					t.Error("it was given up before its time")
				}
				pass(2 * time.Millisecond)
				b.wantState("a", StateQuarantined)
				o := <-b.ask("a", Wish{})
				var quarantined *QuarantinedError
				if !errors.As(o.err, &quarantined) || o.after != 0 || !errors.Is(o.err, errStartHangs) {
					t.Errorf("got %v after %v, want to be told at once that the start hangs", o.err, o.after)
				}
				b.use("b") // its permit and all other room are free
				close(hangs)
				synctest.Wait()
				pass(2 * time.Minute)
				if got := b.state("a"); got != StateCold && got != StateFailed {
					t.Errorf("when the start came back, it was %s, want it gone", got)
				}
				b.driver.set("a", b.driver.fallback)
				b.use("a")
			})
		})
	}
}

func TestS10_AStartThatHangsDoesNotKeepThePoolFromEnding(t *testing.T) {
	t.Parallel()
	for name, came := range map[string]bool{"before the end": true, "after the end": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hangs := make(chan struct{})
				driver := withScripts(map[string]script{"a": {hangs: hangs}})()
				b := newBench(t, testConfig(2), driver)
				b.ask("a", Wish{})
				synctest.Wait()
				began := time.Now()
				b.cancel()
				if came {
					pass(time.Second)
					close(hangs)
				}
				err := <-b.ran
				if came != (err == nil) || !came && !errors.Is(err, ErrNotGone) {
					t.Errorf("Run: %v", err)
				}
				if took := time.Since(began); took > 2*b.pool.cfg.StopMargin {
					t.Errorf("the pool took %v to end", took)
				}
				if !came {
					close(hangs)
				}
				synctest.Wait()
				driver.mu.Lock()
				defer driver.mu.Unlock()
				if driver.total != 0 {
					t.Errorf("%d workers are left by a start that came late", driver.total)
				}
			})
		})
	}
}

// What the pool asks before the Driver may hang as well.
func TestS10_ADescriptionThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"ends by its context": false, "does not end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hangs := make(chan struct{})
				driver := newFakeDriver()
				b := newBenchWith(t, testConfig(1), driver, func(deps *Deps) {
					describe := deps.Describe
					deps.Describe = func(ctx context.Context, ref workspace.Ref) (Spec, error) {
						select {
						case <-hangs:
							return describe(ctx, ref)
						case <-ctx.Done():
						}
						if deaf {
							<-hangs
							return describe(ctx, ref)
						}
						return Spec{}, context.Cause(ctx)
					}
				})
				o := <-b.ask("a", Wish{Wait: time.Hour})
				wait := b.pool.cfg.StartTimeout
				if deaf {
					wait += b.pool.cfg.StopMargin
				}
				if deaf != errors.Is(o.err, workspace.ErrQuarantined) || deaf == errors.Is(o.err, errNotDescribed) || o.after != wait {
					t.Errorf("got %v after %v, want it after %v", o.err, o.after, wait)
				}
				close(hangs)
				pass(time.Minute)
				b.wantState("a", StateCold)
				if n := driver.startsOf("a"); deaf && n > 1 {
					t.Errorf("%d starts were asked for when their time was over", n)
				}
				b.use("a")
				if err := b.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
