package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"workspace-router/internal/kind"
)

// busyState is what is known of the work that a worker does without an open request (S9). Guarded by Pool.mu.
type busyState struct {
	probeSince int64  // a probe is under way since; 0 is none
	until      int64  // not to be asked again before
	since      int64  // since when every answer was busy, or none
	busy       bool   // by its last answer, or because there was none
	idleAt     int64  // when it was last confirmed idle, by the full number of samples
	idleSince  int64  // when the first of those was asked for
	idleEpoch  uint32 // and in which epoch of its word
}

const (
	busyAnswerTimeout = 2 * time.Second // no answer in this time is no answer
	busyRecheck       = time.Second     // how soon a busy worker is asked again, while somebody waits for room
	busyFresh         = time.Second     // how long a confirmation of idleness counts
	busyAnswerLimit   = 1 << 20         // bytes
)

// mustProbe reports whether the launch must be asked before it may be stopped.
func (p *Pool) mustProbe(l *launch, seen word, now int64) bool {
	b := l.kind.Busy
	if b == nil {
		return false
	}
	if l.busy.since > 0 && now-l.busy.since >= int64(b.Bound) {
		return false // busy, or silent, for longer than is believed
	}
	// What a request that was open while it was asked has given it to do, it may not have known yet.
	undisturbed := l.busy.idleEpoch == seen.epoch() && l.lastEnd.Load() <= l.busy.idleSince
	confirmed := l.busy.idleAt > 0 && undisturbed && now-l.busy.idleAt <= int64(busyFresh)
	return !confirmed
}

// probe asks the launch whether it is idle; the answer comes back under the lock. The lock is held.
func (p *Pool) probe(l *launch) {
	l.busy.probeSince = p.now()
	p.task(func() {
		since, epoch := p.now(), l.gate.load().epoch()
		idle := p.confirmIdle(p.work, l)
		p.locked(func() {
			if l.current() {
				l.busy.probeSince = 0
				p.onProbed(l, idle, since, epoch)
			}
		})
	})
}

// onProbed takes the outcome of the full number of samples, and when and in which epoch the first was asked for.
func (p *Pool) onProbed(l *launch, idle bool, since int64, epoch uint32) {
	now := p.now()
	l.busy.learn(!idle, now)
	if idle {
		l.busy.idleAt, l.busy.idleSince, l.busy.idleEpoch = now, since, epoch
	} else {
		l.busy.until = now + int64(busyRecheck)
		if l.kind.Busy.Bound > 0 { // or as soon as it is not believed any more
			l.busy.until = max(now+1, min(l.busy.until, l.busy.since+int64(l.kind.Busy.Bound)))
		}
	}
}

// learn notes one answer.
func (b *busyState) learn(busy bool, now int64) {
	b.busy = busy
	switch {
	case !busy:
		b.since, b.until = 0, 0
	case b.since == 0:
		b.since = now
	}
}

// confirmIdle samples as often as the kind wants; the first answer that is not idle decides.
func (p *Pool) confirmIdle(ctx context.Context, l *launch) bool {
	b := l.kind.Busy
	for n := range max(1, b.Samples) {
		if n > 0 {
			select {
			case <-ctx.Done():
				return false
			case <-l.done:
				return false
			case <-time.After(b.Interval):
			}
		}
		if busy, err := l.askBusy(ctx); err != nil || busy {
			return false
		}
	}
	return true
}

// askBusy asks once. An error is no answer, which counts as busy.
func (l *launch) askBusy(ctx context.Context) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, busyAnswerTimeout)
	defer cancel()
	host := l.endpoint.Host
	if host == "" {
		host = "localhost"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+l.kind.Busy.Path, nil)
	if err != nil {
		return true, fmt.Errorf("cannot ask workspace %q whether it is busy: %w", l.ref, err)
	}
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		return true, fmt.Errorf("cannot ask workspace %q whether it is busy: %w", l.ref, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return true, fmt.Errorf("cannot learn whether workspace %q is busy: status %d", l.ref, response.StatusCode)
	}
	var document any
	if err := json.NewDecoder(io.LimitReader(response.Body, busyAnswerLimit)).Decode(&document); err != nil {
		return true, fmt.Errorf("cannot learn whether workspace %q is busy: %w", l.ref, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, busyAnswerLimit)) // so that the connection can be used again
	return readBusy(document, l.kind.Busy)
}

// readBusy finds the first of the kind's pointers that is there: true, or a number above 0, is busy.
func readBusy(document any, b *kind.Busy) (bool, error) {
	for _, pointer := range b.Pointers {
		value, found := kind.LookUp(document, pointer)
		if !found {
			continue
		}
		switch v := value.(type) {
		case bool:
			return v, nil
		case float64:
			return v > 0, nil
		}
		return true, fmt.Errorf("cannot learn whether the worker is busy: %q is neither a truth value nor a number", pointer)
	}
	return true, fmt.Errorf("cannot learn whether the worker is busy: none of %q is in its answer", b.Pointers)
}
