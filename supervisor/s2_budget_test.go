package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

const mib = 1 << 20

// budgetConfig has room for many workers and for 100 MiB and 1000 descriptors.
func budgetConfig() Config {
	cfg := testConfig(20)
	cfg.Memory, cfg.Files = 100*mib, 1000
	cfg.LargestCost = kind.Cost{Memory: 60 * mib, Files: 100}
	return cfg
}

// sized makes workers that declare and take the same.
func sized(memory int64, files int) script {
	return script{cost: kind.Cost{Memory: kind.Size(memory), Files: files}, pss: memory}
}

// saysNoRoom reports whether whoever asked is told that room is what is missing.
func saysNoRoom(err error) bool {
	var cold *ColdError
	return errors.As(err, &cold) && strings.Contains(cold.PublicDetail(), "no free room")
}

func (b *bench) used() load {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	return b.pool.used
}

func TestS2_AdmissionIsByDeclaredCost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		each   script
		reason CapacityReason
		want   string
	}{
		"memory": {sized(30*mib, 1), ReasonMemory, `cannot serve workspace "d": it needs 30.0 MiB, and 90.0 MiB of 100.0 MiB are in use (memory)`},
		"files":  {sized(mib, 300), ReasonFiles, `cannot serve workspace "d": it needs 300 descriptors, and 910 descriptors of 1000 descriptors are in use (files)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := newFakeDriver()
			driver.fallback = test.each
			synctest.Test(t, func(t *testing.T) {
				b := newBenchWith(t, budgetConfig(), driver, func(deps *Deps) { deps.OwnFiles = func() int { return 10 } })
				b.pool.mu.Lock()
				b.pool.ownFiles = 10
				b.pool.mu.Unlock()
				held := []*Lease{b.get("a"), b.get("b"), b.get("c")}
				o := <-b.ask("d", Wish{Wait: 3 * time.Second})
				var capacity *CapacityError
				if !errors.As(o.err, &capacity) || capacity.Reason != test.reason || o.err.Error() != test.want || capacity.Held[ReasonLeased] != 3 {
					t.Errorf("got %v (%+v), want %s", o.err, capacity, test.want)
				}
				if _, err := b.pool.Acquire(t.Context(), refOf("d"), Wish{Class: kind.Passive}); !errors.Is(err, workspace.ErrCold) || !saysNoRoom(err) {
					t.Errorf("a passive request: got %v, want ErrCold for want of room", err)
				}
				held[1].Release()
				b.use("d") // the one at rest makes room, by its size
				b.wantState("b", StateCold)
				if got := b.pool.Explain(refOf("b")).Stopped; got == nil || got.Reason != string(test.reason) || got.For != "d" {
					t.Errorf("b was stopped by %+v, want for d because of %s", got, test.reason)
				}
				held[0].Release()
				held[2].Release()
				if err := b.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// As many go as it takes: places are not all that is counted.
func TestS2_OneThatNeedsMuchEvictsSeveral(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(20*mib, 1)
		b.driver.set("large", sized(60*mib, 1))
		for i := range 5 {
			b.use(fmt.Sprint("w", i))
			pass(2 * time.Second)
		}
		b.use("large")
		for i := range 5 {
			want := StateReady
			if i < 3 {
				want = StateCold
			}
			b.wantState(fmt.Sprint("w", i), want)
		}
		if got := b.used().memory; got != 100*mib {
			t.Errorf("%d MiB count as used, want 100", got/mib)
		}
	})
}

func TestS2_WhatIsTakenBeyondTheBudgetIsCorrectedInTime(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(20*mib, 1)
		for i := range 4 {
			b.use(fmt.Sprint("w", i))
			pass(2 * time.Second)
		}
		held := b.get("w0")
		b.driver.set("w3", script{cost: kind.Cost{Memory: 20 * mib}, pss: 55 * mib}) // grows
		pass(15 * time.Second)                                                       // the stated time
		b.wantState("w0", StateReady)                                                // leased
		b.wantState("w1", StateCold)                                                 // at rest for longest
		b.wantState("w2", StateReady)
		b.wantState("w3", StateReady)
		if stopped := b.pool.Explain(refOf("w1")).Stopped; stopped == nil || stopped.Reason != stopMemory || stopped.For != "" {
			t.Errorf("stopped by %+v, want by memory", stopped)
		}
		held.Release()
	})
}

func TestS2_OneThatIsTooLargeAloneIsRefusedByName(t *testing.T) {
	t.Parallel()
	for name, huge := range map[string]script{"memory": sized(101*mib, 1), "files": sized(mib, 1001)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, largest := range []kind.Cost{{}, {Memory: huge.cost.Memory, Files: huge.cost.Files}} {
				cfg := budgetConfig()
				cfg.LargestCost = largest // known before the start, or learnt by it
				bubble(t, cfg, func(b *bench) {
					b.driver.set("huge", huge)
					b.use("small")
					o := <-b.ask("huge", Wish{})
					var capacity *CapacityError
					if !errors.As(o.err, &capacity) || !capacity.Alone || string(capacity.Reason) != name || o.after > time.Second {
						t.Errorf("got %v after %v, want it refused at once for its %s", o.err, o.after, name)
					}
					if n := b.driver.startsOf("huge"); n != 0 {
						t.Errorf("the driver was asked %d times", n)
					}
					b.wantState("small", StateReady)
				})
			}
		})
	}
}

// One that waits for much memory is served first for a while, and then does not keep others from what it cannot use.
func TestS2_OneThatNeedsMuchDoesNotStopAll(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(10*mib, 1)
		b.driver.set("held", sized(60*mib, 1))
		b.driver.set("large", sized(60*mib, 1))
		held := b.get("held")
		large := b.ask("large", Wish{})
		synctest.Wait()
		pass(time.Second)
		o := <-b.ask("small", Wish{})
		if o.err != nil || o.after > b.pool.cfg.Patience {
			t.Errorf("the small one: %v after %v, want it served within the patience", o.err, o.after)
		}
		o.lease.Release()
		held.Release()
		if o := <-large; o.err != nil {
			t.Errorf("the large one: %v", o.err)
		} else {
			o.lease.Release()
		}
	})
}

func TestS2_SmallerBudgetsCountAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(30*mib, 1)
		for i := range 3 {
			b.use(fmt.Sprint("w", i))
			pass(2 * time.Second)
		}
		cfg := b.pool.cfg
		cfg.Memory = 40 * mib
		if err := b.pool.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		b.wantState("w0", StateCold)
		b.wantState("w1", StateCold)
		b.wantState("w2", StateReady)
	})
}

func TestS2_BudgetsOfZeroAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"memory": func(c *Config) { c.Memory = 0 }, "files": func(c *Config) { c.Files = -1 }, "measuring": func(c *Config) { c.MeasureEvery = 0 },
	} {
		cfg := testConfig(1)
		change(&cfg)
		if _, err := New(cfg, depsOf(newFakeDriver())); err == nil {
			t.Errorf("%s: a pool without bounds was made", name)
		}
	}
}

// What runs beside the workers takes of their memory, but never so much that not one of them could run.
func TestS2_WhatRunsBesideCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ beside, want int64 }{
		"some":     {10, 10},
		"too much": {1 << 40, budgetConfig().Memory - int64(budgetConfig().LargestCost.Memory)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBenchWith(t, budgetConfig(), newFakeDriver(), func(deps *Deps) { deps.OwnMemory = func() int64 { return test.beside } })
				free := b.pool.spareMemory()
				b.use("a")
				<-time.After(budgetConfig().MeasureEvery + time.Second) // of the bubble
				synctest.Wait()
				if got := b.pool.Figures(); got.Memory < test.want || b.pool.spareMemory() > free-test.want {
					t.Errorf("got %+v, want %d bytes more", got, test.want)
				}
				b.use("b")
			})
		})
	}
}

func (p *Pool) spareMemory() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spare().memory
}
