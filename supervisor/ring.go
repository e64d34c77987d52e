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

// Subscription reads events in order, each once. It is for one goroutine and needs no closing.
type Subscription struct {
	ring  *ring
	next  uint64
	older func(after, before uint64) []Event // gives what the ring has lost; nil: that is missed
	list  []Event                            // of them, those that are still to be given: they come before next
}

// Next waits for the next event. It may do I/O where the reader was slow. An EventMissed says how many are lost. The
// error is ctx's, or io.EOF when the pool has ended and everything was read.
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
	for {
		if len(s.list) > 0 {
			event := s.list[0]
			s.list = s.list[1:]
			return event, true, nil
		}
		event, found, wake, oldest := s.fromRing()
		if oldest == 0 {
			return event, found, wake
		}
		// While the older ones are read, the ring may lose more: then they are read next.
		s.list, s.next = s.lost(oldest), oldest
	}
}

// lost gives the events from the next one on that the ring, which begins with oldest, does not hold any more.
func (s *Subscription) lost(oldest uint64) []Event {
	if s.older == nil {
		return []Event{missed(s.next-1, oldest, time.Now())}
	}
	return s.older(s.next-1, oldest)
}

// fromRing is read of what the ring holds. Where that begins behind the next event, it gives the id with which it does.
func (s *Subscription) fromRing() (event Event, found bool, wake <-chan struct{}, oldest uint64) {
	r := s.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	s.next = max(s.next, 1)
	if oldest = r.oldest(); s.next < oldest {
		return Event{}, false, nil, oldest
	}
	for s.next < r.next {
		event := r.kept[s.next%uint64(len(r.kept))]
		s.next++
		if event.ID == s.next-1 {
			return event, true, nil, 0
		}
	}
	if r.closed {
		return Event{}, false, nil, 0
	}
	if r.wake == nil {
		r.wake = make(chan struct{})
	}
	return Event{}, false, r.wake, 0
}
