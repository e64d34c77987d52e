package keeper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockedError says that another process holds a lock. PID is what that process wrote into the file; 0 if nothing.
type LockedError struct {
	Path string
	PID  int
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%q is locked by another process", e.Path)
	}
	return fmt.Sprintf("%q is locked by process %d", e.Path, e.PID)
}

// FileLock is a lock that this process holds.
type FileLock struct{ file *os.File }

// Lock takes the lock of a file, which it makes if need be, and writes this process's id into it. It does not wait. The
// lock ends with Close, or with the process; the file itself stays, because a lock file that is removed can be held by
// two at once. The descriptor is not inherited.
func Lock(path string) (*FileLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Path: path, PID: holder(file)}
		}
		return nil, fmt.Errorf("cannot lock %q: %w", path, err)
	}
	lock := &FileLock{file: file}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("cannot write the lock: %w", err)
	}
	return lock, nil
}

// HeldLock is the lock of which this process has inherited the file, over an exec of its own.
func HeldLock(file *os.File) *FileLock { return &FileLock{file: file} }

// File is what holds the lock; whoever inherits it holds it, too.
func (l *FileLock) File() *os.File { return l.file }

// Close ends the lock. It says so to the kernel, as closing alone would not while a child that is between fork and exec
// has a copy of the descriptor.
func (l *FileLock) Close() error {
	err := unix.Flock(int(l.file.Fd()), unix.LOCK_UN)
	return errors.Join(err, l.file.Close())
}

func holder(file *os.File) int {
	text, _ := io.ReadAll(io.LimitReader(file, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}
