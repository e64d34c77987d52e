package process

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

const (
	// mostPreloaders bounds what is kept for launches to be forked from.
	mostPreloaders = 4
	// preloadRetry is for how long a class is executed whose preloader failed.
	preloadRetry = time.Minute
)

// preloads are the preloaders of one driver. A launch never waits for one: while there is none that is ready its program is
// executed, and one is started beside.
type preloads struct {
	mu       sync.Mutex // guards what follows; no I/O under it
	ready    map[string]*preloader
	coming   map[string]bool      // being started
	refused  map[string]time.Time // until then, by class
	ending   bool
	memory   int64 // of all of them, as of measured
	measured time.Time
	group    sync.WaitGroup // of those that start one
}

func newPreloads() *preloads {
	return &preloads{ready: map[string]*preloader{}, coming: map[string]bool{}, refused: map[string]time.Time{}}
}

// preload says what this launch is forked from; nil is that its program is executed. What is not there yet is begun.
func (s *start) preload(l *link, v values, r reach, like *keeper.Start) *keeper.Preload {
	d, k := s.driver, s.spec.Kind
	if k.Preload.Mode == kind.PreloadOff || k.Preload.Mode == "" || s.plain {
		return nil
	}
	c, err := d.preloadClassOf(k, v, like.Env, r)
	if err != nil {
		d.log.Warn("a worker is not preloaded", zap.String("kind", k.Name), zap.Error(err))
		return nil
	}
	p := d.preloads.find(c.key)
	if p == nil {
		d.beginPreloader(l, c, like)
		return nil
	}
	if why := p.refuses(l, c, like); why != "" {
		d.log.Info("a worker is not preloaded", zap.String("launch", string(s.spec.Launch)), zap.String("reason", why))
		return nil
	}
	if now, err := c.fingerprint(); err != nil || now != p.fingerprint {
		d.log.Info("the installation has changed, its preloader is replaced", zap.String("kind", k.Name), zap.Error(err))
		d.dropPreloader(p)
		d.beginPreloader(l, c, like)
		return nil
	}
	s.class = c.key
	return p.from(c)
}

// refuses says why a launch cannot be forked from the preloader; empty is that it can.
func (p *preloader) refuses(l *link, c preloadClass, like *keeper.Start) string {
	switch {
	case p.worker.holder() != l || closed(p.worker.exited):
		return "its preloader is another keeper's, or has ended"
	case !p.open() && !covers(c.policy, like.Sandbox):
		return "it may use files that its preloader may not"
	}
	return c.unfit(p.ready.Reads, like.Env)
}

// find gives the preloader of a class that is ready.
func (t *preloads) find(key string) *preloader {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.ready[key]
	if p != nil {
		p.used = time.Now()
	}
	return p
}

// begins reports whether a preloader of the class is to be started now, and, where too many are there, which one is to
// make room.
func (t *preloads) begins(key string) (begins bool, out *preloader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending || t.coming[key] || t.ready[key] != nil || time.Now().Before(t.refused[key]) {
		return false, nil
	}
	if len(t.ready)+len(t.coming) >= mostPreloaders {
		for _, p := range t.ready {
			if time.Since(p.used) > preloadRetry && (out == nil || p.used.Before(out.used)) {
				out = p
			}
		}
		if out == nil {
			return false, nil
		}
		delete(t.ready, out.class.key)
	}
	t.coming[key] = true
	t.group.Add(1)
	return true, out
}

// came notes how a start ended; false where nobody wants it any more.
func (t *preloads) came(key string, p *preloader) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.coming, key)
	if p == nil {
		t.refused[key] = time.Now().Add(preloadRetry)
		return true
	}
	if t.ending {
		return false
	}
	p.used = time.Now()
	t.ready[key] = p
	return true
}

// forget takes a preloader out, and reports whether it was in.
func (t *preloads) forget(p *preloader) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready[p.class.key] != p {
		return false
	}
	delete(t.ready, p.class.key)
	return true
}

// refuse has launches of a class executed for a while.
func (t *preloads) refuse(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[key] = time.Now().Add(preloadRetry)
}

// end waits for those that are being started; no more are.
func (t *preloads) end() {
	t.mu.Lock()
	t.ending = true
	t.mu.Unlock()
	t.group.Wait()
}

// beginPreloader starts a preloader of the class, beside, unless one is on its way or failed a moment ago.
func (d *Driver) beginPreloader(l *link, c preloadClass, like *keeper.Start) {
	begins, out := d.preloads.begins(c.key)
	if out != nil {
		d.stopPreloader(out)
	}
	if !begins {
		return
	}
	copied := *like // which its own launch goes on with; a comparison has an environment of its own
	copied.Env = nil
	like = &copied
	go func() {
		defer d.preloads.group.Done()
		p, err := d.launchPreloader(l, c)
		if err == nil && c.profile.Mode == kind.PreloadAuto {
			if err = d.compare(l, p, like); err != nil {
				d.stopPreloader(p)
				p = nil
			}
		}
		wanted := d.preloads.came(c.key, p)
		switch {
		case err != nil && !d.isClosing():
			d.log.Warn("cannot preload; workers are executed", zap.String("kind", c.kind), zap.Error(err), zap.Duration("retry", preloadRetry))
		case p != nil && !wanted:
			d.stopPreloader(p)
		case p != nil:
			go d.watchPreloader(p)
		}
	}()
}

// watchPreloader forgets a preloader that ended. Its workers go on.
func (d *Driver) watchPreloader(p *preloader) {
	select {
	case <-p.worker.exited:
	case <-d.ended:
		return
	}
	if d.preloads.forget(p) && !d.isClosing() {
		d.log.Warn("a preloader ended; workers are executed until there is another", zap.String("kind", p.class.kind))
	}
}

// dropPreloader ends a preloader that is not to be used any more. Its workers go on.
func (d *Driver) dropPreloader(p *preloader) {
	if d.preloads.forget(p) {
		d.stopPreloader(p)
	}
}

func (d *Driver) stopPreloader(p *preloader) {
	d.discard(p.worker.holder(), p.worker.values.nonce, string(p.worker.spec.Launch))
}

// distrust has a start whose worker was forked, and came to nothing, tried once more by execution. It reports whether to.
func (s *start) distrust(ctx context.Context, w *worker, err error) bool {
	if err == nil || w == nil || s.class == "" || s.plain || !w.forked() || ctx.Err() != nil || errors.Is(err, errKeeperDied) {
		return false
	}
	s.driver.log.Warn("a preloaded worker did not come up; it is executed", zap.String("launch", string(s.spec.Launch)),
		zap.Stringer("workspace", s.spec.Ref), zap.Error(err))
	if w.Stop(ctx, true) != nil {
		return false
	}
	s.plain = true
	return true
}

// forked reports whether the worker's program was forked from a preloader.
func (w *worker) forked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spawned != nil && slices.Contains(w.spawned.Isolation.Means, sandbox.MeansPreload)
}

// trust follows a start that succeeded. Where it did by execution, after the forked process had failed, the preloader is
// not used any more.
func (s *start) trust() {
	if s.class == "" || !s.plain {
		return
	}
	s.driver.preloads.refuse(s.class)
	if p := s.driver.preloads.find(s.class); p != nil {
		s.driver.dropPreloader(p)
	}
}

// preloadMeasureEvery is how often the memory of preloaders is read anew.
const preloadMeasureEvery = 5 * time.Second

// PreloadMemory is the proportional set size, in bytes, of all processes from which workers are forked. What they share
// with workers is counted there for the other part.
func (d *Driver) PreloadMemory() int64 {
	t := d.preloads
	t.mu.Lock()
	if time.Since(t.measured) < preloadMeasureEvery {
		defer t.mu.Unlock()
		return t.memory
	}
	t.measured = time.Now()
	t.mu.Unlock()
	var sum int64
	for _, w := range d.all() {
		if root := w.root(); w.preloads && root.PID != 0 {
			size, _ := pss(root.PID) // what is not known counts as nothing
			sum += size
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.memory = sum
	return sum
}
