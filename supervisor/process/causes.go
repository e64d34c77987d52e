package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/supervisor"
)

// lastWords bounds how long a start that failed waits for the end of the worker's output.
const lastWords = time.Second

// causeError names the cause of an error where it is made.
type causeError struct {
	cause supervisor.Cause
	err   error
}

func (e *causeError) Error() string { return e.err.Error() }
func (e *causeError) Unwrap() error { return e.err }

// explain makes the StartError of a failed start.
func (s *start) explain(ctx context.Context, w *worker, err error) error {
	s.mu.Lock()
	phase := s.phase
	s.mu.Unlock()
	failed := &supervisor.StartError{Cause: causeOf(ctx, err), Phase: phase, Elapsed: time.Since(s.began), Err: err}
	if w == nil {
		return failed
	}
	select {
	case <-w.exited: // what it left is being killed; then its output has an end
		timer := time.NewTimer(lastWords)
		defer timer.Stop()
		select {
		case <-w.gone:
			failed.LastLog = w.Exit().LastLog
		case <-timer.C:
		case <-ctx.Done():
		}
	default:
		failed.LastLog = tail(s.driver.data.Log(s.spec.Ref.String()), string(s.spec.Launch))
	}
	return failed
}

func causeOf(ctx context.Context, err error) supervisor.Cause {
	var named *causeError
	switch {
	case errors.As(err, &named):
		return named.cause
	case errors.Is(err, errAddressInUse):
		return supervisor.CauseAddressInUse
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return supervisor.CauseNeverReady
	case ctx.Err() != nil:
		return supervisor.CauseCancelled
	}
	return causeOfErrno(err)
}

// causeOfErrno reads the cause off the system's error.
func causeOfErrno(err error) supervisor.Cause {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return supervisor.CauseDiskFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return supervisor.CausePermissionDenied
	}
	return supervisor.CauseInternal
}

// refusal is what the keeper's refusal means.
func refusal(r *keeper.Refused) error {
	errno := unix.Errno(r.Errno)
	err := fmt.Errorf("%s", r.Text)
	switch {
	case r.Reason == keeper.ReasonLocked:
		return &causeError{supervisor.CauseLocked, err}
	case r.Reason == keeper.ReasonEnding:
		return &causeError{supervisor.CauseKeeper, err}
	case r.Reason == keeper.ReasonExec && (errno == unix.ENOENT || errno == unix.ENOTDIR):
		return &causeError{supervisor.CauseProgramMissing, err}
	case r.Errno != 0:
		return &causeError{causeOfErrno(errno), err}
	}
	return &causeError{supervisor.CauseInternal, err}
}
