package supervisor

import (
	"fmt"
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// Explanation says why a workspace's worker is where it is.
type Explanation struct {
	Workspace  string   `json:"workspace"`
	Tenant     string   `json:"tenant"`
	State      State    `json:"state"`
	Sentences  []string `json:"sentences"`             // for people, in order of time
	Started    *Event   `json:"started,omitempty"`     // its last start, as far as events are kept
	Stopped    *Event   `json:"stopped,omitempty"`     // its last stop or death
	Failed     *Event   `json:"failed,omitempty"`      // its last failed start
	Refused    *Event   `json:"refused,omitempty"`     // the last request that was refused
	NextVictim string   `json:"next_victim,omitempty"` // of the whole pool, if room were needed now
}

// Explain tells why the workspace's worker was last started, stopped and refused, and who would have to go next.
func (p *Pool) Explain(ref workspace.Ref) Explanation {
	e := Explanation{Workspace: string(ref.Name), Tenant: string(ref.Tenant), State: StateCold}
	older := p.archived(ref)
	e.Started = p.lastEvent(older, ref, EventReady, EventRecovered)
	e.Stopped = p.lastEvent(older, ref, EventStopping, EventDied)
	e.Failed = p.lastEvent(older, ref, EventFailed, EventStartFailed, EventNotStarted)
	e.Refused = p.lastEvent(older, ref, EventRefused)
	say := func(format string, args ...any) { e.Sentences = append(e.Sentences, fmt.Sprintf(format, args...)) }
	for _, event := range inOrder(e.Started, e.Stopped, e.Failed, e.Refused) {
		say("%s", event.sentence())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[ref.Generation]; s != nil {
		e.State = s.state
		p.explainNow(s, say)
	} else if len(e.Sentences) == 0 {
		say("It was not asked for %s, or so long ago that the events are gone.", p.since())
	}
	unused := neverRings
	if v, found := p.atRestFirst("", p.now(), &unused); found {
		e.NextVictim = v.launch.ref.String()
		say("If room were needed now, %s would go first.", e.NextVictim)
	} else {
		say("If room were needed now, nobody could go.")
	}
	return e
}

// explainNow says what holds the slot as it is.
func (p *Pool) explainNow(s *slot, say func(string, ...any)) {
	if len(s.waiters) > 0 {
		say("%s for it, the first for %v.", count(len(s.waiters), "request waits", "requests wait"), time.Since(s.waiters[0].since).Round(time.Millisecond))
	}
	switch reason := p.holds(s, p.now()); {
	case s.state == StateFailed:
		say("After %s in a row it is tried again in %v.", count(s.failures, "failure", "failures"), s.backingOff(p.now()).Round(time.Millisecond))
	case s.state == StateQuarantined:
		say("Launch %s is not known to be gone: %v", s.launch.id, s.launch.notGone)
	case s.state != StateReady:
		say("It is %s.", s.state)
	case reason == ReasonBusy && (s.launch.kind.Busy == nil || s.launch.busy.since == 0):
		say("It is ready and at rest.")
	default:
		say("It is ready and cannot be evicted now: %s.", reason)
	}
	if s.state != StateReady {
		return
	}
	if s.launch.oversized {
		say("It %s: others go on beside it, and it goes first when it may.", p.oversize(s.launch))
	}
	if left := s.launch.leftovers; left.state != "" {
		say("Its worker before left work unfinished: %s; %s.", left.text(), left.state.sentence())
	}
	switch l := s.launch; {
	case l.idleAfter() > 0 && l.pinned:
		say("While it is pinned, it is not stopped by %s.", l.idleWords())
	case l.idleAfter() > 0:
		say("At rest it is stopped by %s.", l.idleWords())
	case l.idleTimeout < 0 && l.idleOf != "":
		say("By its %s it is never stopped for being at rest.", l.idleOf)
	}
}

// since says from when on events are known.
func (p *Pool) since() string {
	if p.deps.Archive == nil {
		return "since the router started"
	}
	return "in the days for which events are kept"
}

// lastEvent finds the workspace's last event of these types, in memory or among the older ones.
func (p *Pool) lastEvent(older []Event, ref workspace.Ref, types ...EventType) *Event {
	match := func(e *Event) bool { return e.Ref.Generation == ref.Generation && slices.Contains(types, e.Type) }
	if event, found := p.events.latest(match); found {
		return &event
	}
	for i := len(older) - 1; i >= 0; i-- {
		if match(&older[i]) {
			return &older[i]
		}
	}
	return nil
}

// inOrder sorts the events that there are by time.
func inOrder(events ...*Event) (list []*Event) {
	for _, e := range events {
		if e == nil {
			continue
		}
		i := len(list)
		for i > 0 && list[i-1].ID > e.ID {
			i--
		}
		list = append(list[:i], append([]*Event{e}, list[i:]...)...)
	}
	return list
}

// sentence tells the event to people.
func (e *Event) sentence() string {
	at := e.Time.Format(time.RFC3339)
	switch e.Type {
	case EventReady:
		return fmt.Sprintf("Started at %s as launch %s, ready %.0f ms after the first request for it.", at, e.Launch, e.PhasesMS[string(PhaseProven)])
	case EventRecovered:
		return fmt.Sprintf("Taken over at %s as launch %s.", at, e.Launch)
	case EventDied:
		return fmt.Sprintf("Died at %s: %s.", at, e.Detail)
	case EventStopping:
		return fmt.Sprintf("Stopped at %s %s.", at, e.why())
	case EventRefused:
		return fmt.Sprintf("A request was refused at %s (%s): %s.", at, e.Reason, e.Detail)
	}
	return fmt.Sprintf("Its start failed at %s (%s): %s.", at, e.Reason, e.Detail)
}

// why tells the reason of a stop.
func (e *Event) why() string {
	why := "for the reason " + e.Reason
	switch e.Reason {
	case stopRoom:
		why = "because " + e.For + " needed room"
	case stopExcess:
		why = "because there were more workers than are allowed"
	case stopMemory, stopFiles:
		what := "memory"
		if e.Reason == stopFiles {
			what = "descriptors"
		}
		why = "because all workers took more " + what + " than is allowed"
		if e.For != "" {
			why = "because " + e.For + " needed " + what
		}
	case stopOversized:
		why = "because it was too large: " + e.Detail
	case stopTenant:
		why = "because its tenant may have no more workers, and " + e.For + " needed one"
	case stopIdle:
		why = "because it was at rest for long enough"
		if e.Detail != "" {
			why = "because it was at rest for " + e.Detail
		}
	case stopOperator:
		why = "by the operator"
	case stopShutdown:
		why = "because the router was ending"
	}
	if e.IdleMS > 0 {
		why += fmt.Sprintf("; it had been at rest for %.1f s", e.IdleMS/1000)
	}
	if e.Next != "" {
		why += "; next would have been " + e.Next
	}
	return why
}
