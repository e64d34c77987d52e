package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// TestCase3_Storm lets real goroutines meet in real time: clients of twelve workspaces on a pool of four, while workers
// die, are evicted, pinned, cut and lose their owner. The model sees every order of events; this sees every order of
// instructions.
func TestCase3_Storm(t *testing.T) {
	before := goleak.IgnoreCurrent() // of tests that run beside this one: none, as it is not parallel
	driver := newFakeDriver()
	driver.fallback = script{start: time.Millisecond, stop: time.Millisecond}
	cfg := testConfig(4)
	cfg.MinResidency = 0
	cfg.Patience = 20 * time.Millisecond
	cfg.CrashWindow = time.Nanosecond // every death is forgiven
	cfg.DrainTimeout = time.Second
	b := newBench(t, cfg, driver)
	var served, refused atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var chaos, clients sync.WaitGroup
	chaos.Go(func() { wreak(ctx, b) })
	for range 16 {
		clients.Go(func() {
			for range 250 {
				name := fmt.Sprint("w", rand.IntN(12))
				class := []kind.Class{kind.Active, kind.Active, kind.Active, kind.Passive, kind.Never}[rand.IntN(5)]
				lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{Class: class, Principal: name})
				if err != nil {
					if !errors.Is(err, workspace.ErrCold) && !errors.Is(err, workspace.ErrCapacity) && !errors.Is(err, workspace.ErrTimeout) {
						t.Errorf("%s: %v", name, err)
					}
					refused.Add(1)
					continue
				}
				use(t, b, name, lease)
				lease.Release()
				served.Add(1)
			}
		})
	}
	clients.Wait()
	stop()
	chaos.Wait()
	b.pool.mu.Lock()
	for _, s := range b.pool.slots {
		if s.launch != nil && s.launch.gate.load().leases() != 0 {
			t.Errorf("%s has %d leases when nobody has one", s.ref, s.launch.gate.load().leases())
		}
	}
	b.pool.mu.Unlock()
	if err := b.end(); err != nil {
		t.Error(err)
	}
	if served.Load() < 1000 {
		t.Errorf("only %d of %d requests were served", served.Load(), served.Load()+refused.Load())
	}
	goleak.VerifyNone(t, before)
}

// use looks whether the worker of a lease that has not ended was asked to stop.
func use(t *testing.T, b *bench, name string, lease *Lease) {
	for range rand.IntN(4) {
		w := b.driver.worker(name)
		asked := w.spec.Launch == lease.Launch() && w.wasAsked()
		if asked && !closed(lease.Ended()) {
			t.Errorf("S6: %s was asked to stop under a lease that was not told to end", name)
		}
		<-time.After(time.Duration(rand.IntN(200)) * time.Microsecond)
	}
}

// wreak does what an operator and bad luck do.
func wreak(ctx context.Context, b *bench) {
	for ctx.Err() == nil {
		name := fmt.Sprint("w", rand.IntN(12))
		switch rand.IntN(8) {
		case 0:
			_ = b.pool.Evict(ctx, refOf(name), true)
		case 1:
			_ = b.pool.Evict(ctx, refOf(name), false)
		case 2, 3:
			if w := b.driver.worker(name); w != nil {
				w.die()
			}
		case 4:
			_ = b.pool.Pin(refOf(name))
			b.pool.Explain(refOf(name))
			_ = b.pool.Unpin(refOf(name))
		case 5:
			b.pool.Cut(Filter{Principal: name})
		case 6:
			b.driver.lose(name)
		case 7:
			b.pool.List(ctx)
		}
		<-time.After(500 * time.Microsecond)
	}
}
