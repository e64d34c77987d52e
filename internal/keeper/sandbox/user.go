package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MeansUser is the name of a user of the launch's own among the means.
const MeansUser = "own uid"

// User is whom a process becomes.
type User struct {
	ID        int    `json:"id,omitempty"`        // as user and as group, without others; 0 is to stay who it is
	Processes int    `json:"processes,omitempty"` // the most that the user may have of processes and threads; 0 is no limit
	Missing   string `json:"missing,omitempty"`   // why it stays who it is, where it was to become another
}

// Become makes the calling process that user, for good, and notes it. It needs a privileged user, and comes after all
// that only such a one may do. The kernel disarms the parent-death signal then.
func (u User) Become(held *Result) error {
	if u.ID <= 0 {
		u.Note(held)
		return nil
	}
	if u.Processes > 0 {
		most := unix.Rlimit{Cur: uint64(u.Processes), Max: uint64(u.Processes)}
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &most); err != nil {
			return fmt.Errorf("cannot limit the processes to %d: %w", u.Processes, err)
		}
	}
	if err := dropBounding(0); err != nil {
		return err
	}
	// These change every thread of the process.
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(u.ID, u.ID, u.ID), syscall.Setresuid(u.ID, u.ID, u.ID)); err != nil {
		return fmt.Errorf("cannot become user %d: %w", u.ID, err)
	}
	u.Note(held)
	return nil
}

// Note says what becoming that user comes to, of a process that has.
func (u User) Note(held *Result) {
	if u.Missing != "" {
		held.Missing = append(held.Missing, fmt.Sprintf("%s (%s)", MeansUser, u.Missing))
	}
	if u.ID <= 0 {
		return
	}
	if u.Processes > 0 {
		isCount := func(s string) bool { return strings.HasPrefix(s, MeansCount+" (") }
		held.Missing = slices.DeleteFunc(held.Missing, isCount)
		if !slices.Contains(held.Means, MeansCount) {
			held.Means = append(held.Means, MeansCount)
		}
	}
	held.Means = append(held.Means, MeansUser)
}
