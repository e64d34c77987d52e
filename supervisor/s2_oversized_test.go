package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
)

// oversized is a pool whose worker "big" has outgrown the whole budget of 100 MiB and 1000 descriptors under a lease,
// and that has three small ones at rest.
func oversized(t *testing.T, takes script, test func(b *bench, big *Lease)) {
	t.Helper()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(20*mib, 20)
		takes.cost = kind.Cost{Memory: 20 * mib, Files: 20}
		b.driver.set("big", takes)
		big := b.get("big")
		for i := range 3 {
			b.use(fmt.Sprint("w", i))
		}
		pass(15 * time.Second)
		test(b, big)
		big.Release()
		big.Release()
	})
}

func (b *bench) statusOf(name string) Status {
	status, _ := b.pool.Get(context.Background(), refOf(name))
	return status
}

func TestS2_AnOversizedWorkerLeavesOthersTheirRoom(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		takes script
		says  string
	}{
		"memory": {script{pss: 150 * mib}, "takes 150.0 MiB, more than the 100.0 MiB that all workers may, and counts for 20.0 MiB"},
		"files":  {script{files: 1200}, "takes 1200 descriptors, more than the 1000 descriptors that all workers may, and counts for 20 descriptors"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			oversized(t, test.takes, func(b *bench, big *Lease) {
				pass(time.Minute)
				if stopped := b.eventsOf(EventStopping); len(stopped) > 0 {
					t.Errorf("%v were stopped, which does not help", stopped)
				}
				if o := <-b.ask("new", Wish{}); o.err != nil || o.after > time.Second {
					t.Errorf("a newcomer: %v after %v, want it served at once", o.err, o.after)
				} else {
					o.lease.Release()
				}
				told := slices.DeleteFunc(b.pool.Events(0), func(e Event) bool { return e.Type != EventOversized })
				if len(told) != 1 || told[0].Workspace != "big" || told[0].Reason != name || told[0].Detail != "it "+test.says+"; it is stopped as soon as it is at rest" {
					t.Errorf("told: %+v, want one event that says %q", told, test.says)
				}
				if !b.statusOf("big").Oversized || b.statusOf("w0").Oversized {
					t.Error("big is to be shown as oversized, and nobody else")
				}
				if text := strings.Join(b.pool.Explain(refOf("big")).Sentences, " "); !strings.Contains(text, "It "+test.says) {
					t.Errorf("explained by %q, want that it %s", text, test.says)
				}
				big.Release()
				b.wantState("w0", StateReady)
				pass(time.Second)
				b.wantState("big", StateCold) // although others were at rest for longer
				if stopped := b.eventsOf(EventStopping); !slices.Equal(stopped, []string{"big"}) {
					t.Errorf("%v were stopped, want big alone", stopped)
				}
				why := b.pool.Explain(refOf("big")).Stopped
				if why == nil || why.Reason != stopOversized || !strings.Contains(why.why(), "because it was too large: it "+test.says) {
					t.Errorf("stopped by %+v, want that it was too large", why)
				}
			})
		})
	}
}

func TestS2_AnOversizedWorkerStaysAsLongAsAnotherWould(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hold func(*bench)
		let  func(*bench)
	}{
		"pinned": {
			func(b *bench) { _ = b.pool.Pin(refOf("big")) },
			func(b *bench) { _ = b.pool.Unpin(refOf("big")) },
		},
		"busy by its own word": {
			func(b *bench) { b.setBusy("big", true) },
			func(b *bench) { b.setBusy("big", false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			oversized(t, script{pss: 150 * mib, busy: asking(), answer: answers(false)}, func(b *bench, big *Lease) {
				test.hold(b)
				big.Release()
				pass(time.Minute)
				b.wantState("big", StateReady)
				b.wantState("w0", StateReady)
				test.let(b)
				pass(5 * time.Second)
				b.wantState("big", StateCold)
				b.wantState("w0", StateReady)
			})
		})
	}
}

// answers is a busy probe's answer.
func answers(busy bool) func() (int, string) {
	return func() (int, string) { return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, busy) }
}

func (b *bench) setBusy(name string, busy bool) {
	b.driver.mu.Lock()
	s := b.driver.scriptOf(refOf(name).Generation)
	b.driver.mu.Unlock()
	s.answer = answers(busy)
	b.driver.set(name, s)
}

func TestS2_AnOversizedWorkersDeadStreamDoesNotKeepIt(t *testing.T) {
	t.Parallel()
	oversized(t, script{pss: 150 * mib}, func(b *bench, big *Lease) {
		big.moved()
		pass(b.pool.cfg.StreamIdle - time.Minute)
		b.wantState("big", StateReady)
		pass(2 * time.Minute)
		if !closed(big.Ended()) {
			t.Error("its lease was not told to end")
		}
		big.Release()
		pass(time.Second)
		b.wantState("big", StateCold)
		b.wantState("w0", StateReady)
	})
}

// What was too large and shrinks counts again for what it takes, and is nothing special any more.
func TestS2_AnOversizedWorkerThatShrinksIsLikeOthers(t *testing.T) {
	t.Parallel()
	oversized(t, script{pss: 150 * mib}, func(b *bench, big *Lease) {
		b.driver.set("big", script{pss: 30 * mib})
		pass(15 * time.Second)
		if got := b.used().memory; got != 90*mib {
			t.Errorf("%d MiB count as used, want 90", got/mib)
		}
		big.Release()
		pass(time.Minute)
		b.wantState("big", StateReady)
	})
}

func TestS2_WhatASmallerBudgetMakesOversizedLeavesOthersTheirRoom(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(10*mib, 1)
		b.driver.set("big", sized(60*mib, 1))
		big := b.get("big")
		b.use("w")
		pass(2 * time.Second)
		cfg := b.pool.cfg
		cfg.Memory, cfg.LargestCost.Memory = 50*mib, 10*mib
		if err := b.pool.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		b.use("new")
		pass(time.Minute)
		b.wantState("w", StateReady)
		big.Release()
		pass(time.Second)
		b.wantState("big", StateCold)
		b.wantState("w", StateReady)
		if o := <-b.ask("big", Wish{}); o.err == nil || o.after > time.Second {
			t.Errorf("big again: %v after %v, want it refused at once", o.err, o.after)
		}
	})
}

// Those that are at rest are not stopped for somebody who could not be served even so; those behind him are.
func TestS2_NobodyGoesForOneWhoCannotBeServed(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(15*mib, 1)
		b.driver.set("held", sized(60*mib, 1))
		b.driver.set("large", sized(60*mib, 1))
		held := b.get("held")
		b.use("w0")
		b.use("w1")
		pass(2 * time.Second)
		large := b.ask("large", Wish{})
		synctest.Wait()
		pass(time.Second)
		if stopped := b.eventsOf(EventStopping); len(stopped) > 0 {
			t.Errorf("%v were stopped, which does not help", stopped)
		}
		small := <-b.ask("small", Wish{})
		if small.err != nil || small.after > b.pool.cfg.Patience {
			t.Errorf("the small one: %v after %v, want it served within the patience", small.err, small.after)
		}
		b.wantState("w0", StateCold)
		b.wantState("w1", StateReady)
		if why := b.pool.Explain(refOf("w0")).Stopped; why == nil || why.For != "small" {
			t.Errorf("w0 was stopped by %+v, want for small", why)
		}
		small.lease.Release()
		held.Release()
		if o := <-large; o.err != nil {
			t.Errorf("the large one: %v, want it served as soon as there can be room", o.err)
		} else {
			o.lease.Release()
		}
	})
}

// Who could not be served if all went but those that are pinned need not wait to be told.
func TestS2_OneThatIsTooLargeBesideThePinsIsRefusedByName(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(50*mib, 1)
		b.driver.set("large", sized(60*mib, 1))
		if err := b.pool.Pin(refOf("kept")); err != nil {
			t.Fatal(err)
		}
		b.use("kept")
		b.use("w")
		pass(2 * time.Second)
		o := <-b.ask("large", Wish{})
		var capacity *CapacityError
		want := `cannot serve workspace "large": its kind needs 60.0 MiB, more than the whole budget of 100.0 MiB, of which 50.0 MiB are taken by what never goes, allows (memory)`
		if !errors.As(o.err, &capacity) || !capacity.Alone || o.err.Error() != want || o.after > time.Second {
			t.Errorf("got %v after %v, want at once %s", o.err, o.after, want)
		}
		b.wantState("w", StateReady)
		b.use("other") // which fits
		if err := b.pool.Unpin(refOf("kept")); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		b.use("large")
	})
}
