package process

import (
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// limits says what a launch is held to. A kind that sets no limit of memory gets what all workers may have together:
// one that takes more harms them all, and the budget alone cannot stop it while it has requests. Only a limit that was
// set for the kind keeps it out of the swap as well: it means what it says, and being ended is known at once, while
// being swapped is slow and counts in no budget.
func limits(spec supervisor.Spec) cgroup.Limits {
	declared := spec.Kind.Limits
	l := cgroup.Limits{
		Memory: int64(declared.Memory), Slow: int64(declared.MemoryHigh), Unswapped: declared.Memory > 0,
		Processes: spec.Kind.Isolation.Processes,
	}
	if l.Memory == 0 {
		l.Memory = spec.MemoryCeiling
	}
	return l
}

// memoryLimit is for people.
func (w *worker) memoryLimit() kind.Size { return kind.Size(limits(w.spec).Memory) }
