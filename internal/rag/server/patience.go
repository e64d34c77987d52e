package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bounded puts deadlines on a request's transfers that move on with every step: a client that sends nothing of its
// request, or takes nothing of the answer, for longer than patience is cut off. Whole requests have no deadline: an
// upload may be large and a stream long.
func bounded(w http.ResponseWriter, r *http.Request, patience time.Duration) (http.ResponseWriter, *http.Request) {
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Time{}) // that of the request before; a recorder in a test has none
	if r.Body != nil && r.Body != http.NoBody {
		copied := *r
		copied.Body = &patientBody{body: r.Body, connection: connection, patience: patience}
		r = &copied
	}
	return &patientWriter{ResponseWriter: w, connection: connection, patience: patience}, r
}

type patientBody struct {
	body       io.ReadCloser
	connection *http.ResponseController
	patience   time.Duration
	failed     bool
}

// Read waits no longer than its patience. Behind the last byte there is no deadline: the server goes on reading, to
// learn when the client leaves. After a failure the deadline stays, for the server tries to read what is left.
func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.connection.SetReadDeadline(time.Now().Add(b.patience)) // a recorder in a test has none
	n, err := b.body.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.connection.SetReadDeadline(time.Time{})
	case err != nil:
		b.failed = true
	}
	return n, err
}

// Close is for one who does not read to the end.
func (b *patientBody) Close() error {
	if !b.failed {
		_ = b.connection.SetReadDeadline(time.Time{})
	}
	return b.body.Close()
}

type patientWriter struct {
	http.ResponseWriter
	connection *http.ResponseController
	patience   time.Duration
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) Write(p []byte) (int, error) {
	_ = w.connection.SetWriteDeadline(time.Now().Add(w.patience)) // a recorder in a test has none
	return w.ResponseWriter.Write(p)
}
