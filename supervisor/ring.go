package supervisor

import (
	"context"
	"io"
	"sync"
	"time"
)

// ring keeps the last events. Writing never waits for a reader.
type ring struct {
	mu     sync.Mutex // guards what follows
	kept   []Event    // the event with id n is at n modulo its length; where another is there, n was never given
	next   uint64     // the id of the next event; the first is 1
	first  uint64     // the id of the first one that is not of the time before
	closed bool
	wake   chan struct{} // closed by the next event; nil where nobody waits
}

func newRing(size int) *ring { return &ring{kept: make([]Event, size), next: 1, first: 1} }

func (r *ring) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.ID, e.Time = r.next, time.Now()
	r.kept[e.ID%uint64(len(r.kept))] = e
	r.next++
	r.rouse()
}

// restore puts events of the time before into an empty ring, oldest first, and goes on gap ids after the last.
func (r *ring) restore(past []Event, gap uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range past {
		r.kept[e.ID%uint64(len(r.kept))] = e
	}
	r.next = past[len(past)-1].ID + 1 + gap
	r.first = r.next
}

// firstKept is the id of the oldest event that is kept, locked.
func (r *ring) firstKept() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.oldest()
}

// close lets readers end when they have read everything.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.rouse()
}

func (r *ring) rouse() {
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

// oldest is the id of the oldest event that is kept.
func (r *ring) oldest() uint64 {
	if size := uint64(len(r.kept)); r.next > size {
		return r.next - size
	}
	return 1
}

// latest gives the last event that matches.
func (r *ring) latest(match func(*Event) bool) (Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := r.next - 1; id >= r.oldest() && id > 0; id-- {
		if e := &r.kept[id%uint64(len(r.kept))]; e.ID == id && match(e) {
			return *e, true
		}
	}
	return Event{}, false
}

// Subscription reads events in order. It is for one goroutine, holds nothing and needs no closing.
type Subscription struct {
	ring *ring
	next uint64
}

// Next waits for the next event. Where the reader was too slow, an EventMissed says how many are lost. The error is
// ctx's, or io.EOF when the pool has ended and everything was read.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		event, found, wake := s.read()
		if found {
			return event, nil
		}
		if wake == nil {
			return Event{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		case <-wake:
		}
	}
}

// poll gives the next event if there is one.
func (s *Subscription) poll() (Event, bool) {
	event, found, _ := s.read()
	return event, found
}

// read gives the next event, or else what to wait for; neither, where none will come.
func (s *Subscription) read() (Event, bool, <-chan struct{}) {
	r := s.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	s.next = max(s.next, 1)
	if oldest := r.oldest(); s.next < oldest {
		missed := Event{ID: oldest - 1, Time: time.Now(), Type: EventMissed, Count: int(oldest - s.next)}
		s.next = oldest
		return missed, true, nil
	}
	for s.next < r.next {
		event := r.kept[s.next%uint64(len(r.kept))]
		s.next++
		if event.ID == s.next-1 {
			return event, true, nil
		}
	}
	if r.closed {
		return Event{}, false, nil
	}
	if r.wake == nil {
		r.wake = make(chan struct{})
	}
	return Event{}, false, r.wake
}
