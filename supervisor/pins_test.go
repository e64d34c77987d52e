package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
)

// pinnedBefore gives the pool pins of before.
func pinnedBefore(err error, names ...string) func(*Deps) {
	return func(d *Deps) {
		d.Pins = func(context.Context) (list []workspace.Ref, _ error) {
			for _, name := range names {
				list = append(list, refOf(name))
			}
			return list, err
		}
	}
}

func TestS3_PinsOfBeforeCountForWorkersOfBeforeAndNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		driver.survives("kept", time.Hour, 0)
		b := newBenchWith(t, testConfig(3), driver, pinnedBefore(nil, "kept", "cold"))
		if !b.pool.Pinned(refOf("kept")) || !b.pool.Pinned(refOf("cold")) {
			t.Error("the pins of before are not known")
		}
		pass(2 * time.Second)
		for _, name := range []string{"cold", "a", "b", "c"} {
			b.use(name)
			pass(2 * time.Second)
		}
		b.wantState("kept", StateReady)
		b.wantState("cold", StateReady)
		b.wantState("a", StateCold)
		b.wantState("c", StateReady)
		if err := b.pool.Pin(refOf("c")); !errors.Is(err, workspace.ErrRefused) {
			t.Errorf("a pin of the last place: %v", err)
		}
		if got := b.eventsOf(EventPinned); len(got) > 0 {
			t.Errorf("nobody pinned %v now", got)
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestS3_OfTooManyPinsOfBeforeTheNewestDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, testConfig(2), newFakeDriver(), pinnedBefore(nil, "old", "new", "newest"))
		for name, want := range map[string]bool{"old": true, "new": false, "newest": false} {
			if got := b.pool.Pinned(refOf(name)); got != want {
				t.Errorf("%q is pinned: %v", name, got)
			}
		}
		if got := fmt.Sprint(b.eventsOf(EventNotPinned)); got != "[new newest]" {
			t.Errorf("told are %s", got)
		}
		for _, event := range b.pool.Events(0) {
			if event.Type == EventNotPinned && !strings.Contains(event.Detail, "of 2 workers, 1 cannot be evicted already") {
				t.Errorf("without the arithmetic: %q", event.Detail)
			}
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestS3_WithoutThePinsOfBeforeThePoolServesAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, testConfig(2), newFakeDriver(), pinnedBefore(errors.New("no such table")))
		b.use("a")
		first := b.pool.Events(0)[0]
		if first.Type != EventNotPinned || !strings.Contains(first.Detail, "no such table") {
			t.Errorf("the first event is %+v", first)
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestS3_ADeletedWorkspaceLosesItsPin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		b := newBenchWith(t, testConfig(3), driver, pinnedBefore(nil, "a"))
		driver.mu.Lock()
		driver.describe = workspace.ErrDeleted
		driver.mu.Unlock()
		if err := b.pool.Start(context.Background(), refOf("a")); !errors.Is(err, workspace.ErrDeleted) {
			t.Errorf("its start: %v", err)
		}
		if b.pool.Pinned(refOf("a")) {
			t.Error("it is pinned still")
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestS8_APoolThatAnotherFollowsTakesNoPins(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(3), func(b *bench) {
		if err := b.pool.Pin(refOf("a")); err != nil {
			t.Error(err)
		}
		b.pool.LetGo()
		if err := b.pool.Pin(refOf("b")); !errors.Is(err, workspace.ErrClosing) {
			t.Errorf("a pin: %v", err)
		}
		if err := b.pool.Unpin(refOf("a")); !errors.Is(err, workspace.ErrClosing) || !b.pool.Pinned(refOf("a")) {
			t.Errorf("lifting one: %v", err)
		}
	})
}
