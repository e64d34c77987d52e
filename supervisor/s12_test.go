package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/internal/workspace"
)

// told lists the events of a workspace, without what chance and time put in them.
func told(events []Event, name string) (list []string) {
	for _, e := range events {
		if e.Workspace != name {
			continue
		}
		text := string(e.Type)
		if e.Reason != "" {
			text += " " + e.Reason
		}
		if e.For != "" {
			text += " for " + e.For
		}
		if e.Next != "" {
			text += " next " + e.Next
		}
		list = append(list, text)
	}
	return list
}

func TestS12_EveryTurnIsAnEventWithItsReason(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.use("a")
		pass(2 * time.Second)
		b.use("b")
		pass(3 * time.Second)
		b.use("c")
		lease := b.get("c")
		open(t, lease)
		_ = b.pool.Pin(refOf("c"))
		b.pool.Cut(Filter{Principal: "key:c"})
		lease.Release()
		b.driver.worker("c").die()
		synctest.Wait()
		b.driver.set("d", script{startErr: errBroken})
		<-b.ask("d", Wish{})
		<-b.ask("d", Wish{})
		b.pool.Reset(refOf("d"))
		_ = b.pool.Unpin(refOf("c"))
		want := map[string][]string{
			"a": {"starting", "ready", "stopping room for c next b", "stopped room for c next b"},
			"b": {"starting", "ready"},
			"c": {"starting", "ready", "first_byte", "pinned", "cut", "died", "unpinned"},
			"d": {"starting", "failed exited", "refused unavailable", "reset"},
		}
		events := b.pool.Events(0)
		for name, turns := range want {
			if diff := cmp.Diff(turns, told(events, name)); diff != "" {
				t.Errorf("workspace %s (-want +got):\n%s", name, diff)
			}
		}
		for i, e := range events {
			if e.ID != uint64(i+1) || e.Time.IsZero() || e.Ref.Name != workspace.Name(e.Workspace) {
				t.Errorf("event %d is %+v", i, e)
			}
			switch {
			case e.Type == EventReady && e.Workspace == "a" && (e.PhasesMS["spawned"] != 0 || e.PhasesMS["proven"] < 10):
				t.Errorf("phases are %v, want a proof after 10 ms", e.PhasesMS)
			case e.Type == EventStopping && e.IdleMS != 5010:
				t.Errorf("a was at rest for %v ms, want 5010", e.IdleMS)
			case e.Type == EventDied && e.Detail != "exit status 3":
				t.Errorf("the death is told as %q", e.Detail)
			}
		}
	})
}

func TestS12_Explain(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		b.use("a")
		pass(2 * time.Second)
		b.use("b")
		pass(412 * time.Second)
		b.use("c")
		e := b.pool.Explain(refOf("a"))
		text := strings.Join(e.Sentences, "\n")
		for _, want := range []string{
			"as launch " + string(e.Started.Launch) + ", ready 10 ms after the first request for it.",
			"because c needed room; it had been at rest for 414.0 s; next would have been b.",
			"If room were needed now, b would go first.",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("missing is %q in:\n%s", want, text)
			}
		}
		if e.State != StateCold || e.NextVictim != "b" || e.Stopped == nil || e.Failed != nil {
			t.Errorf("got %+v", e)
		}
		b.driver.set("d", script{startErr: errBroken})
		<-b.ask("d", Wish{}) // for which b has to go
		lease := b.get("c")
		b.use("b")
		if err := b.pool.Pin(refOf("b")); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"b":     "cannot be evicted now: pinned",
			"c":     "cannot be evicted now: leased",
			"d":     "After 1 failure in a row it is tried again in 990ms.",
			"never": "not asked for since the router started",
		} {
			if text := strings.Join(b.pool.Explain(refOf(name)).Sentences, "\n"); !strings.Contains(text, want) {
				t.Errorf("%s: missing is %q in:\n%s", name, want, text)
			}
		}
		lease.Release()
	})
}

func TestS12_AFloodOfRefusalsLeavesRoomForOtherEvents(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.Backoff.Initial = 10 * time.Second
	bubbleWith(t, cfg, withScripts(map[string]script{"a": {startErr: errBroken}}), func(b *bench) {
		<-b.ask("a", Wish{})
		for range 500 {
			<-b.ask("a", Wish{})
		}
		pass(time.Second)
		<-b.ask("a", Wish{})
		refusals, stands := 0, 0
		for _, e := range b.pool.Events(0) {
			if e.Type == EventRefused {
				refusals++
				stands += e.Count
			}
		}
		if refusals != 11 || stands != 501 {
			t.Errorf("%d events stand for %d refusals, want 11 for 501", refusals, stands)
		}
	})
}

func TestStatus_IsShownAsAgreed(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		lease := b.get("a")
		pass(2 * time.Second)
		lease.Release()
		pass(3 * time.Second)
		list := b.pool.List(context.Background())
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var shown []map[string]any
		if err := json.Unmarshal(text, &shown); err != nil {
			t.Fatal(err)
		}
		want := []map[string]any{{
			"workspace": "a", "tenant": "default", "kind": "fake", "state": "ready", "pid": 4711.0, "launch": string(list[0].Launch),
			"started_at": "2000-01-01T00:00:00Z", "ready_ms": 10.0, "leases": 0.0, "idle_seconds": 3.0, "busy": false,
			"pinned": false, "pss_bytes": 1048576.0, "fds": 12.0, "requests": 1.0, "node": "node-1",
		}}
		if diff := cmp.Diff(want, shown); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestRing_ReadersGetAllOrAreToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRing(4)
	slow := &Subscription{ring: r, next: 1}
	for range 3 {
		r.add(Event{Type: EventReady})
	}
	var ids []uint64
	for e, found := slow.poll(); found; e, found = slow.poll() {
		ids = append(ids, e.ID)
	}
	for range 10 {
		r.add(Event{Type: EventStopped})
	}
	missed, _ := slow.poll()
	next, _ := slow.poll()
	if diff := cmp.Diff([]uint64{1, 2, 3}, ids); diff != "" || missed.Type != EventMissed || missed.Count != 6 || missed.ID != 9 || next.ID != 10 {
		t.Errorf("read %v, then %+v, then %+v; want 1 to 3, then that 6 are missing, then 10", ids, missed, next)
	}
	if e, found := r.latest(func(e *Event) bool { return e.Type == EventReady }); found {
		t.Errorf("found %+v, which is overwritten", e)
	}
	late := &Subscription{ring: r, next: 100}
	r.close()
	if _, err := late.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF after the end", err)
	}
}

func TestSubscription_FollowsUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, testConfig(2), newFakeDriver())
		reader := b.pool.Subscribe(0)
		types := make(chan EventType, 100)
		go func() {
			defer close(types)
			for {
				e, err := reader.Next(context.Background())
				if err != nil {
					return
				}
				types <- e.Type
			}
		}()
		b.use("a")
		if err := b.end(); err != nil {
			t.Error(err)
		}
		var got []EventType
		for e := range types {
			got = append(got, e)
		}
		want := []EventType{EventStarting, EventReady, EventStopping, EventStopped}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		gone := b.pool.Subscribe(1 << 40)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := gone.Next(ctx); err == nil {
			t.Error("a reader of the future got an event")
		}
	})
}

func TestLog_OneLineForEachEventAndNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.DebugLevel)
		driver := newFakeDriver()
		driver.set("bad", script{startErr: errBroken})
		deps := depsOf(driver)
		deps.Logger = zap.New(core)
		pool, err := New(testConfig(2), deps)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- pool.Run(ctx) }()
		b := &bench{tb: t, pool: pool, driver: driver, cancel: cancel, ran: ran}
		b.use("a")
		<-b.ask("bad", Wish{})
		if err := b.end(); err != nil {
			t.Error(err)
		}
		var got []string
		for _, line := range lines.All() {
			got = append(got, line.Level.String()+" "+line.Message+" "+line.ContextMap()["workspace"].(string))
		}
		want := []string{
			"info worker starting a", "info worker ready a", "info worker starting bad", "warn worker failed bad",
			"info worker stopping a", "info worker stopped a",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
