package supervisor

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is an Archive in memory.
type shelf struct {
	mu     sync.Mutex
	events []Event
	err    error
}

func (s *shelf) Read(q EventQuery) (list []Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.ID > q.After && e.ID < q.Before && (q.Generation == "" || e.Ref.Generation == q.Generation) {
			list = append(list, e)
		}
	}
	return list[max(0, len(list)-q.Limit):], s.err
}

// generation runs a pool on what is on the shelf, and puts its events there.
func (s *shelf) generation(t *testing.T, buffer int, test func(*bench)) {
	t.Helper()
	cfg := testConfig(2)
	cfg.EventBuffer = buffer
	b := newBenchWith(t, cfg, newFakeDriver(), func(d *Deps) { d.Archive = s })
	own := b.pool.SinceStart()
	test(b)
	if err := b.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for e, found := own.poll(); found; e, found = own.poll() {
		s.events = append(s.events, e)
	}
}

func TestS12_EventsOfBeforeAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.generation(t, 4096, func(b *bench) {
			b.use("a")
			pass(2 * time.Second)
			b.use("b")
			pass(2 * time.Second)
			b.use("c") // evicts a
		})
		before := len(s.events)
		last := s.events[before-1].ID
		s.generation(t, 4096, func(b *bench) {
			text := strings.Join(b.pool.Explain(refOf("a")).Sentences, "\n")
			if !strings.Contains(text, "because c needed room") {
				t.Errorf("after a restart, a is explained as:\n%s", text)
			}
			b.use("d")
			events := b.pool.Events(0)
			if len(events) != before+2 {
				t.Errorf("%d events are known, want the %d of before and 2", len(events), before)
			}
			for i := range events[1:] {
				if events[i+1].ID <= events[i].ID || events[i].Type == EventMissed {
					t.Errorf("event %+v comes before %+v", events[i], events[i+1])
				}
			}
			if first := b.pool.Events(last); len(first) != 2 || first[0].Type != EventStarting || first[0].ID != last+1+idGap {
				t.Errorf("after the last one of before come %+v", first)
			}
		})
		for _, e := range s.events[before:] {
			if e.ID <= last {
				t.Errorf("event %+v of before is given as one of this pool", e)
			}
		}
	})
}

func TestS12_EventsThatTheMemoryHasLostAreReadFromTheArchive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.generation(t, 4096, func(b *bench) {
			b.use("a")
			pass(2 * time.Second)
			for range 20 {
				b.use("b")
				b.driver.worker("b").die()
				pass(time.Minute)
			}
		})
		s.generation(t, 8, func(b *bench) {
			text := strings.Join(b.pool.Explain(refOf("a")).Sentences, "\n")
			if !strings.Contains(text, "because the router was ending") {
				t.Errorf("a is explained as:\n%s", text)
			}
			if events := b.pool.Events(0); len(events) != len(s.events) {
				t.Errorf("%d events are known, want %d", len(events), len(s.events))
			}
			if text := strings.Join(b.pool.Explain(refOf("never")).Sentences, "\n"); !strings.Contains(text, "not asked for in the days") {
				t.Errorf("a workspace that nobody asked for is explained as:\n%s", text)
			}
		})
	})
}

func TestArchive_ThatCannotBeReadKeepsNobodyFromServing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{err: errors.New("no such disk")}
		s.generation(t, 64, func(b *bench) {
			b.use("a")
			if events := b.pool.Events(0); len(events) != 2 || events[0].ID != 1 {
				t.Errorf("got %+v", events)
			}
		})
	})
}
