package supervisor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"workspace-router/internal/kind"
)

// leftovers is what is known of the work that the worker before a launch left unfinished. Guarded by Pool.mu.
type leftovers struct {
	interrupted int // as last asked
	failed      int
	state       ResumeState
}

// ResumeState says what becomes of a worker's leftovers.
type ResumeState string

// What may become of leftovers.
const (
	ResumeIsOff   ResumeState = "off"      // nothing: the policy does not want them taken up
	ResumeWaits   ResumeState = "waiting"  // for its turn; see Config.ResumeAtOnce
	ResumeGoesOn  ResumeState = "resuming" // the worker works on them
	ResumeIsOver  ResumeState = "resumed"  // it did
	ResumeRefused ResumeState = "refused"  // it would not
	ResumeFatal   ResumeState = "fatal"    // two workers in a row died over them; see Reset
)

const (
	leftoversTimeout = 10 * time.Second // of one question
	leftoversTries   = 4                // a worker that has just become ready may be slow
	leftoversPause   = time.Second      // after the first of them; twice as long after each
	leftoversLimit   = 1 << 20          // bytes of an answer
)

// seekLeftovers asks a launch that has become ready what its predecessor left. No request waits for it.
func (p *Pool) seekLeftovers(l *launch) {
	var found leftovers
	var err error
	for try := range leftoversTries {
		if try > 0 && !p.pause(l, leftoversPause<<(try-1)) {
			return
		}
		var works bool
		if found, works, err = l.askLeftovers(p.work); works {
			return // it found them by itself, or with a request's
		}
		if err == nil {
			break
		}
	}
	p.locked(func() { p.onLeftovers(l, found, err) })
}

// pause waits while the launch is there, and reports whether it still is.
func (p *Pool) pause(l *launch, d time.Duration) bool {
	select {
	case <-p.work.Done():
		return false
	case <-l.done:
		return false
	case <-time.After(d):
		return true
	}
}

// onLeftovers takes the first answer. The lock is held.
func (p *Pool) onLeftovers(l *launch, found leftovers, err error) {
	if !l.current() || l.slot.state != StateReady {
		return
	}
	if err != nil {
		e := l.event(EventLeftovers, err.Error())
		e.Reason = "unknown"
		p.events.add(e)
		return
	}
	l.leftovers = found
	wanted := l.resume.Wants(found.interrupted, found.failed)
	if found.interrupted == 0 && !wanted {
		return
	}
	state := ResumeIsOff
	switch {
	case !wanted || !l.kind.Resumable():
	case p.resumes.deaths[l.ref.Generation] >= resumeDeaths:
		state = ResumeFatal
	default:
		state = ResumeWaits
		p.resumes.queue = append(p.resumes.queue, l)
	}
	l.leftovers.state = state
	e := l.event(EventLeftovers, found.text())
	e.Reason, e.Count = string(state), found.interrupted
	p.events.add(e)
}

// text counts for people.
func (l leftovers) text() string {
	return fmt.Sprintf("%d interrupted, %d failed", l.interrupted, l.failed)
}

// refreshLeftovers asks again, where any were left and nobody works on them.
func (p *Pool) refreshLeftovers(ctx context.Context, l *launch) {
	p.mu.Lock()
	known := l.leftovers
	p.mu.Unlock()
	if known.interrupted+known.failed == 0 || known.state == ResumeGoesOn {
		return
	}
	found, works, err := l.askLeftovers(ctx)
	if err != nil || works {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.leftovers.interrupted, l.leftovers.failed = found.interrupted, found.failed
	if found.interrupted+found.failed == 0 && l.leftovers.state != ResumeWaits {
		l.leftovers.state = "" // somebody else had them taken up
	}
}

// askLeftovers counts them, unless the worker is at work: then what is unfinished is not left. An error is no answer.
func (l *launch) askLeftovers(ctx context.Context) (found leftovers, works bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leftoversTimeout)
	defer cancel()
	if works, err = l.works(ctx); works || err != nil {
		return found, works, err
	}
	document, err := l.call(ctx, http.MethodGet, l.kind.Leftovers.Path)
	if err != nil {
		return found, false, err
	}
	var wrong [2]error
	found.interrupted, wrong[0] = kind.ReadCount(document, l.kind.Leftovers.Interrupted)
	found.failed, wrong[1] = kind.ReadCount(document, l.kind.Leftovers.Failed)
	if err := errors.Join(wrong[:]...); err != nil {
		return found, false, fmt.Errorf("cannot learn what is left over in workspace %q: %w", l.ref, err)
	}
	works, err = l.works(ctx) // a request may have come meanwhile
	return found, works, err
}

// works reports whether the worker says that it is busy.
func (l *launch) works(ctx context.Context) (bool, error) {
	if l.kind.Busy == nil {
		return false, nil
	}
	busy, err := l.askBusy(ctx)
	return busy && err == nil, err
}

// call makes a request of the router's own and reads its answer, which must be JSON where it was a question.
func (l *launch) call(ctx context.Context, method, path string) (document any, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+cmp.Or(l.endpoint.Host, "localhost")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask workspace %q: %w", l.ref, err)
	}
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("cannot ask workspace %q for %s: %w", l.ref, path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, leftoversLimit))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of workspace %q to %s: %w", l.ref, path, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("workspace %q answered %s %s with status %d", l.ref, method, path, response.StatusCode)
	}
	if method != http.MethodGet {
		return nil, nil
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("cannot read the answer of workspace %q to %s: %w", l.ref, path, err)
	}
	return document, nil
}

// sentence says it to people.
func (s ResumeState) sentence() string {
	switch s {
	case ResumeIsOff:
		return "by its policy it stays so until somebody asks for it"
	case ResumeWaits:
		return "it waits for its turn to go on with it"
	case ResumeGoesOn:
		return "it is going on with it"
	case ResumeIsOver:
		return "it went on with it"
	case ResumeRefused:
		return "it was told to go on with it, and refused"
	case ResumeFatal:
		return "its workers died over it, so it is left alone until a start with --reset"
	}
	return string(s)
}
