package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claimWriter takes a lock in the workspace's directory for as long as this process, or any that it forks, lives. It is
// what a program would do that must not meet another writer of the same data; where it does meet one, the witness says
// "overlap".
func claimWriter(f faults) error {
	dir := os.Getenv("WORKING_DIR")
	if f.witness == "" || dir == "" {
		return nil
	}
	// Without O_CLOEXEC: whatever is forked away holds the lock, too.
	fd, err := unix.Open(filepath.Join(dir, "writer"), unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the writers' lock: %w", err)
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		witness(f, "overlap")
		return nil
	}
	return err
}
