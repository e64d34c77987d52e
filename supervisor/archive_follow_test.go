package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// fill puts the pool's events onto the shelf as they come, until the pool ends.
func (s *shelf) fill(p *Pool) {
	own := p.SinceStart()
	go func() {
		for {
			event, err := own.Next(context.Background()) // ends with the pool
			if err != nil {
				return
			}
			s.mu.Lock()
			s.events = append(s.events, event)
			s.mu.Unlock()
		}
	}()
}

// followed runs a pool whose memory is much smaller than what happens. With filled its archive has all that happened.
func followed(t *testing.T, s *shelf, filled bool, test func(*bench)) {
	t.Helper()
	cfg := testConfig(2)
	cfg.EventBuffer = 8
	b := newBenchWith(t, cfg, newFakeDriver(), func(d *Deps) { d.Archive = s })
	if filled {
		s.fill(b.pool)
	}
	test(b)
	if err := b.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	synctest.Wait()
}

// happen adds n events, each of which the archive can take before the next.
func (b *bench) happen(n int) {
	for range n {
		b.pool.Note(EventConfigReloaded, "test", "")
		synctest.Wait()
	}
}

// take reads n events and wants them to be those that follow the id, each once.
func take(t *testing.T, reader *Subscription, after uint64, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range n {
		event, err := reader.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", i, err)
		}
		if event.ID != after+uint64(i)+1 || event.Type == EventMissed {
			t.Fatalf("event %d is %+v, want the id %d", i, event, after+uint64(i)+1)
		}
	}
}

func TestS12_AFollowerGoesFromTheArchiveOnWithoutAGapOrADouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		followed(t, &shelf{}, true, func(b *bench) {
			b.happen(50)
			reader := b.pool.Subscribe(3)
			take(t, reader, 3, 2)
			b.happen(50) // while it reads of the archive, memory goes over several times
			take(t, reader, 5, 60)
			b.happen(3)
			take(t, reader, 65, 38)
			if event, found := reader.poll(); found {
				t.Errorf("then comes %+v", event)
			}
			time.AfterFunc(time.Second, func() { b.pool.Note(EventConfigReloaded, "test", "") })
			take(t, reader, 103, 1) // live
			b.happen(30)            // it was slow
			take(t, reader, 104, 30)
		})
	})
}

func TestS12_AFollowerIsToldWhatTheArchiveDoesNotHave(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		count int
	}{
		"it is behind":       {nil, 42 - 5},
		"it cannot be read":  {errors.New("no such disk"), 42 - 5},
		"nothing is missing": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{err: tc.err}
				followed(t, s, tc.count == 0, func(b *bench) {
					b.happen(50)
					reader := b.pool.Subscribe(5)
					if tc.count > 0 {
						event, found := reader.poll()
						if !found || event.Type != EventMissed || event.ID != 42 || event.Count != tc.count {
							t.Errorf("first comes %+v, want %d missed up to 42", event, tc.count)
						}
					} else {
						take(t, reader, 5, 37)
					}
					take(t, reader, 42, 8)
				})
			})
		})
	}
}

// Ids that were never given, between those of two pools, are not missed.
func TestS12_AFollowerOfTwoPoolsMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		followed(t, s, true, func(b *bench) { b.happen(20) })
		before := uint64(len(s.events))
		for _, more := range []int{2, 5, 40} {
			again := &shelf{events: s.events}
			followed(t, again, true, func(b *bench) {
				b.happen(more)
				reader := b.pool.Subscribe(0)
				take(t, reader, 0, int(before))
				take(t, reader, before+idGap, more)
			})
		}
	})
}
