// Package problem is the only table from errors to HTTP answers: status, stable code, title and retry hint. The data
// plane and the operator API both write their errors through it, as application/problem+json. It decides what an
// outsider may read of an error, logs nothing and starts no goroutine.
package problem

import (
	"context"
	"errors"
	"net/http"
	"time"

	"workspace-router/internal/workspace"
)

// Problem is what a client is told of an error.
type Problem struct {
	Row
	Detail     string        // for people; never blank, free of internals unless the reader operates the workspace
	RetryAfter time.Duration // 0: no hint
}

// Of finds the error's row. An error that no row names is `internal`, and nothing of it is shown.
func Of(err error) Problem { return describe(err, false) }

// ForOperator is Of for a reader who operates the workspace: the error's own words, and what it says through
// OperatorDetail, such as a worker's last log lines, are in the detail.
func ForOperator(err error) Problem { return describe(err, true) }

// The small interfaces by which an error may say more than its row. They are found through the chain of wrapped errors.
type (
	retrier        interface{ RetryAfter() time.Duration }
	publicDetail   interface{ PublicDetail() string }
	operatorDetail interface{ OperatorDetail() string }
)

func describe(err error, operator bool) Problem {
	row, known := find(err)
	p := Problem{Row: row, Detail: row.Title, RetryAfter: row.Retry}
	var r retrier
	if errors.As(err, &r) && r.RetryAfter() > 0 {
		p.RetryAfter = r.RetryAfter()
	}
	p.Detail = detail(err, row, operator && known)
	return p
}

// detail chooses the words. An error's own text may name paths, programs and addresses, so an outsider gets it only
// where the row says that it is about the request itself.
func detail(err error, row Row, operator bool) string {
	var forOperator operatorDetail
	if operator && errors.As(err, &forOperator) {
		return forOperator.OperatorDetail()
	}
	var public publicDetail
	if errors.As(err, &public) && !operator {
		return public.PublicDetail()
	}
	if row.Open || operator {
		return err.Error()
	}
	return row.Title
}

// find gives the first row that the error matches.
func find(err error) (row Row, known bool) {
	for _, row := range table {
		if errors.Is(err, row.Sentinel) {
			return row, true
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return rowOf(workspace.ErrBodyTooLarge), true
	case errors.Is(err, context.DeadlineExceeded):
		return rowOf(workspace.ErrTimeout), true
	}
	return internal, false
}

// Unreadable describes what could not be read as a request; the status is one that the server decided on.
func Unreadable(status int) Problem {
	if status == http.StatusRequestHeaderFieldsTooLarge {
		return Of(workspace.ErrHeaderTooLarge)
	}
	p := Problem{Row: rowOf(ErrBadRequest), Detail: "What came is no request of HTTP/1.1 that is served here."}
	p.Status = status
	return p
}

// Silent reports that nobody is there to be answered: the client has gone.
func Silent(err error) bool {
	_, known := find(err)
	return !known && errors.Is(err, context.Canceled)
}

// StatusClientClosed is what the access log says of a request whose client went before it was answered.
const StatusClientClosed = 499
