package transport

import (
	"errors"
	"fmt"
)

// ErrAnswer says that what the worker sent is no answer that can be passed on: no HTTP/1.1, ambiguous, or too large.
var ErrAnswer = errors.New("cannot use the worker's answer")

// ErrRequest says that the request could not be sent as it is, and that no byte of it was.
var ErrRequest = errors.New("cannot send the request")

// errBodyLength is the end of a request whose body is not as long as it said.
var errBodyLength = errors.New("cannot send the request: its body is not as long as its Content-Length says")

// refusedf makes an ErrAnswer.
func refusedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrAnswer, fmt.Errorf(format, args...))
}

// unsentError is an error before a byte of the request went out.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

// NothingSent tells whoever may send the request once more that no byte of it went out.
func (*unsentError) NothingSent() bool { return true }

// badRequestf makes an ErrRequest.
func badRequestf(format string, args ...any) error {
	return &unsentError{fmt.Errorf("%w: %w", ErrRequest, fmt.Errorf(format, args...))}
}
