package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	"workspace-router/supervisor"
)

// leasesEvery is how often a leaving router says how many requests it still has.
const leasesEvery = 50 * time.Millisecond

// departure is this router's leaving.
type departure struct {
	link     *link
	taken    chan struct{} // closed when another router has the session
	stayed   chan struct{} // closed when none has it, and none can have it
	returned chan struct{} // closed when it is this router's again
	over     chan struct{} // closed with returned, or when the connection has ended
	yields   chan string   // launches that the other wants stopped
	pid      int           // of the other; valid after taken
	released bool
}

// HandOver offers the workers to the next router, and returns when one has taken them; until then the caller must
// neither start nor stop any. Where ctx ends before, the error says so and nothing has changed. Afterwards this driver
// starts and stops nothing: it tells what holds still gives for each worker, so that no worker is stopped under a request
// that is open here, for at most within. Before one is stopped, giveUp is called, after which no new request may come to
// it. Close then ends nothing but the connection.
func (d *Driver) HandOver(ctx context.Context, within time.Duration, holds func() []supervisor.Hold, giveUp func(supervisor.LaunchID)) error {
	l, err := d.connected(ctx)
	if err != nil {
		return err
	}
	leaving := &departure{link: l, taken: make(chan struct{}), stayed: make(chan struct{}), returned: make(chan struct{}), over: make(chan struct{}), yields: make(chan string, maxYields)}
	d.mu.Lock()
	if d.leaving != nil {
		d.mu.Unlock()
		return errors.New("cannot hand over twice")
	}
	d.leaving = leaving
	d.mu.Unlock()
	list := holds()
	for _, hold := range list {
		if w := d.worker(string(hold.Launch)); w != nil {
			w.remember(func(m *memo) { m.LastEnd = hold.LastEnd })
		}
	}
	if err := l.send(keeper.Message{Leave: &keeper.Leave{Leases: leases(list), Within: within, Yields: true}}); err != nil {
		d.stay(leaving)
		return fmt.Errorf("cannot offer the workers: %w", err)
	}
	if err := leaving.wait(ctx); err != nil && d.stay(leaving) {
		return err
	}
	d.log.Info("another router has the workers", zap.Int("pid", leaving.pid))
	go d.tellLeases(leaving, list, holds, giveUp)
	return nil
}

// wait returns when the offer was taken. Where ctx ends before, it is taken back, which may come too late.
func (l *departure) wait(ctx context.Context) error {
	select {
	case <-l.taken:
		return nil
	case <-l.link.down:
		return fmt.Errorf("cannot offer the workers: %w", errKeeperDied)
	case <-ctx.Done():
	}
	err := fmt.Errorf("cannot hand the workers over: no router has taken them: %w", context.Cause(ctx))
	if failed := l.link.send(keeper.Message{Stay: &keeper.Stay{}}); failed != nil {
		return errors.Join(err, failed)
	}
	timer := time.NewTimer(sendPatience)
	defer timer.Stop()
	select {
	case <-l.taken:
		return nil
	case <-l.stayed:
	case <-l.link.down:
	case <-timer.C:
		l.link.file.Close() // it is not known who has the workers; without this connection it is the other
		return fmt.Errorf("cannot take the workers back: the keeper says nothing for %v", sendPatience)
	}
	return err
}

// stay ends an offer; false if it was taken.
func (d *Driver) stay(leaving *departure) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if closed(leaving.taken) {
		return false
	}
	if d.leaving == leaving {
		d.leaving = nil
	}
	return true
}

// tellLeases tells the keeper how many requests this router still has on each worker, whenever that has changed, and
// before one is stopped.
func (d *Driver) tellLeases(leaving *departure, told []supervisor.Hold, holds func() []supervisor.Hold, giveUp func(supervisor.LaunchID)) {
	tick := time.NewTicker(leasesEvery)
	defer tick.Stop()
	before := leases(told)
	for {
		asked := ""
		select {
		case <-leaving.over:
			return
		case <-d.ended:
			return
		case asked = <-leaving.yields:
			giveUp(supervisor.LaunchID(asked))
		case <-tick.C:
		}
		now := leases(holds())
		m := keeper.Message{Leases: &keeper.Leases{Launches: now}}
		switch {
		case asked != "":
			m = keeper.Message{Yielded: &keeper.Yielded{Launch: asked, Launches: now}}
		case equal(before, now):
			continue
		}
		before = now
		if leaving.link.send(m) != nil {
			return
		}
	}
}

func leases(list []supervisor.Hold) map[string]int {
	counts := map[string]int{}
	for _, hold := range list {
		if hold.Leases > 0 {
			counts[string(hold.Launch)] = hold.Leases
		}
	}
	return counts
}

func equal(a, b map[string]int) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if b[key] != value {
			return false
		}
	}
	return true
}

// Returned is closed when, after HandOver, the other router or the keeper has died before Release, and this driver has
// the session again.
// It is nil, which is never closed, where nothing was handed over.
func (d *Driver) Returned() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving == nil {
		return nil
	}
	return d.leaving.returned
}

// Release makes the other router keep the session, whatever becomes of it. The error says that nobody has taken it, or
// that it has come back.
func (d *Driver) Release() error {
	d.mu.Lock()
	leaving := d.leaving
	if leaving == nil || !closed(leaving.taken) {
		d.mu.Unlock()
		return errors.New("cannot release the session: nobody has taken it")
	}
	leaving.released = true
	d.mu.Unlock()
	if leaving.link.send(keeper.Message{Release: &keeper.Release{}}) != nil {
		// A keeper gives nothing back to one whose connection has ended; and where it is dead, the other has a new one.
		leaving.link.file.Close()
	}
	return nil
}

// onTaken follows an offer that another router has taken.
func (d *Driver) onTaken(pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving != nil && !closed(d.leaving.taken) {
		d.leaving.pid = pid
		close(d.leaving.taken)
	}
}

// maxYields bounds how many launches are asked for at a time; one beyond is stopped when the keeper has waited.
const maxYields = 256

// onYield passes on that the other router wants a launch stopped.
func (d *Driver) onYield(launch string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving == nil {
		return
	}
	select {
	case d.leaving.yields <- launch:
	default:
	}
}

// onStayed ends an offer that was taken back.
func (d *Driver) onStayed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving != nil && !closed(d.leaving.stayed) {
		close(d.leaving.stayed)
	}
}

// onReturned takes the session back.
func (d *Driver) onReturned() {
	d.takeBack("the router that had taken the workers is gone; they are this router's again")
}

// regained takes it back where the keeper died in the middle, and this router was the first to have another one.
func (d *Driver) regained(l *link) {
	d.mu.Lock()
	again := d.leaving != nil && closed(d.leaving.taken) && d.leaving.link != l
	d.mu.Unlock()
	if again {
		d.takeBack("the keeper that another router had taken is gone; the new one is this router's")
	}
}

func (d *Driver) takeBack(news string) {
	d.mu.Lock()
	leaving := d.leaving
	d.leaving = nil
	d.mu.Unlock()
	if leaving == nil {
		return
	}
	d.log.Warn(news, zap.Int("pid", leaving.pid))
	close(leaving.over)
	close(leaving.returned)
}

// gaveAway reports whether another router has the session.
func (d *Driver) gaveAway() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaving != nil && closed(d.leaving.taken)
}

// released reports whether it has it for good.
func (d *Driver) isReleased() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaving != nil && d.leaving.released
}

// onElsewhere notes how many requests a leaving router still has.
func (d *Driver) onElsewhere(e keeper.Elsewhere) {
	for _, w := range d.all() {
		w.setElsewhere(e.Launches[string(w.spec.Launch)])
	}
}

// Elsewhere is how many requests a leaving router still has on the worker.
func (w *worker) Elsewhere() (requests int, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests, w.requestsChanged
}

func (w *worker) setElsewhere(requests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.requests != requests {
		w.requests = requests
		close(w.requestsChanged)
		w.requestsChanged = make(chan struct{})
	}
}

// LetGo tells the keeper what the next router should know.
func (w *worker) LetGo(lastEnd time.Time) { w.remember(func(m *memo) { m.LastEnd = lastEnd }) }
