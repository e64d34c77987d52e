package supervisor

import (
	"errors"
	"fmt"
)

// Reconfigure lets the pool go on by other limits: MaxWorkers, Memory, Files, LargestCost, the tenants' caps, the numbers of waiters, Wait, Patience, MinResidency,
// StartConcurrency, ResumeAtOnce, IdleTimeout and DrainTimeout. They count for every decision from now on; requests that wait already
// and drains that have begun keep the time that they were given. Where more workers run, or more is taken, than
// is allowed then, those go first that have been at rest for longest, and those that are in use when they may. Everything is refused, and
// nothing changed, where a limit makes no sense, pins would leave no room, or a field differs that cannot change.
func (p *Pool) Reconfigure(cfg Config) error {
	if err := cfg.check(); err != nil {
		return fmt.Errorf("cannot reconfigure the pool: %w", err)
	}
	var err error
	p.locked(func() {
		if err = p.mayBecome(cfg); err != nil {
			return
		}
		// One by one: others are read without the lock.
		p.cfg.MaxWorkers, p.cfg.Memory, p.cfg.Files, p.cfg.LargestCost = cfg.MaxWorkers, cfg.Memory, cfg.Files, cfg.LargestCost
		p.cfg.TenantMaxWorkers, p.cfg.TenantMaxLeases = cfg.TenantMaxWorkers, cfg.TenantMaxLeases
		p.leaseCap.Store(int64(cfg.TenantMaxLeases))
		p.cfg.WaitersPerWorkspace, p.cfg.WaitersTotal = cfg.WaitersPerWorkspace, cfg.WaitersTotal
		p.cfg.Wait, p.cfg.Patience = cfg.Wait, cfg.Patience
		p.cfg.MinResidency, p.cfg.IdleTimeout = cfg.MinResidency, cfg.IdleTimeout
		p.cfg.StartConcurrency, p.cfg.DrainTimeout = cfg.StartConcurrency, cfg.DrainTimeout
		p.cfg.ResumeAtOnce = cfg.ResumeAtOnce
		p.rechargeAll()
	})
	return err
}

// mayBecome reports why the pool cannot go on by the configuration. The lock is held.
func (p *Pool) mayBecome(cfg Config) error {
	fixed := cfg
	fixed.MaxWorkers, fixed.Memory, fixed.Files, fixed.LargestCost = p.cfg.MaxWorkers, p.cfg.Memory, p.cfg.Files, p.cfg.LargestCost
	fixed.TenantMaxWorkers, fixed.TenantMaxLeases = p.cfg.TenantMaxWorkers, p.cfg.TenantMaxLeases
	fixed.WaitersPerWorkspace, fixed.WaitersTotal = p.cfg.WaitersPerWorkspace, p.cfg.WaitersTotal
	fixed.Wait, fixed.Patience = p.cfg.Wait, p.cfg.Patience
	fixed.MinResidency, fixed.IdleTimeout = p.cfg.MinResidency, p.cfg.IdleTimeout
	fixed.StartConcurrency, fixed.DrainTimeout = p.cfg.StartConcurrency, p.cfg.DrainTimeout
	fixed.ResumeAtOnce = p.cfg.ResumeAtOnce
	if fixed != p.cfg {
		return errors.New("cannot reconfigure the pool: a field differs that is fixed while it runs")
	}
	if len(p.pins) >= cfg.MaxWorkers {
		return &PinnedError{MaxWorkers: cfg.MaxWorkers, Pinned: len(p.pins)}
	}
	return nil
}

// PinnedError says that fewer workers would be allowed than pins leave room for.
type PinnedError struct{ MaxWorkers, Pinned int }

func (e *PinnedError) Error() string {
	return fmt.Sprintf("cannot allow %s: %s pinned and must leave room for others; want %d or more, or fewer pins",
		count(e.MaxWorkers, "worker", "workers"), count(e.Pinned, "workspace is", "workspaces are"), e.Pinned+1)
}
