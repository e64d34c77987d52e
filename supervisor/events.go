package supervisor

import (
	"errors"
	"time"

	"workspace-router/internal/workspace"
)

// EventType says what happened. The names are part of the API.
type EventType string

// The types of events (S12).
const (
	EventStarting    EventType = "starting"
	EventReady       EventType = "ready"
	EventRecovered   EventType = "recovered" // taken over from a router before this one
	EventLeft        EventType = "left"      // runs on, for a router after this one
	EventFirstByte   EventType = "first_byte"
	EventNotStarted  EventType = "not_started"  // refused before the Driver was asked
	EventStartFailed EventType = "start_failed" // what is left of it is being stopped
	EventFailed      EventType = "failed"       // backing off
	EventDraining    EventType = "draining"
	EventStopping    EventType = "stopping"
	EventStopped     EventType = "stopped"
	EventDied        EventType = "died"
	EventQuarantined EventType = "quarantined"
	EventOversized   EventType = "oversized" // takes more than all workers may, and is stopped as soon as it is at rest
	EventRefused     EventType = "refused"
	EventCut         EventType = "cut"
	EventPinned      EventType = "pinned"
	EventUnpinned    EventType = "unpinned"
	EventNotPinned   EventType = "not_pinned" // a pin of before that does not count in this pool
	EventReset       EventType = "reset"
	EventLeftovers   EventType = "leftovers" // Count pieces of work were left unfinished by the worker before
	EventResuming    EventType = "resuming"  // the worker is told to go on with them
	EventResumed     EventType = "resumed"   // and came to rest; Count is what is left even so
	EventOwnership   EventType = "ownership"
	EventMissed      EventType = "missed"  // Count events were dropped before this reader came to them
	EventIllegal     EventType = "illegal" // a fault of this program: a trigger that its state does not know

	// Of the router as a whole; others tell the pool of them by Note.
	EventConfigReloaded EventType = "config_reloaded"
	EventConfigRefused  EventType = "config_refused"
	EventUpgraded       EventType = "upgraded"       // this router follows another, which handed everything over
	EventUpgradeFailed  EventType = "upgrade_failed" // the new router could not take over; this one goes on
)

// Event is one thing that happened to a workspace.
type Event struct {
	ID        uint64    `json:"id"`
	Time      time.Time `json:"time"`
	Type      EventType `json:"type"`
	Workspace string    `json:"workspace,omitempty"`
	Tenant    string    `json:"tenant,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Launch    LaunchID  `json:"launch,omitempty"`
	// Reason is one word: of a stop "room", "idle", "operator", …; of a refusal its CapacityReason or the like.
	Reason string `json:"reason,omitempty"`
	For    string `json:"for,omitempty"`  // the workspace that needed the room
	Next   string `json:"next,omitempty"` // the workspace that would have been the next victim
	// Detail may quote a worker's output: it is for those who operate the workspace.
	Detail   string             `json:"detail,omitempty"`
	IdleMS   float64            `json:"idle_ms,omitempty"`   // how long the stopped worker was at rest
	PhasesMS map[string]float64 `json:"phases_ms,omitempty"` // since the first of its waiters came
	Count    int                `json:"count,omitempty"`     // refusals that this stands for, leases that were cut, events missed

	Ref workspace.Ref `json:"-"` // the workspace; zero where the event is of none
}

// Events gives those after the id, oldest first, as Subscribe does.
func (p *Pool) Events(after uint64) (list []Event) {
	for reader := p.Subscribe(after); ; {
		event, found := reader.poll()
		if !found {
			return list
		}
		list = append(list, event)
	}
}

// Subscribe gives a reader of the events after the id. A reader never slows the pool: what is in memory no more when it
// comes to it, is read from the archive, the newest 10,000 of it. An EventMissed stands for what is not there either.
func (p *Pool) Subscribe(after uint64) *Subscription {
	reader := &Subscription{ring: p.events, next: after + 1}
	if p.deps.Archive != nil {
		reader.older = p.older
	}
	return reader
}

// SinceStart gives a reader of all events of this pool, without those of the time before, for whatever fills the archive:
// it reads from memory alone. It is to be made before Run.
func (p *Pool) SinceStart() *Subscription { return &Subscription{ring: p.events, next: p.events.first} }

// Note adds an event of the router as a whole, so that it stands among those of the workers in its place.
func (p *Pool) Note(of EventType, reason, detail string) {
	p.events.add(Event{Type: of, Reason: reason, Detail: detail})
}

// event makes an event of a slot. The lock is held.
func (s *slot) event(of EventType, detail string) Event {
	e := eventOf(s.ref, of, detail)
	if s.launch != nil {
		e.Launch = s.launch.id
	}
	return e
}

func eventOf(ref workspace.Ref, of EventType, detail string) Event {
	return Event{
		Type: of, Workspace: string(ref.Name), Tenant: string(ref.Tenant), Detail: detail,
		Ref: ref,
	}
}

// event makes an event of a launch. The lock is held.
func (l *launch) event(of EventType, detail string) Event {
	e := eventOf(l.ref, of, detail)
	e.Launch = l.id
	if l.kind != nil {
		e.Kind = l.kind.Name
	}
	switch of {
	case EventReady, EventFailed, EventStartFailed, EventFirstByte:
		e.PhasesMS = map[string]float64{}
		for _, m := range l.phases {
			e.PhasesMS[string(m.phase)] = milliseconds(m.after)
		}
	case EventDraining, EventStopping, EventStopped:
		e.Reason, e.For, e.Next = l.stopWhy.reason, l.stopWhy.by, l.stopWhy.next
		e.IdleMS = milliseconds(l.stopWhy.idle)
		if e.Detail == "" {
			e.Detail = l.stopWhy.detail
		}
	case EventDied:
		exit := l.worker.Exit()
		e.Detail = exit.text()
		if exit.OutOfMemory {
			e.Reason = string(CauseOutOfMemory)
		}
	}
	if (of == EventFailed || of == EventStartFailed) && l.failure != nil {
		e.Reason = string(l.failure.Cause)
	}
	return e
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// note adds an event of a launch from outside the lock.
func (p *Pool) note(l *launch, of EventType, detail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events.add(l.event(of, detail))
}

// onFirstByte notes the first answer of a launch.
func (p *Pool) onFirstByte(l *launch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.mark(PhaseFirstByte)
	if last := l.phases[len(l.phases)-1]; l.awaited && last.phase == PhaseFirstByte {
		p.deps.Observer.ColdStart(l.kind.Name, string(PhaseFirstByte), last.after)
	}
	p.events.add(l.event(EventFirstByte, ""))
}

// refusals keeps a flood of refused requests from washing everything else out of the ring: of each second only the
// first ones become events, and the next event says how many it stands for.
type refusals struct {
	second  int64
	events  int
	unheard int
}

const refusalsPerSecond = 10

// refused makes an event of a refusal. The lock is held.
func (p *Pool) refused(s *slot, err error) {
	reason := refusalReason(err)
	p.deps.Observer.Refusal(reason)
	second := p.now() / int64(time.Second)
	if second != p.refusals.second {
		p.refusals.second, p.refusals.events = second, 0
	}
	p.refusals.events++
	if p.refusals.events > refusalsPerSecond {
		p.refusals.unheard++
		return
	}
	e := s.event(EventRefused, err.Error())
	e.Reason = reason
	e.Count = 1 + p.refusals.unheard
	p.refusals.unheard = 0
	p.events.add(e)
}

// refusedAtHandOver does so for a waiter that was refused by its own recheck.
func (p *Pool) refusedAtHandOver(s *slot, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused(s, err)
}

// refusalReason names the refusal in one word.
func refusalReason(err error) string {
	var capacity *CapacityError
	switch {
	case errors.As(err, &capacity):
		return string(capacity.Reason)
	case errors.Is(err, workspace.ErrCold):
		return "cold"
	case errors.Is(err, workspace.ErrQuarantined):
		return "quarantined"
	case errors.Is(err, workspace.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, workspace.ErrTimeout):
		return "timeout"
	}
	return "recheck"
}
