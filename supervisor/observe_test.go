package supervisor

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tally counts what an Observer is told.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[text]++
}

func (t *tally) ColdStart(kind, phase string, after time.Duration) {
	t.add(fmt.Sprintf("%s %s after %v", kind, phase, after))
}
func (t *tally) Start(outcome, cause string) { t.add("start " + outcome + " " + cause) }
func (t *tally) Stop(reason string)          { t.add("stop " + reason) }
func (t *tally) Resume(outcome string)       { t.add("resume " + outcome) }
func (t *tally) Refusal(reason string)       { t.add("refusal " + reason) }

// observed runs a test over a pool that a tally observes.
func observed(t *testing.T, workers int, test func(*bench, *tally)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		seen := &tally{counts: map[string]int{}}
		b := newBenchWith(t, testConfig(workers), newFakeDriver(), func(d *Deps) { d.Observer = seen })
		test(b, seen)
		if err := b.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestS12_EveryStartStopAndRefusalIsCounted(t *testing.T) {
	t.Parallel()
	observed(t, 2, func(b *bench, seen *tally) {
		lease := b.get("a") // waits for the start
		pass(time.Second)
		open(t, lease)
		lease.Release()
		if err := b.pool.Start(context.Background(), refOf("b")); err != nil { // nobody waits for it
			t.Fatal(err)
		}
		pass(time.Minute)
		late := b.get("b")
		open(t, late)
		late.Release()
		b.use("c") // evicts a
		b.driver.worker("b").die()
		synctest.Wait()
		b.driver.set("d", script{startErr: errBroken})
		<-b.ask("d", Wish{})
		for range 2 * refusalsPerSecond { // more than there are events
			<-b.ask("d", Wish{})
		}
		b.driver.set("e", script{start: time.Hour})
		<-b.ask("e", Wish{Wait: time.Second})
		if err := b.pool.Evict(context.Background(), refOf("e"), true); err != nil {
			t.Fatal(err)
		}
		b.driver.describe = errBroken
		<-b.ask("f", Wish{})
		want := map[string]int{
			"fake queued after 0s": 2, "fake spawned after 0s": 2, "fake ready after 10ms": 2, "fake proven after 10ms": 2,
			// c, for which a had to go.
			"fake queued after 10ms": 1, "fake spawned after 10ms": 1, "fake ready after 20ms": 1, "fake proven after 20ms": 1,
			"fake first_byte after 1.01s": 1, // of a; b was not waited for
			"start ready ":                3, "start failed exited": 1, "start cancelled ": 1, "start refused ": 1,
			"stop room": 1, "stop died": 1, "stop cancelled": 1,
			"refusal unavailable": 2 * refusalsPerSecond, "refusal timeout": 1,
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if diff := cmp.Diff(want, seen.counts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFigures_SayHowFullThePoolIs(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		lease, second := b.get("a"), b.get("a")
		other := b.get("b")
		if err := b.pool.Pin(refOf("b")); err != nil {
			t.Fatal(err)
		}
		waiting := b.ask("c", Wish{Wait: time.Second})
		synctest.Wait()
		want := Figures{
			Workers:    map[State]int{StateStarting: 0, StateReady: 2, StateDraining: 0, StateStopping: 0, StateQuarantined: 0},
			MaxWorkers: 2, MaxMemory: b.pool.cfg.Memory, MaxFiles: b.pool.cfg.Files, Pinned: 1, Leases: 3, Waiters: 1, Queued: 1,
		}
		if diff := cmp.Diff(want, b.pool.Figures()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		<-waiting
		for _, l := range []*Lease{lease, second, other} {
			l.Release()
		}
	})
}

func TestFigures_SayWhatIsTakenOfWhat(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(20*mib, 5)
		b.use("a")
		pass(time.Second)
		b.use("b")
		pass(2 * time.Second)
		f := b.pool.Figures()
		if f.Memory != 40*mib || f.MaxMemory != 100*mib || f.Files != 10 || f.MaxFiles != 1000 || f.NextVictim != "a" {
			t.Errorf("got %+v, want 40 of 100 MiB, 10 of 1000 descriptors, and a to go next", f)
		}
	})
}
