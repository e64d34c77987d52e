package chroma

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestError is how much of an error is read to be told in another form, in bytes.
const longestError = 64 << 10

// answer lets an answer through as it comes, unless it is an error: that is kept, and told in the form that clients of
// FastAPI's servers know, {"detail": …}.
type answer struct {
	http.ResponseWriter
	hold   bool // an id that is there no longer is no answer yet
	status int
	failed bytes.Buffer
}

// WriteHeader begins the answer.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	if status >= 200 {
		a.status = status
	}
	if status < http.StatusBadRequest {
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write passes content on, or keeps an error's.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status < http.StatusBadRequest {
		return a.ResponseWriter.Write(p)
	}
	if room := longestError - a.failed.Len(); room > 0 {
		a.failed.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// Unwrap lets http.ResponseController reach what this writer does not do itself.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// FlushError sends what is buffered of an answer that is let through.
func (a *answer) FlushError() error {
	if a.status >= http.StatusBadRequest {
		return nil
	}
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// finish tells the error that was kept. It reports whether the request should be sent once more: nothing was told then.
func (a *answer) finish() (again bool) {
	if a.status < http.StatusBadRequest {
		return false
	}
	h := a.Header()
	// The router's own 404 is about the project, not about a collection's id.
	if a.hold && a.status == http.StatusNotFound && h.Get("X-Router-Error") == "" {
		clear(h)
		return true
	}
	told{status: a.status, detail: detail(a.failed.Bytes(), a.status)}.tell(a.ResponseWriter)
	return false
}

// detail finds what an error says, in the router's form or in Chroma's.
func detail(content []byte, status int) any {
	var known struct {
		Detail  any    `json:"detail"`
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(content, &known) == nil {
		switch {
		case known.Detail != nil:
			return known.Detail
		case known.Message != "":
			return known.Message
		case known.Error != "":
			return known.Error
		}
	}
	if text := strings.ToValidUTF8(strings.TrimSpace(string(bytes.Clone(content))), "\uFFFD"); text != "" {
		return text
	}
	return http.StatusText(status)
}

// told is an error in the API's form.
type told struct {
	status int
	detail any
	header http.Header // what else of the answer that failed is told
}

func (t told) tell(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) // fails for what is no connection
	h := w.Header()
	for name, values := range t.header {
		h[name] = values
	}
	reply(w, t.status, map[string]any{"detail": t.detail})
}

func refuse(w http.ResponseWriter, status int, detail string) {
	told{status: status, detail: detail}.tell(w)
}

// refuseField says which part of a request is wrong, as FastAPI does.
func refuseField(w http.ResponseWriter, kind string, at []string, message string) {
	told{status: http.StatusUnprocessableEntity, detail: []map[string]any{{"type": kind, "loc": at, "msg": message}}}.tell(w)
}

// reply writes an answer of the API's own.
func reply(w http.ResponseWriter, status int, content any) {
	text, err := json.Marshal(content)
	if err != nil { // what is given here can always be written
		status, text = http.StatusInternalServerError, []byte(`{"detail":"Internal Server Error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Encoding")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
