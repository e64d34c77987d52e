package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

func TestS8_WorkersOfBeforeAreServedOrStoppedFirst(t *testing.T) {
	t.Parallel()
	driver := func() *fakeDriver {
		d := newFakeDriver()
		bad := d.old("bad")
		bad.script.noHTTP = true
		d.recover = []Worker{d.old("good"), bad}
		return d
	}
	bubbleWith(t, testConfig(3), driver, func(b *bench) {
		lease := b.get("good")
		if lease.Launch() != "old-good" || lease.Waited() != 0 {
			t.Errorf("got launch %q after %v, want the one of before at once", lease.Launch(), lease.Waited())
		}
		lease.Release()
		lease = b.get("bad")
		if lease.Launch() == "old-bad" {
			t.Error("a worker without endpoint was taken over")
		}
		lease.Release()
	})
}

func TestS8_NothingStartsWhereWhatWasThereIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		driver.recoverErr = errors.New("the keeper does not answer")
		pool, err := New(testConfig(2), depsOf(driver))
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{tb: t, pool: pool, driver: driver}
		waiting := b.ask("a", Wish{})
		synctest.Wait()
		if err := pool.Run(context.Background()); !errors.Is(err, driver.recoverErr) {
			t.Errorf("Run: %v, want the driver's reason", err)
		}
		if o := <-waiting; !errors.Is(o.err, workspace.ErrClosing) {
			t.Errorf("got %v, want ErrClosing", o.err)
		}
		if n := driver.startsOf("a"); n != 0 {
			t.Errorf("%d starts", n)
		}
	})
}

func TestS1_TwoWorkersOfBeforeForOneWorkspace(t *testing.T) {
	t.Parallel()
	driver := func(refusals int) *fakeDriver {
		d := newFakeDriver()
		first, second := d.old("a"), d.old("a")
		d.faults = nil // they are what the test is about
		second.refusals = refusals
		d.recover = []Worker{first, second}
		return d
	}
	bubbleWith(t, testConfig(3), func() *fakeDriver { return driver(0) }, func(b *bench) {
		b.use("a")
		b.driver.mu.Lock()
		defer b.driver.mu.Unlock()
		if b.driver.total != 1 {
			t.Errorf("%d workers run, want the second one gone before anything is served", b.driver.total)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		pool, err := New(testConfig(3), depsOf(driver(1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.Run(context.Background()); !errors.Is(err, ErrNotGone) {
			t.Errorf("Run: %v, want it not to serve while two workers run for one workspace", err)
		}
	})
}

func TestS1_AWorkspaceWithoutGenerationIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		if _, err := b.pool.Acquire(context.Background(), workspace.Ref{Name: "a"}, Wish{}); err == nil {
			t.Error("workspaces without generation would share one worker")
		}
	})
}

// TestS1_TheTermIsGivenBackBeforeTheNextOneIsTaken also covers the time between a death and the end of its slot: who
// comes then waits for the next launch.
func TestS1_TheTermIsGivenBackBeforeTheNextOneIsTaken(t *testing.T) {
	t.Parallel()
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {release: 3 * time.Second}}), func(b *bench) {
		lease := b.get("a")
		b.driver.worker("a").die()
		<-lease.Ended()
		lease.Release()
		o := <-b.ask("a", Wish{})
		if o.err != nil || o.after != 3*time.Second || o.lease.Launch() == lease.Launch() {
			t.Fatalf("got %v after %v, want a lease on the next launch after 3 s", o.err, o.after)
		}
		o.lease.Release()
	})
	bubbleWith(t, testConfig(2), withScripts(map[string]script{"a": {startErr: errBroken}}), func(b *bench) {
		<-b.ask("a", Wish{}) // end looks whether its term was given back
	})
}
