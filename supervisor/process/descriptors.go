package process

import (
	"golang.org/x/sys/unix"

	"workspace-router/internal/kind"
)

const (
	// filesPerDeclared is how many times what its kind declares a worker may open: the declaration says what it takes as
	// a rule, the limit is for one that leaks, before the budget of all is gone.
	filesPerDeclared = 16
	// leastFiles is the least that a worker may open: a small program, too, has a connection for each of its requests.
	leastFiles = 1024
)

// fileLimit is how many descriptors each process of a worker may have: by its kind's cost, as far as its keeper, which
// sets it, has the right to give. 0 leaves the limit as the keeper has it: where the kind declares nothing, or where
// the keeper's own limit cannot be read.
func fileLimit(cost kind.Cost, keeper int) uint64 {
	var own unix.Rlimit
	if cost.Files <= 0 || unix.Prlimit(keeper, unix.RLIMIT_NOFILE, nil, &own) != nil {
		return 0
	}
	return min(max(leastFiles, filesPerDeclared*uint64(cost.Files)), own.Max)
}

// pid is the keeper's.
func (l *link) pid() int {
	if l.command != nil {
		return l.command.Process.Pid
	}
	return l.process.PID
}
