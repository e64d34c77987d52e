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
	cause := causeOf(ctx, err)
	if cure := cureOf(cause); cure != "" {
		err = fmt.Errorf("%w; %s", err, cure)
	}
	failed := &supervisor.StartError{Cause: cause, Phase: phase, Elapsed: time.Since(s.began), Err: err}
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
		failed.LastLog = s.tail()
	}
	return failed
}

// tail reads the last lines of a launch that lives, beside, as the disk may hang.
func (s *start) tail() []string {
	lines := make(chan []string, 1)
	go func() { lines <- tail(s.driver.data.Log(s.spec.Ref.String()), string(s.spec.Launch)) }()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case list := <-lines:
		return list
	case <-timer.C:
		return nil
	}
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
	var errno unix.Errno
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return supervisor.CauseDiskFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return supervisor.CausePermissionDenied
	case !errors.As(err, &errno):
		return supervisor.CauseInternal
	}
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.ENOBUFS:
		return supervisor.CauseResources
	case unix.EIO, unix.ENAMETOOLONG, unix.ENOTDIR, unix.EISDIR, unix.ELOOP, unix.ESTALE, unix.ENXIO, unix.ENODEV,
		unix.ETIMEDOUT, unix.EUCLEAN, unix.EMLINK, unix.EOPNOTSUPP:
		return supervisor.CauseStorage
	}
	return supervisor.CauseInternal
}

// cureOf says what an operator can do about a cause, where the error does not say it better.
func cureOf(cause supervisor.Cause) string {
	switch cause {
	case supervisor.CauseDiskFull:
		return "free some of the file system that holds the data directory, or raise its quota"
	case supervisor.CausePermissionDenied:
		return "give the router's user the right to it, or mount its file system writable"
	case supervisor.CauseResources:
		return "raise the limits on open files and processes, or lower pool.max_workers"
	case supervisor.CauseStorage:
		return "check the file system that holds the data directory"
	case supervisor.CauseOutOfMemory:
		return supervisor.CureOutOfMemory
	case supervisor.CauseHangs:
		return "check the disk, or the network file system, that holds the data directory"
	case supervisor.CauseAddressInUse:
		return "see who listens there, and keep it out of the ports that the system gives out (net.ipv4.ip_local_port_range)"
	}
	return ""
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
