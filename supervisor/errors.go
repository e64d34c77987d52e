package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"workspace-router/internal/workspace"
)

// ErrNotGone says that a worker could not be proven gone. Its workspace is quarantined.
var ErrNotGone = errors.New("the worker is not proven gone")

// NotHereError says that another router owns the workspace.
type NotHereError struct{ Node string }

func (e *NotHereError) Error() string {
	return fmt.Sprintf("the workspace is owned by node %q", e.Node)
}

// Cause names why a start failed. The names are part of the API.
type Cause string

// The causes of failed starts.
const (
	CauseProgramMissing    Cause = "program_missing"
	CausePermissionDenied  Cause = "permission_denied"
	CauseDiskFull          Cause = "disk_full"
	CauseResources         Cause = "resources_exhausted" // descriptors, processes, memory
	CauseStorage           Cause = "storage_failed"      // the file system of the data directory gives an error
	CauseLocked            Cause = "locked"              // another process holds the workspace's lock
	CauseDirectoryMismatch Cause = "directory_mismatch"  // the directory belongs to another workspace
	CauseEnvironment       Cause = "environment_refused" // a refused or missing variable
	CauseExited            Cause = "exited"              // before it was ready, with any status
	CauseOutOfMemory       Cause = "out_of_memory"       // it needed more than its limit
	CauseNeverReady        Cause = "never_ready"
	CauseAddressInUse      Cause = "address_in_use"
	CauseWrongIdentity     Cause = "wrong_identity"
	CauseCancelled         Cause = "cancelled"
	CauseHangs             Cause = "hangs"  // the start does not come back, although its time is over
	CauseKeeper            Cause = "keeper" // the keeper cannot be reached or refused
	CauseInternal          Cause = "internal"
)

// CureOutOfMemory says what an operator can do about a worker that needs more memory than it may have.
const CureOutOfMemory = "raise limits.memory of its kind (kind.<kind>.memory_limit), or pool.memory where the kind has none"

// StartError is a failed start: its cause, how far it came, and the worker's last words. LastLog goes only to those
// who operate the workspace.
type StartError struct {
	Cause   Cause
	Phase   Phase         // the last phase that was reached
	Elapsed time.Duration // since the start was asked for
	LastLog []string
	Err     error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("cannot start the worker (%s, after phase %q, %v): %v", e.Cause, e.Phase, e.Elapsed.Round(time.Millisecond), e.Err)
}

func (e *StartError) Unwrap() []error { return []error{workspace.ErrUnavailable, e.Err} }

// CapacityReason says why there is no room.
type CapacityReason string

// The reasons of a CapacityError.
const (
	ReasonLeased      CapacityReason = "leased"         // workers have open requests
	ReasonBusy        CapacityReason = "busy"           // workers are busy by their own word, or do not say
	ReasonPinned      CapacityReason = "pinned"         // workers are pinned
	ReasonResidency   CapacityReason = "residency"      // workers have just become ready
	ReasonStarting    CapacityReason = "starting"       // workers are starting
	ReasonStopping    CapacityReason = "stopping"       // victims were chosen and are not gone yet
	ReasonQuarantined CapacityReason = "quarantined"    // workers are not known to be gone
	ReasonWaiters     CapacityReason = "waiters"        // too many wait for this workspace already
	ReasonMemory      CapacityReason = "memory"         // the memory for workers is in use
	ReasonFiles       CapacityReason = "files"          // the descriptors are in use
	ReasonTenant      CapacityReason = "tenant_workers" // the tenant has as many workers as it may
	ReasonTenantLease CapacityReason = "tenant_streams" // the tenant has as many requests and streams open as it may
	ReasonAllWaiters  CapacityReason = "all_waiters"    // too many wait altogether
)

// CapacityError says that there was no room for a worker, or for one more who waits, and what holds the room.
type CapacityError struct {
	Workspace workspace.Ref
	Reason    CapacityReason
	Limit     int                    // the limit that was met: of workers, of waiters, or of the tenant
	Alone     bool                   // the worker would be too large if all were gone but those that are pinned
	Need      int64                  // memory in bytes, or descriptors, that the worker is taken to need, where those are short
	Used      int64                  // of them, what is in use; with Alone, by pinned workers and the router
	Budget    int64                  // and what may be
	Held      map[CapacityReason]int // how many workers hold the room, by reason; nil for the limits on waiters
	After     time.Duration          // when to try again
}

func (e *CapacityError) Error() string {
	switch {
	case e.Budget > 0 && e.Alone:
		kept := ""
		if e.Used > 0 {
			kept = fmt.Sprintf(", of which %s are taken by what never goes,", e.amount(e.Used))
		}
		return fmt.Sprintf("cannot serve workspace %q: its kind needs %s, more than the whole budget of %s%s allows (%s)",
			e.Workspace, e.amount(e.Need), e.amount(e.Budget), kept, e.Reason)
	case e.Budget > 0:
		return fmt.Sprintf("cannot serve workspace %q: it needs %s, and %s of %s are in use (%s)",
			e.Workspace, e.amount(e.Need), e.amount(e.Used), e.amount(e.Budget), e.Reason)
	}
	return fmt.Sprintf("cannot serve workspace %q: no room within the limit of %d (%s)", e.Workspace, e.Limit, e.Reason)
}

// amount writes a figure of what is short.
func (e *CapacityError) amount(n int64) string {
	if e.Reason == ReasonMemory {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d descriptors", n)
}

func (e *CapacityError) Unwrap() error { return workspace.ErrCapacity }

// PublicDetail names the limit, and nothing of what other workspaces do.
func (e *CapacityError) PublicDetail() string {
	switch {
	case e.Alone:
		return fmt.Sprintf("a worker of this kind needs more than is allowed altogether (%s)", e.Reason)
	case e.Reason == ReasonMemory, e.Reason == ReasonFiles:
		return fmt.Sprintf("what workers may take is in use (%s)", e.Reason)
	case e.Reason == ReasonTenant:
		return fmt.Sprintf("all %d workers that this tenant may have are in use", e.Limit)
	case e.Reason == ReasonTenantLease:
		return fmt.Sprintf("this tenant has as many requests and streams open as it may (limit %d)", e.Limit)
	case e.Held == nil:
		return fmt.Sprintf("too many requests wait for a worker already (limit %d)", e.Limit)
	}
	return fmt.Sprintf("all %d workers are in use", e.Limit)
}

// OperatorDetail says what holds the room.
func (e *CapacityError) OperatorDetail() string {
	text := e.Error()
	for _, reason := range capacityReasons() {
		if n := e.Held[reason]; n > 0 {
			text += fmt.Sprintf("; %s: %d", reason, n)
		}
	}
	return text
}

// capacityReasons lists what can hold a worker's room, the one to name first where several do so equally.
func capacityReasons() []CapacityReason {
	return []CapacityReason{
		ReasonLeased, ReasonBusy, ReasonResidency, ReasonPinned, ReasonQuarantined, ReasonStopping, ReasonStarting,
	}
}

// RetryAfter is when to try again.
func (e *CapacityError) RetryAfter() time.Duration { return e.After }

// UnavailableError says that a workspace's worker could not be started, and that it is not tried again for a while.
// Everything but the time is for those who operate the workspace.
type UnavailableError struct {
	Workspace workspace.Ref
	Failures  int // in a row
	After     time.Duration
	Start     *StartError
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("cannot serve workspace %q for another %v (failure %d): %v", e.Workspace, e.After.Round(time.Millisecond), e.Failures, e.Start)
}

func (e *UnavailableError) Unwrap() []error { return []error{workspace.ErrUnavailable, e.Start} }

// OperatorDetail adds the worker's last words.
func (e *UnavailableError) OperatorDetail() string {
	if e.Start == nil || len(e.Start.LastLog) == 0 {
		return e.Error()
	}
	return e.Error() + "; its last words:\n" + strings.Join(e.Start.LastLog, "\n")
}

// RetryAfter is when the next start may be tried.
func (e *UnavailableError) RetryAfter() time.Duration { return e.After }

// ColdError says that a request that must not wake the workspace found it not running.
type ColdError struct {
	Workspace workspace.Ref
	After     time.Duration // what a start of this kind takes
	NoRoom    bool          // it would start it into free room, and there was none
}

func (e *ColdError) Error() string {
	if e.NoRoom {
		return fmt.Sprintf("cannot serve workspace %q: it is not running, and this request starts it only into free room, which there is none of", e.Workspace)
	}
	return fmt.Sprintf("cannot serve workspace %q: it is not running, and this request does not start it", e.Workspace)
}

// PublicDetail says which of the two it is.
func (e *ColdError) PublicDetail() string {
	if e.NoRoom {
		return "the workspace is not running, and there is no free room to start it for a request like this"
	}
	return "the workspace is not running, and a request like this does not start it"
}

func (e *ColdError) Unwrap() error { return workspace.ErrCold }

// RetryAfter is when a start would be over.
func (e *ColdError) RetryAfter() time.Duration { return e.After }

// WaitError says that the worker was not ready in the time that the request could wait. The start goes on.
type WaitError struct {
	Workspace workspace.Ref
	State     State // that the slot was in
	Waited    time.Duration
	After     time.Duration
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("cannot serve workspace %q: still %s after %v", e.Workspace, e.State, e.Waited.Round(time.Millisecond))
}

func (e *WaitError) Unwrap() error { return workspace.ErrTimeout }

// RetryAfter is a guess at when it will be ready.
func (e *WaitError) RetryAfter() time.Duration { return e.After }

// QuarantinedError says that the workspace's last worker is not proven gone, so that none may be started (S1).
type QuarantinedError struct {
	Workspace workspace.Ref
	Launch    LaunchID
	Err       error // why it could not be proven
}

func (e *QuarantinedError) Error() string {
	return fmt.Sprintf("cannot serve workspace %q: launch %q is not known to be gone: %v", e.Workspace, e.Launch, e.Err)
}

func (e *QuarantinedError) Unwrap() []error { return []error{workspace.ErrQuarantined, e.Err} }

// EndedError says that the launch had ended before a request was sent to it.
type EndedError struct {
	Workspace workspace.Ref
	Launch    LaunchID
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("cannot reach workspace %q: launch %q has ended", e.Workspace, e.Launch)
}

func (e *EndedError) Unwrap() error { return workspace.ErrWorkerDied }

// NothingSent tells that the request may be sent to another launch.
func (e *EndedError) NothingSent() bool { return true }

// RefusedError says what keeps an operator's command from being done.
type RefusedError struct {
	Action    string // "evict", "pin"
	Workspace workspace.Ref
	Why       string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("cannot %s workspace %q: %s", e.Action, e.Workspace, e.Why)
}

func (e *RefusedError) Unwrap() error { return workspace.ErrRefused }

// errWaited is why a wait for a worker ended that was not ended by its request.
var errWaited = errors.New("the time to wait for the worker is over")

func closingError(s *slot) error {
	return fmt.Errorf("cannot serve workspace %q: %w", s.ref, workspace.ErrClosing)
}
