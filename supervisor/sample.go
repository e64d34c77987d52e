package supervisor

import (
	"context"
	"math"
	"time"
)

// sample is what was last learnt by asking a worker for what is shown of it. Guarded by Pool.mu.
type sample struct {
	usage   Usage
	at      int64 // when; 0 is never
	triedAt int64 // when it was last begun in turn
	asking  bool
}

const (
	sampleFresh   = time.Second            // younger samples are shown as they are
	sampleTimeout = 300 * time.Millisecond // listing waits no longer than this
	sampleAtOnce  = 8                      // workers asked at the same time
)

// sampleAll asks the workers whose samples are old. It returns in time whatever they do.
func (p *Pool) sampleAll(ctx context.Context, launches []*launch) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	permits := make(chan struct{}, sampleAtOnce)
	finished := make(chan struct{}, len(launches))
	asked := 0
	for _, l := range launches {
		if p.beginSample(ctx, l, permits, finished) {
			asked++
		}
	}
	defer cancel()
	for range asked {
		select {
		case <-finished:
		case <-ctx.Done():
			return
		}
	}
}

// beginSample asks one worker, in a goroutine, if that is called for.
func (p *Pool) beginSample(ctx context.Context, l *launch, permits, finished chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := l.sample.at > 0 && p.now()-l.sample.at < int64(sampleFresh)
	if l.worker == nil || !l.current() || l.sample.asking || fresh || p.phase == phaseClosed {
		return false
	}
	l.sample.asking = true
	ready := l.slot.state == StateReady
	p.task(func() {
		select {
		case permits <- struct{}{}:
			p.takeSample(ctx, l, ready)
			<-permits
		case <-ctx.Done():
			p.endSample(l, nil, nil)
		}
		finished <- struct{}{}
	})
	return true
}

// takeSample asks for the worker's usage and, where its kind has a word for it, whether it is busy.
func (p *Pool) takeSample(ctx context.Context, l *launch, ready bool) {
	var usage *Usage
	if taken, err := l.worker.Usage(ctx); err == nil {
		usage = &taken
	}
	var busy *bool
	if ready && l.kind != nil && l.kind.Busy != nil {
		answer, err := l.askBusy(ctx)
		answer = answer || err != nil // S9: unknown is not idle
		busy = &answer
	}
	if ready {
		p.refreshLeftovers(ctx, l)
	}
	p.endSample(l, usage, busy)
}

func (p *Pool) endSample(l *launch, usage *Usage, busy *bool) {
	p.locked(func() { // what it takes may be too much
		l.sample.asking = false
		if usage != nil {
			l.sample.usage, l.sample.at = *usage, p.now()
			p.recharge(l)
		}
		if busy != nil {
			l.busy.learn(*busy, p.now())
		}
	})
}

// recharge lets the launch count for what was measured, as far as that could be.
func (p *Pool) recharge(l *launch) {
	if !l.current() {
		return
	}
	if pss := l.sample.usage.PSS; pss > 0 {
		l.takes.memory = pss
	}
	if files := l.sample.usage.Files; files > 0 {
		l.takes.files = int64(files)
	}
	p.charge(l)
	p.tellOversized(l)
}

// measureInTurn has the workers measured in turn, one at a time and each every Config.MeasureEvery. The lock is held.
func (p *Pool) measureInTurn(now int64, wake *alarm) {
	if p.sampling {
		return
	}
	if len(p.ready) == 0 {
		p.sampleAt = math.MaxInt64 // S11
		return
	}
	if p.sampleAt > now {
		wake.at(p.sampleAt)
		return
	}
	next := neverRings
	var oldest *launch
	for _, l := range p.ready {
		last := max(l.readyAt, l.sample.triedAt)
		next.at(last + int64(p.cfg.MeasureEvery))
		if last+int64(p.cfg.MeasureEvery) <= now && (oldest == nil || last < max(oldest.readyAt, oldest.sample.triedAt)) {
			oldest = l
		}
	}
	p.sampleAt = int64(next)
	if oldest == nil {
		wake.at(p.sampleAt)
		return
	}
	p.sampling = true
	oldest.sample.triedAt = now
	p.task(func() { p.measureOne(oldest) })
}

// measureOne measures one worker, and counts what the router has open itself.
func (p *Pool) measureOne(l *launch) {
	ctx, cancel := context.WithTimeout(p.work, sampleTimeout)
	defer cancel()
	usage, err := l.worker.Usage(ctx)
	p.refreshLeftovers(ctx, l)
	own, beside := p.deps.OwnFiles(), p.deps.OwnMemory()
	p.locked(func() {
		p.sampling, p.sampleAt = false, 0 // look for the next
		p.ownFiles = int64(own)
		// One worker can run beside it, whatever it is.
		p.ownMemory = min(beside, max(0, p.cfg.Memory-int64(p.cfg.LargestCost.Memory)))
		if err == nil {
			l.sample.usage = usage // and not when: it was not asked whether it is busy
			p.recharge(l)
		}
	})
}
