package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to exactly this process, never to a later one with its pid. No such process is no error.
func Signal(id ID, signal unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case err != nil: // the kernel, or a filter of system calls, does not have it
		if !Alive(id) {
			return nil
		}
		err = unix.Kill(id.PID, signal)
	default:
		defer unix.Close(fd)
		if !Alive(id) {
			return nil
		}
		err = unix.PidfdSendSignal(fd, signal, nil, 0)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot send %s to process %d: %w", unix.SignalName(signal), id.PID, err)
	}
	return nil
}

// Alive reports whether this very process runs.
func Alive(id ID) bool {
	stat, err := Read(id.PID)
	return err == nil && stat.Start == id.Start && !stat.Dead()
}
