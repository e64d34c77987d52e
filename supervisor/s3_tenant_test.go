package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestS3_ATenantAtItsCapEvictsItsOwn(t *testing.T) {
	t.Parallel()
	cfg := testConfig(4)
	cfg.TenantMaxWorkers = 2
	bubble(t, cfg, func(b *bench) {
		b.use("x.first") // at rest for longest, and of another tenant
		pass(2 * time.Second)
		b.use("t.a")
		pass(2 * time.Second)
		b.use("t.b")
		pass(2 * time.Second)
		b.use("t.c")
		b.wantState("x.first", StateReady)
		b.wantState("t.a", StateCold)
		b.wantState("t.b", StateReady)
		if stopped := b.pool.Explain(refOf("t.a")).Stopped; stopped == nil || stopped.Reason != stopTenant || stopped.For != "t.c" {
			t.Errorf("stopped by %+v, want for t.c by the tenant's cap", stopped)
		}
	})
}

func TestS3_ATenantAtItsCapIsRefusedAndKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	cfg := testConfig(4)
	cfg.TenantMaxWorkers = 2
	bubble(t, cfg, func(b *bench) {
		held := []*Lease{b.get("t.a"), b.get("t.b")}
		refused := b.ask("t.c", Wish{Wait: 5 * time.Second})
		synctest.Wait()
		if o := <-b.ask("x.other", Wish{}); o.err != nil || o.after > time.Second {
			t.Errorf("another tenant, behind it in line: %v after %v", o.err, o.after)
		} else {
			o.lease.Release()
		}
		o := <-refused
		var capacity *CapacityError
		if !errors.As(o.err, &capacity) || capacity.Reason != ReasonTenant || capacity.Limit != 2 || o.after != 5*time.Second {
			t.Errorf("got %v after %v, want the tenant's cap of 2", o.err, o.after)
		}
		b.wantState("x.other", StateReady)
		for _, l := range held {
			l.Release()
		}
	})
}

func TestS3_ASmallerCapOfTenantsIsCorrected(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(4), func(b *bench) {
		for _, name := range []string{"x.one", "t.a", "t.b", "t.c"} {
			b.use(name)
			pass(2 * time.Second)
		}
		cfg := b.pool.cfg
		cfg.TenantMaxWorkers = 1
		if err := b.pool.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		b.wantState("x.one", StateReady)
		b.wantState("t.a", StateCold)
		b.wantState("t.b", StateCold)
		b.wantState("t.c", StateReady)
	})
}

func TestS3_OpenRequestsOfATenantAreCapped(t *testing.T) {
	t.Parallel()
	cfg := testConfig(4)
	cfg.TenantMaxLeases = 2
	bubble(t, cfg, func(b *bench) {
		one := b.get("t.a")
		two := b.get("t.b")
		for _, name := range []string{"t.a", "t.cold"} { // warm and cold
			_, err := b.pool.Acquire(context.Background(), refOf(name), Wish{})
			var capacity *CapacityError
			if !errors.As(err, &capacity) || capacity.Reason != ReasonTenantLease || capacity.Limit != 2 {
				t.Errorf("%s: got %v, want the cap of 2", name, err)
			}
		}
		b.use("x.other")
		one.Release()
		one.Release() // counts once
		b.get("t.b").Release()
		one = b.get("t.a")
		if _, err := b.pool.Acquire(context.Background(), refOf("t.a"), Wish{}); err == nil {
			t.Error("a third request was let in")
		}
		one.Release()
		two.Release()
	})
}

// Those who wait together for one start are counted when they are handed their leases.
func TestS3_TheCapCountsAtHandOver(t *testing.T) {
	t.Parallel()
	cfg := testConfig(4)
	cfg.TenantMaxLeases = 2
	bubble(t, cfg, func(b *bench) {
		var all []<-chan outcome
		for range 5 {
			all = append(all, b.ask("t.a", Wish{}))
		}
		served := 0
		for _, one := range all {
			o := <-one
			var capacity *CapacityError
			switch {
			case o.err == nil:
				served++
				defer o.lease.Release()
			case !errors.As(o.err, &capacity) || capacity.Reason != ReasonTenantLease:
				t.Errorf("got %v, want the cap", o.err)
			}
		}
		if served != 2 {
			t.Errorf("%d were served, want 2", served)
		}
	})
}
