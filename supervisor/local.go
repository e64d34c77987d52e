package supervisor

import (
	"context"

	"workspace-router/internal/workspace"
)

// Local is the Ownership of an installation with one router: it owns every workspace for as long as it lives.
type Local struct{}

// Acquire always succeeds.
func (Local) Acquire(context.Context, workspace.Ref) (Term, error) { return localTerm{}, nil }

type localTerm struct{}

func (localTerm) Number() uint64                { return 1 }
func (localTerm) Lost() <-chan struct{}         { return nil } // never
func (localTerm) Release(context.Context) error { return nil }
