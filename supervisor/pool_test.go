package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

func TestPool_ColdThenWarm(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		first := b.get("a")
		if first.Waited() != 10*time.Millisecond {
			t.Errorf("waited %v for a start of 10 ms", first.Waited())
		}
		second := b.get("a")
		if second.Waited() != 0 || second.Launch() != first.Launch() {
			t.Errorf("the second lease waited %v, on launch %q, want 0 on %q", second.Waited(), second.Launch(), first.Launch())
		}
		first.Release()
		first.Release()
		second.Release()
		if got := b.pool.List(context.Background()); len(got) != 1 || got[0].Leases != 0 || got[0].Requests != 2 {
			t.Errorf("got %+v, want one worker without lease after two requests", got)
		}
	})
}

func TestPool_EvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.use("a")
		pass(2 * time.Second)
		b.use("b")
		pass(time.Second)
		b.use("a")
		pass(time.Second)
		b.use("c")
		b.wantState("b", StateCold)
		b.wantState("a", StateReady)
	})
}

func TestPool_ClosingRefusesAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, testConfig(2), newFakeDriver())
		b.use("a")
		if err := b.end(); err != nil {
			t.Error(err)
		}
		if _, err := b.pool.Acquire(context.Background(), refOf("a"), Wish{}); !errors.Is(err, workspace.ErrClosing) {
			t.Errorf("got %v, want ErrClosing", err)
		}
	})
}
