package supervisor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// Config is what the operator decides about the pool. Start from Defaults; New refuses what makes no sense and changes
// nothing silently.
type Config struct {
	Node                string        // this router's name, as Status shows it
	MaxWorkers          int           // starting + ready + draining + stopping + quarantined never exceed it (S2)
	Memory              int64         // bytes that all workers may take, as PSS (S2)
	Files               int64         // descriptors that all workers and the router may have open (S2)
	MeasureEvery        time.Duration // how often each worker is measured, so that it counts for what it takes
	LargestCost         kind.Cost     // the largest that any kind declares: what a worker counts for until its kind is known
	TenantMaxWorkers    int           // of one tenant; 0 is no cap (S3)
	TenantMaxLeases     int           // requests and streams of one tenant that are open; 0 is no cap (S3)
	WaitersPerWorkspace int           // requests that may wait for one workspace's worker
	WaitersTotal        int           // and for all of them
	Wait                time.Duration // how long a request waits for its worker, where its Wish does not say
	MinResidency        time.Duration // a worker is not evicted before it was ready for so long; 0 is allowed
	Patience            time.Duration // how long a newcomer waits for one victim before a second one is chosen (S5)
	StartTimeout        time.Duration // of a start, where the kind sets none
	StartConcurrency    int           // starts that are under way at the same time
	ResumeAtOnce        int           // workers that go on with leftovers at the same time
	Backoff             Backoff       // after failed starts
	CrashWindow         time.Duration // a worker that dies sooner than this after it was ready may be in a crash loop
	StreamIdle          time.Duration // an answer that has begun and moved no byte for so long no longer pins
	DrainTimeout        time.Duration // how long Run waits for open requests when it ends
	StopMargin          time.Duration // beyond the kind's grace, until a stop counts as not proven
	IdleTimeout         time.Duration // stop a worker that was at rest for so long; 0 is never
	EventBuffer         int           // events that are kept for those who ask later
}

// Backoff says how long a workspace whose start failed is left alone: Initial, then Factor times as long for each
// further failure in a row up to Max, each changed by chance by up to the share Jitter.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
	Factor  float64
	Jitter  float64
}

// Defaults gives the configuration that is used where nothing was said. What the machine can bear it does not know:
// Memory and Files are to be set.
func Defaults() Config {
	return Config{
		MaxWorkers:          50,
		Memory:              4 << 30,
		Files:               64 << 10,
		MeasureEvery:        10 * time.Second,
		WaitersPerWorkspace: 256,
		WaitersTotal:        4096,
		Wait:                25 * time.Second,
		MinResidency:        time.Second,
		Patience:            2 * time.Second,
		StartTimeout:        120 * time.Second,
		StartConcurrency:    runtime.NumCPU(),
		ResumeAtOnce:        1,
		Backoff:             Backoff{Initial: time.Second, Max: time.Minute, Factor: 2, Jitter: 0.2},
		CrashWindow:         10 * time.Second,
		StreamIdle:          15 * time.Minute,
		DrainTimeout:        10 * time.Second,
		StopMargin:          20 * time.Second,
		EventBuffer:         4096,
	}
}

// check names everything that is wrong at once.
func (c *Config) check() error {
	var problems []error
	atLeast := func(name string, got, least int64) {
		if got < least {
			problems = append(problems, fmt.Errorf("%s: got %d, want %d or more", name, got, least))
		}
	}
	atLeastOne := func(name string, got int) { atLeast(name, int64(got), 1) }
	positive := func(name string, got time.Duration) {
		if got <= 0 {
			problems = append(problems, fmt.Errorf("%s: got %v, want more than 0", name, got))
		}
	}
	notNegative := func(name string, got time.Duration) {
		if got < 0 {
			problems = append(problems, fmt.Errorf("%s: got %v, want 0 or more", name, got))
		}
	}
	atLeastOne("MaxWorkers", c.MaxWorkers)
	atLeast("Memory", c.Memory, 1)
	atLeast("Files", c.Files, 1)
	atLeast("LargestCost.Memory", int64(c.LargestCost.Memory), 0)
	atLeast("LargestCost.Files", int64(c.LargestCost.Files), 0)
	atLeast("TenantMaxWorkers", int64(c.TenantMaxWorkers), 0)
	atLeast("TenantMaxLeases", int64(c.TenantMaxLeases), 0)
	atLeastOne("WaitersPerWorkspace", c.WaitersPerWorkspace)
	atLeastOne("WaitersTotal", c.WaitersTotal)
	atLeastOne("StartConcurrency", c.StartConcurrency)
	atLeastOne("ResumeAtOnce", c.ResumeAtOnce)
	atLeastOne("EventBuffer", c.EventBuffer)
	positive("MeasureEvery", c.MeasureEvery)
	positive("Wait", c.Wait)
	positive("Patience", c.Patience)
	positive("StartTimeout", c.StartTimeout)
	positive("CrashWindow", c.CrashWindow)
	positive("StreamIdle", c.StreamIdle)
	positive("DrainTimeout", c.DrainTimeout)
	positive("StopMargin", c.StopMargin)
	positive("Backoff.Initial", c.Backoff.Initial)
	notNegative("MinResidency", c.MinResidency)
	notNegative("IdleTimeout", c.IdleTimeout)
	if c.Backoff.Max < c.Backoff.Initial {
		problems = append(problems, fmt.Errorf("Backoff.Max: got %v, want Backoff.Initial, %v, or more", c.Backoff.Max, c.Backoff.Initial))
	}
	if c.Backoff.Factor < 1 {
		problems = append(problems, fmt.Errorf("Backoff.Factor: got %v, want 1 or more", c.Backoff.Factor))
	}
	if c.Backoff.Jitter < 0 || c.Backoff.Jitter >= 1 {
		problems = append(problems, fmt.Errorf("Backoff.Jitter: got %v, want 0 or more and less than 1", c.Backoff.Jitter))
	}
	return errors.Join(problems...)
}

// Deps is what the pool needs of the world.
type Deps struct {
	Driver    Driver
	Ownership Ownership // Local, where one router serves everything
	// Describe says what to start for a workspace: its Spec's Ref, WorkerName and Kind; the pool adds the rest. It may
	// do I/O. Its error reaches those who wait as it is, and is not a failed start.
	Describe func(context.Context, workspace.Ref) (Spec, error)
	// Pins gives the workspaces that are pinned, those first that have been for longest; nil is none. It is asked once,
	// when the workers of before are known and none has been taken over, and may do I/O.
	Pins func(context.Context) ([]workspace.Ref, error)
	// NewTransport makes the transport of one launch; nil is NewTransport of this package.
	NewTransport func(Endpoint) Transport
	// OwnFiles counts the router's own descriptors, which Config.Files bounds as well; nil counts none.
	OwnFiles func() int
	// OwnMemory is what runs beside the workers for their sake, in bytes, which Config.Memory bounds as well; nil is nothing.
	OwnMemory func() int64
	Logger    *zap.Logger // nil logs nothing
	Observer  Observer    // nil counts nothing
	Archive   Archive     // what is known of the time before, and for longer than Config.EventBuffer; nil is nothing
}

func (d *Deps) check() error {
	var problems []error
	missing := func(name string) error { return fmt.Errorf("%s: missing", name) }
	if d.Driver == nil {
		problems = append(problems, missing("Driver"))
	}
	if d.Ownership == nil {
		problems = append(problems, missing("Ownership"))
	}
	if d.Describe == nil {
		problems = append(problems, missing("Describe"))
	}
	return errors.Join(problems...)
}
