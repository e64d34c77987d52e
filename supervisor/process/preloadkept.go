package process

import (
	"workspace-router/internal/keeper"
	script "workspace-router/internal/keeper/preloader"
)

// takeUpPreloader goes on with a preloader that an earlier router has started, if it takes orders in the form of now. Its
// class is not known: the first launch of that class brings the rest of it, and the fingerprint decides then.
func (d *Driver) takeUpPreloader(l *link, nonce string, h keeper.Held, m memo) {
	if h.Gone != nil {
		return
	}
	command := &keeper.Start{Launch: h.Launch, Generation: h.Generation, Workspace: h.Workspace, Nonce: nonce, RunDir: d.data.RunDir(h.Launch)}
	p := &preloader{class: preloadClass{key: m.Preload.Key}, fingerprint: m.Preload.Fingerprint, worker: d.preloaderWorker(l, command)}
	w := p.worker
	close(w.settled)
	w.spawned = &keeper.Spawned{Launch: h.Launch, PID: h.PID, Start: h.Start, LockedAt: h.LockedAt, At: h.SpawnedAt, Isolation: h.Isolation}
	if !d.enter(w) {
		return
	}
	if h.Exit != nil {
		w.onExited(*h.Exit)
	}
	if h.Exit != nil || h.Stopping || h.SpawnedAt.IsZero() || !p.read() || p.ready.Refused != "" || p.ready.Version != script.Version || !d.preloads.adopt(p) {
		d.stopPreloader(p)
		return
	}
	go d.watchPreloader(p)
}

// adopt takes in a preloader of before; false where its class has one.
func (t *preloads) adopt(p *preloader) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending || t.ready[p.class.key] != nil || t.coming[p.class.key] {
		return false
	}
	t.ready[p.class.key] = p
	return true
}
