package supervisor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

// A journey takes a pool through cells of the state table. before sets the driver up, with what it recovers.
type journey struct {
	cells    []cell
	before   func(*fakeDriver)
	describe func(context.Context) error // how descriptions fail; nil where they do not
	walk     func(*bench)
}

type cell struct {
	from State
	on   Trigger
}

// veryLate is past the time of a start and what it is waited for beyond that.
const veryLate = 200 * time.Second

// journeys come to every legal cell between them.
func journeys() map[string]journey {
	hanging := func(then script) func(*bench) {
		return func(b *bench) {
			then.hangs, then.deaf = make(chan struct{}), true
			b.driver.set("a", then)
			b.wake("a")
			pass(150 * time.Second)
			close(then.hangs)
		}
	}
	cancelled := func(then script) func(*bench) {
		return func(b *bench) {
			b.driver.set("a", then)
			b.wake("a")
			b.evictBy("a", true)
		}
	}
	return map[string]journey{
		"a start and an eviction": {
			cells: []cell{{StateCold, TriggerAdmit}, {StateStarting, TriggerStarted}, {StateReady, TriggerStop}, {StateStopping, TriggerGone}},
			walk:  func(b *bench) { b.use("a"); b.evictBy("a", false) },
		},
		"workers of before": {
			cells: []cell{{StateCold, TriggerAdopt}, {StateCold, TriggerDiscard}},
			before: func(d *fakeDriver) {
				d.set("unfit", script{noHTTP: true})
				d.recover = []Worker{d.old("fit"), d.old("unfit")}
			},
			walk: func(*bench) {},
		},
		"a workspace that cannot be described": {
			cells:  []cell{{StateStarting, TriggerNotStarted}},
			before: func(d *fakeDriver) { d.describe = workspace.ErrDeleted },
			walk:   func(b *bench) { b.wake("a") },
		},
		"a start that fails": {
			cells: []cell{{StateStarting, TriggerStartFailed}, {StateFailed, TriggerAdmit}, {StateFailed, TriggerReset}},
			walk: func(b *bench) {
				b.driver.set("a", script{startErr: errBroken})
				b.wake("a")
				pass(5 * time.Second)
				b.wake("a")
				b.pool.Reset(refOf("a"))
			},
		},
		"a start that fails and leaves something": {
			cells: []cell{{StateStarting, TriggerStartBroken}, {StateStopping, TriggerCrashed}},
			walk:  func(b *bench) { b.driver.set("a", script{startErr: errBroken, leavesOne: true}); b.wake("a") },
		},
		"and does not go": {
			cells: []cell{{StateStopping, TriggerNotGone}, {StateQuarantined, TriggerNotGone}, {StateQuarantined, TriggerCrashed}},
			walk: func(b *bench) {
				b.driver.set("a", script{startErr: errBroken, leavesOne: true, notGone: 2})
				b.wake("a")
				pass(time.Minute)
			},
		},
		"a stop that comes to no proof at first": {
			cells: []cell{{StateQuarantined, TriggerGone}},
			walk: func(b *bench) {
				b.driver.set("a", script{notGone: 1})
				b.use("a")
				b.evictBy("a", false)
				pass(time.Minute)
			},
		},
		"a start that is cancelled": {
			cells: []cell{{StateStarting, TriggerStop}, {StateStopping, TriggerStartFailed}},
			walk:  cancelled(script{start: 5 * time.Second}),
		},
		"and is ready all the same": {
			cells: []cell{{StateStopping, TriggerStarted}}, walk: cancelled(script{start: 5 * time.Second, deaf: true}),
		},
		"and leaves something": {
			cells: []cell{{StateStopping, TriggerStartBroken}},
			walk:  cancelled(script{start: 5 * time.Second, deaf: true, startErr: errBroken, leavesOne: true}),
		},
		"before it is described": {
			cells:    []cell{{StateStopping, TriggerNotStarted}},
			describe: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			walk:     func(b *bench) { b.wake("a"); b.evictBy("a", true); pass(time.Second) },
		},
		"a start that hangs and succeeds": {
			cells: []cell{{StateStarting, TriggerNotGone}, {StateQuarantined, TriggerStarted}}, walk: hanging(script{}),
		},
		"and fails":           {cells: []cell{{StateQuarantined, TriggerStartFailed}}, walk: hanging(script{startErr: errBroken})},
		"and leaves a worker": {cells: []cell{{StateQuarantined, TriggerStartBroken}}, walk: hanging(script{startErr: errBroken, leavesOne: true})},
		"and is not described": {
			cells:    []cell{{StateQuarantined, TriggerNotStarted}},
			describe: func(context.Context) error { pass(veryLate); return errBroken },
			walk:     func(b *bench) { b.wake("a"); pass(2 * veryLate) },
		},
		"deaths": {
			cells: []cell{{StateReady, TriggerGone}, {StateReady, TriggerCrashed}},
			walk: func(b *bench) {
				for range 2 {
					b.use("a")
					b.driver.worker("a").die()
					synctest.Wait()
				}
			},
		},
		"an eviction by force under a lease": {
			cells: []cell{{StateReady, TriggerClose}, {StateDraining, TriggerStop}},
			walk:  func(b *bench) { lease := b.get("a"); b.evictBy("a", true); lease.Release() },
		},
		"a death in a drain": {
			cells: []cell{{StateDraining, TriggerGone}, {StateDraining, TriggerCrashed}},
			walk: func(b *bench) {
				for range 2 {
					lease := b.get("a")
					b.evictBy("a", true)
					b.driver.worker("a").die()
					synctest.Wait()
					lease.Release()
				}
			},
		},
		"another router": {
			cells:  []cell{{StateReady, TriggerLeave}, {StateDraining, TriggerLeave}},
			before: func(d *fakeDriver) { d.survives("idle", time.Hour, 0); d.survives("leased", time.Hour, 0) },
			walk: func(b *bench) {
				lease := b.get("leased")
				b.pool.LetGo()
				b.cancel()
				synctest.Wait()
				lease.Release()
			},
		},
	}
}

// wake asks for the workspace, and waits a moment for what comes of it.
func (b *bench) wake(name string) {
	go func() {
		if lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{}); err == nil {
			lease.Release()
		}
	}()
	synctest.Wait()
	pass(100 * time.Millisecond)
	synctest.Wait()
}

// evictBy evicts without waiting for the end.
func (b *bench) evictBy(name string, force bool) {
	go func() { _ = b.pool.Evict(context.Background(), refOf(name), force) }()
	synctest.Wait()
}

// A row that is added to the table has a journey that comes to it, or this fails.
func TestStateTable_EveryLegalCellIsReached(t *testing.T) {
	t.Parallel()
	listed := map[cell]bool{}
	for name, j := range journeys() {
		for _, c := range j.cells {
			listed[c] = true
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := j.take(t)
			for _, c := range j.cells {
				if !reached[c] {
					t.Errorf("%s × %s was not reached; reached were %v", c.from, c.on, reached)
				}
			}
		})
	}
	for _, row := range StateTable() {
		if !listed[cell{row.From, row.On}] {
			t.Errorf("%s × %s: no journey comes to it", row.From, row.On)
		}
	}
}

// take goes the way and gives the cells that it came to. The end of the pool belongs to it.
func (j journey) take(t *testing.T) map[cell]bool {
	t.Helper()
	reached := map[cell]bool{}
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		if j.before != nil {
			j.before(driver)
		}
		pool := newPool(t, testConfig(4), driver, func(deps *Deps) {
			if j.describe != nil {
				deps.Describe = func(ctx context.Context, _ workspace.Ref) (Spec, error) { return Spec{}, j.describe(ctx) }
			}
		})
		next := pool.next
		pool.next = func(from State, on Trigger) (State, Action, bool) { // called under the pool's lock
			to, action, legal := next(from, on)
			if legal {
				reached[cell{from, on}] = true
			}
			return to, action, legal
		}
		b := runBench(t, pool, driver)
		j.walk(b)
		pass(time.Minute)
		if err := b.end(); err != nil && !errors.Is(err, ErrNotGone) {
			t.Error(err)
		}
	})
	return reached
}

// What is not in the table changes nothing, and is told.
func TestStateTable_AnIllegalCellChangesNothing(t *testing.T) {
	t.Parallel()
	legal := newStateTable()
	for _, from := range States() {
		for _, on := range Triggers() {
			if _, _, found := legal.next(from, on); found {
				continue
			}
			p := newPool(t, testConfig(1), newFakeDriver(), func(*Deps) {})
			s := &slot{ref: refOf("a"), state: from}
			p.transition(s, on)
			events := p.Events(0)
			want := fmt.Sprintf("trigger %q in state %q", on, from)
			if s.state != from || len(p.after) > 0 || len(events) != 1 || events[0].Type != EventIllegal || events[0].Detail != want {
				t.Errorf("%s × %s: now %s, with %d things to do and %+v; want nothing but an event that says %s", from, on, s.state, len(p.after), events, want)
			}
		}
	}
}
