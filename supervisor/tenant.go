package supervisor

import (
	"sync/atomic"

	"workspace-router/internal/workspace"
)

// tenantUse is what one tenant takes of the pool. It is there as long as the tenant has live workers.
type tenantUse struct {
	leases atomic.Int64 // that are open on those workers; requests change it without the pool's lock
	live   int          // workers; guarded by Pool.mu
}

// tenantOf finds what the tenant takes. The lock is held.
func (p *Pool) tenantOf(tenant workspace.Name) *tenantUse {
	use := p.tenants[tenant]
	if use == nil {
		use = &tenantUse{}
		p.tenants[tenant] = use
	}
	return use
}

// countTenant keeps the number of a tenant's live workers. The lock is held.
func (p *Pool) countTenant(tenant workspace.Name, change int) {
	use := p.tenantOf(tenant)
	if use.live += change; use.live == 0 {
		delete(p.tenants, tenant)
	}
}

// tenantRoom is how many workers more the tenant may have; less than 0 where it has more than it may, and false where
// there is no cap. The lock is held.
func (p *Pool) tenantRoom(tenant workspace.Name) (room int, capped bool) {
	if p.cfg.TenantMaxWorkers == 0 {
		return 0, false
	}
	room = p.cfg.TenantMaxWorkers
	if use := p.tenants[tenant]; use != nil {
		room -= use.live
	}
	return room, true
}

// tenantFull reports whether the tenant must give up a worker before it may have another.
func (p *Pool) tenantFull(tenant workspace.Name) bool {
	room, capped := p.tenantRoom(tenant)
	return capped && room <= 0
}

// take counts one lease more of the launch's tenant, and reports whether it may have that. It takes no lock.
func (l *launch) take() bool {
	open := l.tenant.leases.Add(1)
	if most := l.pool.leaseCap.Load(); most == 0 || open <= most {
		return true
	}
	l.tenant.leases.Add(-1)
	return false
}

// giveBack counts one less.
func (l *launch) giveBack() { l.tenant.leases.Add(-1) }

// leasesFull reports whether the tenant has all leases that it may. The lock is held.
func (p *Pool) leasesFull(tenant workspace.Name) bool {
	use := p.tenants[tenant]
	return p.cfg.TenantMaxLeases > 0 && use != nil && use.leases.Load() >= int64(p.cfg.TenantMaxLeases)
}

// tooManyLeases refuses a request for a ready launch, beyond the tenant's cap.
func (p *Pool) tooManyLeases(l *launch) error {
	err := p.leaseRefusal(l.ref)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused(l.slot, err)
	return err
}

func (p *Pool) leaseRefusal(ref workspace.Ref) error {
	return &CapacityError{Workspace: ref, Reason: ReasonTenantLease, Limit: int(p.leaseCap.Load()), After: leastStartTime}
}
