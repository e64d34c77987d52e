package supervisor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// warmPool is a pool in real time with workers that are ready.
func warmPool(tb testing.TB, workers int) (*bench, []workspace.Ref) {
	tb.Helper()
	driver := newFakeDriver()
	driver.fallback = script{}
	cfg := testConfig(workers)
	cfg.StartConcurrency = workers
	b := newBench(tb, cfg, driver)
	refs := make([]workspace.Ref, workers)
	for i := range refs {
		refs[i] = refOf(fmt.Sprint("w", i))
		refs[i].Generation = workspace.Generation(fmt.Sprintf("0190a1b2-c3d4-7e5f-8a9b-%012d", i))
		if err := b.pool.Start(context.Background(), refs[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return b, refs
}

// BenchmarkAcquire_Warm is the pool's share of a warm request: lease and release.
func BenchmarkAcquire_Warm(b *testing.B) {
	for _, workers := range []int{1, 50, 500} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			bench, refs := warmPool(b, workers)
			ctx := context.Background()
			wish := Wish{Class: kind.Active, Principal: "key:1"}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				lease, err := bench.pool.Acquire(ctx, refs[i%len(refs)], wish)
				if err != nil {
					b.Fatal(err)
				}
				lease.Release()
			}
		})
	}
}

// BenchmarkAcquire_OneWorkerManyClients lets all cores meet at one launch.
func BenchmarkAcquire_OneWorkerManyClients(b *testing.B) {
	bench, refs := warmPool(b, 1)
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, err := bench.pool.Acquire(ctx, refs[0], Wish{Principal: "key:1"})
			if err != nil {
				b.Error(err)
				return
			}
			lease.Release()
		}
	})
}

// BenchmarkAcquire_WarmToldOfTheEnd adds what the data plane does with each lease.
func BenchmarkAcquire_WarmToldOfTheEnd(b *testing.B) {
	bench, refs := warmPool(b, 50)
	ctx := context.Background()
	told := func() {}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		lease, err := bench.pool.Acquire(ctx, refs[i%len(refs)], Wish{Principal: "key:1"})
		if err != nil {
			b.Fatal(err)
		}
		lease.OnEnded(told)
		lease.Release()
	}
}

// BenchmarkVictim is the search for the least recently used among many.
func BenchmarkVictim(b *testing.B) {
	for _, workers := range []int{50, 500} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			bench, _ := warmPool(b, workers)
			p := bench.pool
			p.mu.Lock()
			defer p.mu.Unlock()
			now := p.now() + int64(time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				wake := neverRings
				if _, found := p.atRestFirst("", now, &wake); !found {
					b.Fatal("nobody is at rest")
				}
			}
		})
	}
}

// BenchmarkCold is the pool's share of a start and of the eviction that makes room for it.
func BenchmarkCold(b *testing.B) {
	driver := newFakeDriver()
	driver.fallback = script{}
	cfg := testConfig(50)
	cfg.MinResidency = 0
	bench := newBench(b, cfg, driver)
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		lease, err := bench.pool.Acquire(ctx, refOf(fmt.Sprint("w", i%100)), Wish{})
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}
