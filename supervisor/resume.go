package supervisor

import (
	"context"
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// resumes is who goes on with leftovers, over all workspaces. Guarded by Pool.mu.
type resumes struct {
	running int       // at most Config.ResumeAtOnce
	queue   []*launch // those that wait for their turn, in the order in which they were ready
	// deaths counts workers that died over their leftovers, in a row. The next one would, too, at every request.
	deaths map[workspace.Generation]int
}

// resumeDeaths is after how many of them a workspace's leftovers are left alone.
const resumeDeaths = 2

// forget takes a launch that ended out of the line.
func (r *resumes) forget(l *launch) {
	r.queue = slices.DeleteFunc(r.queue, func(other *launch) bool { return other == l })
}

// How attempts end, as an Observer is told.
const (
	resumeDone    = "done"
	resumePartly  = "partly"
	resumeRefused = "refused"
	resumeEnded   = "ended"
)

const (
	resumeTimeout = 30 * time.Second // of the request
	resumeLook    = 2 * time.Second  // how often the worker is asked whether it is done
)

// resumeNext lets those go on whose turn it is. While a request waits for room nobody does: a worker that works on
// leftovers would hold the room that it needs. The lock is held.
func (p *Pool) resumeNext() {
	for len(p.resumes.queue) > 0 && p.resumes.running < p.cfg.ResumeAtOnce && !p.hungry.Load() {
		l := p.resumes.queue[0]
		p.resumes.queue = p.resumes.queue[1:]
		if !l.current() || l.slot.state != StateReady {
			continue
		}
		lease, ok := l.lease("leftovers", true) // so that it is not stopped under the request, and asked anew after it
		if !ok {
			continue
		}
		l.tenant.leases.Add(1) // beyond the cap, if need be: it is the router's own
		l.leftovers.state = ResumeGoesOn
		p.resumes.running++
		e := l.event(EventResuming, l.leftovers.text())
		e.Count = l.leftovers.interrupted
		p.events.add(e)
		p.task(func() { p.resume(l, lease) })
	}
}

// resume tells the worker to go on, and keeps the turn until it has come to rest.
func (p *Pool) resume(l *launch, lease *Lease) {
	err := p.tellToResume(l, lease)
	var found *leftovers
	if err == nil && p.untilIdle(l) {
		if left, works, err := l.askLeftovers(p.work); err == nil && !works {
			found = &left
		}
	}
	p.locked(func() { p.onResumed(l, err, found) })
}

// tellToResume makes the request, unless somebody else has made it meanwhile, and gives the lease back.
func (p *Pool) tellToResume(l *launch, lease *Lease) error {
	defer lease.Release()
	ctx, cancel := context.WithTimeout(p.work, resumeTimeout)
	defer cancel()
	lease.OnEnded(cancel)
	found, works, err := l.askLeftovers(ctx)
	if works || err == nil && !l.resume.Wants(found.interrupted, found.failed) {
		return nil
	}
	_, err = l.call(ctx, l.kind.Leftovers.Resume.Method, l.kind.Leftovers.Resume.Path)
	return err
}

// untilIdle waits until the worker says that it is idle, for no longer than its kind's word is believed. A kind without
// such a word is not waited for. It reports whether the launch is still there.
func (p *Pool) untilIdle(l *launch) bool {
	if l.kind.Busy == nil {
		return true
	}
	for ends := p.now() + int64(l.kind.Busy.Bound); p.now() < ends; {
		if !p.pause(l, resumeLook) {
			return false
		}
		if p.confirmIdle(p.work, l) {
			return true
		}
	}
	return true
}

// onResumed gives the turn back and tells what came of it. The lock is held.
func (p *Pool) onResumed(l *launch, err error, found *leftovers) {
	p.resumes.running--
	switch {
	case !l.current():
		p.deps.Observer.Resume(resumeEnded)
		if l.died {
			if p.resumes.deaths == nil {
				p.resumes.deaths = map[workspace.Generation]int{}
			}
			p.resumes.deaths[l.ref.Generation]++
		}
	case err != nil:
		p.deps.Observer.Resume(resumeRefused)
		l.leftovers.state = ResumeRefused
		e := l.event(EventResumed, err.Error())
		e.Reason, e.Count = resumeRefused, l.leftovers.interrupted
		p.events.add(e)
	default:
		delete(p.resumes.deaths, l.ref.Generation)
		if found != nil {
			l.leftovers = *found
		}
		outcome := resumeDone
		if l.leftovers.interrupted+l.leftovers.failed > 0 {
			outcome = resumePartly
		}
		p.deps.Observer.Resume(outcome)
		l.leftovers.state = ResumeIsOver
		e := l.event(EventResumed, l.leftovers.text())
		e.Reason, e.Count = outcome, l.leftovers.interrupted
		p.events.add(e)
	}
}
