package supervisor

import (
	"context"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// load is an amount of what is bounded (S2).
type load struct {
	workers int
	memory  int64 // bytes
	files   int64 // descriptors
}

func loadOf(cost kind.Cost) load { return load{memory: int64(cost.Memory), files: int64(cost.Files)} }

func (a load) plus(b load) load {
	return load{workers: a.workers + b.workers, memory: a.memory + b.memory, files: a.files + b.files}
}

func (a load) minus(b load) load {
	return load{workers: a.workers - b.workers, memory: a.memory - b.memory, files: a.files - b.files}
}

// within reports whether nothing of a is more than b has.
func (a load) within(b load) bool {
	return a.workers <= b.workers && a.memory <= b.memory && a.files <= b.files
}

// budget is the most that all workers may take.
func (p *Pool) budget() load {
	return load{workers: p.cfg.MaxWorkers, memory: p.cfg.Memory, files: p.cfg.Files}
}

// spare is what is left of the budget; less than 0 where more is taken. The lock is held.
func (p *Pool) spare() load {
	return p.budget().minus(p.used).minus(load{workers: p.live, memory: p.ownMemory, files: p.ownFiles})
}

// most is what one worker may take.
func (p *Pool) most() load {
	return load{memory: p.cfg.Memory, files: p.cfg.Files - p.ownFiles}
}

// declare lets the launch count for what its kind declares. The lock is held.
func (p *Pool) declare(l *launch, cost load) {
	l.declared, l.takes = cost, cost
	p.charge(l)
}

// charge lets the launch count for what it is taken to need, or was measured to take. One that takes more alone than all
// may counts for what its kind declares, so that others go on beside it: nobody else's end would help. The lock is held.
func (p *Pool) charge(l *launch) {
	now, oversized := l.takes, !l.takes.within(p.most())
	if oversized {
		if now = l.declared; !now.within(p.most()) { // since a reload
			now = load{}
		}
	}
	switch {
	case oversized && !l.oversized:
		p.oversized++
	case !oversized && l.oversized:
		p.oversized--
	}
	l.oversized = oversized
	p.used = p.used.minus(l.charged).plus(now)
	l.charged = now
}

// room is what the end of the launch gives back.
func (l *launch) room() load { return l.charged.plus(load{workers: 1}) }

// costOf is what a worker of the slot is taken to need: as its kind declares, and until that is known, the largest
// that any kind does.
func (p *Pool) costOf(s *slot) (cost load, known bool) {
	if s.priced {
		return s.cost, true
	}
	return loadOf(p.cfg.LargestCost), false
}

// price finds out what the slot's kind declares. It is called only where that decides.
func (p *Pool) price(s *slot) {
	if s.pricing {
		return
	}
	s.pricing = true
	p.task(func() {
		ctx, cancel := context.WithTimeoutCause(p.work, p.cfg.Patience, errNotDescribed)
		defer cancel()
		spec, err := p.deps.Describe(ctx, s.ref)
		p.locked(func() {
			s.pricing, s.priced = false, true
			s.cost = load{} // whoever starts it will meet the same error, and say so
			if err == nil && spec.Kind != nil {
				s.cost = loadOf(spec.Kind.Cost)
			}
		})
	})
}

// overBudget refuses a worker that could not run if all were gone that ever go: who is pinned stays.
func (p *Pool) overBudget(ref workspace.Ref, cost load) *CapacityError {
	var pinned load
	for generation := range p.pins {
		if s := p.slots[generation]; s != nil && s.launch != nil && generation != ref.Generation {
			pinned = pinned.plus(s.launch.charged)
		}
	}
	short := cost.minus(p.most().minus(pinned))
	e := &CapacityError{Workspace: ref, Limit: p.cfg.MaxWorkers, Alone: true, After: overBudgetAfter}
	switch {
	case short.memory > 0:
		e.Reason, e.Need, e.Used, e.Budget = ReasonMemory, cost.memory, pinned.memory, p.cfg.Memory
	case short.files > 0:
		e.Reason, e.Need, e.Used, e.Budget = ReasonFiles, cost.files, p.ownFiles+pinned.files, p.cfg.Files
	default:
		return nil
	}
	return e
}

// overBudgetAfter is when to try again where only another configuration helps.
const overBudgetAfter = time.Minute

// reserves reports whether what the slot waits for is kept from those behind it: for as long as one victim may take
// to make room. Then others may pass, so that one that needs much does not stop all (S5).
func (p *Pool) reserves(s *slot, now int64, wake *alarm) bool {
	until := s.queuedAt + int64(p.cfg.Patience)
	if until <= now {
		return false
	}
	wake.at(until)
	return true
}

// shortOf names what the need is for, in the words of CapacityError; "" where nothing but a worker's place is missing.
func shortOf(need load) CapacityReason {
	switch {
	case need.workers > 0:
		return ""
	case need.memory > 0:
		return ReasonMemory
	case need.files > 0:
		return ReasonFiles
	}
	return ""
}
