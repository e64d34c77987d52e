package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked means that another process serves the directory.
var ErrLocked = errors.New("another worker has it open")

const (
	// lockPatience is how long the lock may stay taken by one that was killed: a child that it was just forking has the
	// lock, too, until it executes its program or is killed in its turn.
	lockPatience = time.Second
	lockPoll     = 10 * time.Millisecond
)

// takeLock locks the file for this process. The kernel drops the lock when the process ends, however it ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock %q: %w", path, err)
	}
	return f, nil
}

func flock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(deadline):
			return ErrLocked
		}
		<-time.After(lockPoll)
	}
}
