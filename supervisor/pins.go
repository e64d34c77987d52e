package supervisor

import (
	"context"
	"fmt"
	"time"

	"workspace-router/internal/workspace"
)

// pinsPatience is how long the pool waits to be told the pins of before. It can run without them.
const pinsPatience = 10 * time.Second

// Pin keeps the workspace's worker from ever being a victim, now and when it is started again. It is refused where pins
// and workers that are not known to be gone would leave no room for anybody else, and with workspace.ErrClosing where
// another pool follows, which would not know of it. Pins that outlive the pool are the caller's to keep: see Deps.Pins.
func (p *Pool) Pin(ref workspace.Ref) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endsLocked() {
		return fmt.Errorf("cannot pin workspace %q: %w", ref, workspace.ErrClosing)
	}
	if _, pinned := p.pins[ref.Generation]; pinned {
		return nil
	}
	if err := p.mayPin(ref); err != nil {
		return err
	}
	p.pins[ref.Generation] = ref
	p.setPinned(ref, true)
	return nil
}

// Unpin lifts a pin. As Pin it fails where another pool follows.
func (p *Pool) Unpin(ref workspace.Ref) (err error) {
	p.locked(func() {
		if p.endsLocked() {
			err = fmt.Errorf("cannot unpin workspace %q: %w", ref, workspace.ErrClosing)
			return
		}
		p.dropPin(ref)
	})
	return err
}

// Pinned reports whether the workspace is pinned.
func (p *Pool) Pinned(ref workspace.Ref) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, pinned := p.pins[ref.Generation]
	return pinned
}

// endsLocked reports whether what an operator decides now would be of no use. The lock is held.
func (p *Pool) endsLocked() bool { return p.handsOver() || p.phase >= phaseClosing }

// mayPin says why the workspace cannot be pinned as well. The lock is held.
func (p *Pool) mayPin(ref workspace.Ref) error {
	taken := len(p.pins)
	for generation, s := range p.slots {
		if _, pinned := p.pins[generation]; s.state == StateQuarantined && !pinned && generation != ref.Generation {
			taken++
		}
	}
	if taken+1 < p.cfg.MaxWorkers {
		return nil
	}
	return &RefusedError{Action: "pin", Workspace: ref, Why: fmt.Sprintf(
		"of %s, %d cannot be evicted already; with this one, %d would be left for all other workspaces",
		count(p.cfg.MaxWorkers, "worker", "workers"), taken, max(0, p.cfg.MaxWorkers-taken-1))}
}

// dropPin forgets the pin. The lock is held.
func (p *Pool) dropPin(ref workspace.Ref) {
	if _, pinned := p.pins[ref.Generation]; pinned {
		delete(p.pins, ref.Generation)
		p.setPinned(ref, false)
	}
}

func (p *Pool) setPinned(ref workspace.Ref, pinned bool) {
	of := EventUnpinned
	if pinned {
		of = EventPinned
	}
	p.events.add(eventOf(ref, of, ""))
	if s := p.slots[ref.Generation]; s != nil && s.launch != nil {
		s.launch.pinned = pinned
	}
}

// restorePins takes up the pins of before, so that they count for every launch. Where fewer workers are allowed than
// then, the newest pins do not count, and the events say so. A pool that is not told them serves all the same: what is
// pinned may then be evicted, and comes back with the next request.
func (p *Pool) restorePins(ctx context.Context) {
	if p.deps.Pins == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pinsPatience)
	defer cancel()
	list, err := p.deps.Pins(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.events.add(Event{Type: EventNotPinned, Detail: "cannot read the pins, so that none counts: " + err.Error()})
	}
	for _, ref := range list {
		if err := p.mayPin(ref); err != nil {
			p.events.add(eventOf(ref, EventNotPinned, err.Error()))
			continue
		}
		p.pins[ref.Generation] = ref
	}
}
