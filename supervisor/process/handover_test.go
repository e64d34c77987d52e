package process

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// book is what a pool would hold.
type book struct {
	mu    sync.Mutex
	holds map[supervisor.LaunchID]int
	late  map[supervisor.LaunchID]int // requests that have just come when a launch is to be given up
	given []supervisor.LaunchID
}

func (b *book) giveUp(launch supervisor.LaunchID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given = append(b.given, launch)
	if late := b.late[launch]; late > 0 {
		b.holds[launch] += late
		delete(b.late, launch)
	}
}

func (b *book) set(launch supervisor.LaunchID, leases int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds == nil {
		b.holds = map[supervisor.LaunchID]int{}
	}
	b.holds[launch] = leases
}

func (b *book) list() (list []supervisor.Hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for launch, leases := range b.holds {
		list = append(list, supervisor.Hold{Launch: launch, Leases: leases, LastEnd: time.Now()})
	}
	return list
}

// parting is an old router, with one worker and one request on it, that has handed over to a new one.
type parting struct {
	old, next *rig
	held      *book
	spec      supervisor.Spec
	worker    supervisor.Survivor // as the new router has it
}

func newParting(t *testing.T, within time.Duration) *parting {
	t.Helper()
	dir, known := dataDir(t), register{}
	p := &parting{old: newKeeping(t, dir, 0, known.describe), held: &book{}, spec: known.add(newSpec(t, "alpha"))}
	p.old.start(p.spec)
	p.held.set(p.spec.Launch, 1)
	p.next = newKeeping(t, dir, 0, known.describe)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.old.HandOver(ctx, within, p.held.list, p.held.giveUp); err != nil {
		t.Fatal(err)
	}
	p.worker = p.next.recovered()[p.spec.Launch]
	if p.worker == nil {
		t.Fatal("the new router is not told of the worker")
	}
	if err := answers(t, p.worker); err != nil {
		t.Fatal(err)
	}
	return p
}

// stopping begins a stop by the new router.
func (p *parting) stopping(t *testing.T) <-chan error {
	t.Helper()
	outcome := make(chan error, 1)
	ctx := p.next.context()
	go func() { outcome <- p.worker.Stop(ctx, false) }()
	return outcome
}

func awaitNoError(t *testing.T, what string, outcome <-chan error) {
	t.Helper()
	select {
	case err := <-outcome:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(patience):
		t.Errorf("%s: not over after %v", what, patience)
	}
}

func TestS8_HandOverRespectsTheRequestsOfTheLeavingRouter(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		within time.Duration
		end    func(*testing.T, *parting)
	}{
		"they end":                    {time.Minute, func(_ *testing.T, p *parting) { p.held.set(p.spec.Launch, 0) }},
		"they take too long":          {300 * time.Millisecond, func(*testing.T, *parting) {}},
		"the leaving router ends":     {time.Minute, func(_ *testing.T, p *parting) { p.old.close() }},
		"the leaving router lets go":  {time.Minute, func(t *testing.T, p *parting) { release(t, p); p.old.close() }},
		"a stop with force":           {time.Minute, func(t *testing.T, p *parting) { p.next.stop(p.worker, true) }},
		"the worker ends by its fate": {time.Minute, func(t *testing.T, p *parting) { p.crash(t) }},
	}
	for name, test := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newParting(t, test.within)
			if requests, _ := p.worker.Elsewhere(); requests != 1 {
				t.Errorf("%d requests elsewhere, want 1", requests)
			}
			outcome := p.stopping(t)
			select {
			case err := <-outcome:
				t.Fatalf("the worker was stopped under a request of the leaving router: %v", err)
			case <-p.worker.Gone():
				t.Fatal("the worker was stopped under a request of the leaving router")
			case <-time.After(100 * time.Millisecond):
			}
			test.end(t, p)
			awaitNoError(t, "the stop", outcome)
			p.old.close()
			p.next.finish()
		})
	}
}

// A request that has come to the leaving router, and of which nobody was told yet, keeps its worker.
func TestS8_AStopMeetsARequestThatHasJustComeToTheLeavingRouter(t *testing.T) {
	t.Parallel()
	p := newParting(t, time.Minute)
	p.held.set(p.spec.Launch, 0)
	eventually(t, "the new router knows of no request", func() bool { requests, _ := p.worker.Elsewhere(); return requests == 0 })
	p.held.mu.Lock()
	p.held.late = map[supervisor.LaunchID]int{p.spec.Launch: 1}
	p.held.mu.Unlock()
	outcome := p.stopping(t)
	eventually(t, "the new router is told", func() bool { requests, _ := p.worker.Elsewhere(); return requests == 1 })
	select {
	case err := <-outcome:
		t.Fatalf("the worker was stopped under a request of the leaving router: %v", err)
	case <-p.worker.Gone():
		t.Fatal("the worker was stopped under a request of the leaving router")
	case <-time.After(100 * time.Millisecond):
	}
	p.held.set(p.spec.Launch, 0)
	awaitNoError(t, "the stop", outcome)
	p.old.close()
	p.next.finish()
}

func release(t *testing.T, p *parting) {
	t.Helper()
	if err := p.old.Release(); err != nil {
		t.Error(err)
	}
}

func (p *parting) crash(t *testing.T) {
	t.Helper()
	if err := unix.Kill(p.next.worker(string(p.spec.Launch)).root().PID, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestS8_TheSessionReturnsWhereTheNewRouterDies(t *testing.T) {
	t.Parallel()
	p := newParting(t, time.Minute)
	returned := p.old.Returned()
	other := newSpec(t, "beta")
	p.next.start(other)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() { outcome <- p.worker.Stop(ctx, false) }()
	p.next.sever()
	await(t, "returned", returned)
	eventually(t, "what the new router had started is stopped", func() bool {
		return len(processes(t, p.old.dir)[string(other.Launch)]) == 0
	})
	// The new one comes back as another router, which is told who serves.
	eventually(t, "the new router is denied", p.next.isDenied)
	cancel()
	if err := <-outcome; !errors.Is(err, supervisor.ErrNotGone) {
		t.Errorf("a stop of a router that was cut off: %v, want ErrNotGone", err)
	}
	p.held.set(p.spec.Launch, 0)
	w := p.old.worker(string(p.spec.Launch))
	if w == nil {
		t.Fatal("the old router has not its worker any more")
	}
	if err := answers(t, w); err != nil {
		t.Errorf("the worker of the old router: %v", err)
	}
	p.next.close()
	p.old.finish()
}

// sever ends the connection to the keeper, as the router's death does.
func (r *rig) sever() {
	r.t.Helper()
	l, err := r.connected(r.context())
	if err != nil {
		r.t.Fatal(err)
	}
	l.file.Close()
}

func TestS8_AReleasedSessionDoesNotReturn(t *testing.T) {
	t.Parallel()
	p := newParting(t, time.Minute)
	returned := p.old.Returned()
	release(t, p)
	p.old.close()
	if closed(returned) {
		t.Error("a session that was released has come back")
	}
	if err := answers(t, p.worker); err != nil {
		t.Errorf("the old router's end has ended the worker: %v", err)
	}
	p.next.finish()
}

func TestS8_AnOfferThatNobodyTakesChangesNothing(t *testing.T) {
	t.Parallel()
	dir, known := dataDir(t), register{}
	r := newKeeping(t, dir, 0, known.describe)
	w := r.start(known.add(newSpec(t, "alpha")))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.HandOver(ctx, time.Minute, (&book{}).list, (&book{}).giveUp); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the time", err)
	}
	if _, ready := w.Endpoint(kind.HTTPEndpoint); !ready || r.Returned() != nil {
		t.Error("something has changed")
	}
	other := newKeeping(t, dir, 0, known.describe)
	eventually(t, "another router is denied", other.isDenied)
	other.close()
	r.finish()
}
