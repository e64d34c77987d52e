package supervisor

import "sync"

// leaseShards spreads the leases of one launch, so that requests of many cores do not meet at one mutex.
const leaseShards = 8

// leaseSet knows the leases of one launch, so that they can be told that it ended, cut by principal, and shown.
type leaseSet struct {
	shards [leaseShards]leaseShard
}

type leaseShard struct {
	mu     sync.Mutex
	first  *Lease // the leases held now
	taken  uint64 // how many there ever were
	closed bool   // the launch is over: leases that come are over, too
	_      [32]byte
}

func (s *leaseSet) add(l *Lease) {
	shard := &s.shards[l.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.taken++
	l.over = shard.closed
	l.next = shard.first
	if l.next != nil {
		l.next.prev = l
	}
	shard.first = l
}

func (s *leaseSet) remove(l *Lease) {
	shard := &s.shards[l.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	l.onEnded = nil
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		shard.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
}

// endedOf gives the lease's channel, made when it is first asked for.
func (s *leaseSet) endedOf(l *Lease) <-chan struct{} {
	shard := &s.shards[l.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if l.ended == nil {
		l.ended = make(chan struct{})
		if l.over {
			close(l.ended)
		}
	}
	return l.ended
}

// onEnded keeps f for the lease's end and reports whether that has come already.
func (s *leaseSet) onEnded(l *Lease, f func()) bool {
	shard := &s.shards[l.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if l.over || l.released.Load() {
		return l.over && !l.released.Load()
	}
	l.onEnded = f
	return false
}

// everyLease matches all.
func everyLease(*Lease) bool { return true }

// cut ends the leases that match, tells their holders and gives their number. With final, later ones end at once.
func (s *leaseSet) cut(final bool, match func(*Lease) bool) int {
	var calls []func()
	count := 0
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		shard.closed = shard.closed || final
		for l := shard.first; l != nil; l = l.next {
			if l.over || !match(l) {
				continue
			}
			l.over = true
			count++
			if l.ended != nil {
				close(l.ended)
			}
			if l.onEnded != nil {
				calls = append(calls, l.onEnded)
			}
		}
		shard.mu.Unlock()
	}
	for _, call := range calls { // no lock is held over a callback
		call()
	}
	return count
}

// each shows every lease to f until it says no. f must not block, nor call the lease's methods.
func (s *leaseSet) each(f func(*Lease) bool) {
	for i := range s.shards {
		if !s.shards[i].each(f) {
			return
		}
	}
}

func (s *leaseShard) each(f func(*Lease) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := s.first; l != nil; l = l.next {
		if !f(l) {
			return false
		}
	}
	return true
}

// taken is how many leases there ever were.
func (s *leaseSet) taken() (total uint64) {
	for i := range s.shards {
		total += s.shards[i].count()
	}
	return total
}

func (s *leaseShard) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
