package main

import (
	"errors"
	"fmt"
	"net/http"
)

// The exit codes. They are part of the interface.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitRefused  = 4
)

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error { return &usageError{err} }

func usagef(format string, arguments ...any) error { return usage(fmt.Errorf(format, arguments...)) }

// exitCode is the exit code of an error.
func exitCode(err error) int {
	var wrong *usageError
	var answer *apiError
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case !errors.As(err, &answer):
		return exitFailed
	}
	switch answer.Status {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict:
		return exitRefused
	}
	return exitFailed
}
