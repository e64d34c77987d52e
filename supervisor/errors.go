package supervisor

import (
	"errors"
	"fmt"
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
	CauseLocked            Cause = "locked"              // another process holds the workspace's lock
	CauseDirectoryMismatch Cause = "directory_mismatch"  // the directory belongs to another workspace
	CauseEnvironment       Cause = "environment_refused" // a refused or missing variable
	CauseExited            Cause = "exited"              // before it was ready, with any status
	CauseNeverReady        Cause = "never_ready"
	CauseAddressInUse      Cause = "address_in_use"
	CauseWrongIdentity     Cause = "wrong_identity"
	CauseCancelled         Cause = "cancelled"
	CauseKeeper            Cause = "keeper" // the keeper cannot be reached or refused
	CauseInternal          Cause = "internal"
)

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
