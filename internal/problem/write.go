package problem

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// The headers of the router's own errors.
const (
	// Header marks an error as the router's own and holds its code; a worker's answer never carries it.
	Header = "X-Router-Error"
	// RequestIDHeader is where the request's id is taken from, if it was set on the answer before.
	RequestIDHeader = "X-Request-Id"
)

// typePrefix makes the `type` of RFC 9457 from a code. It identifies and is not there to be fetched.
const typePrefix = "urn:workspace-router:problem:"

// body is the problem-details object. LightRAG's clients read `detail`, and it is always a string.
type body struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	RequestID  string `json:"request_id,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds
}

// Write answers with the error as an outsider may see it.
func Write(w http.ResponseWriter, r *http.Request, err error) { Of(err).Write(w, r) }

// Write answers with the problem. It replaces the headers that describe a body, and leaves the others.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	seconds := retrySeconds(p.RetryAfter)
	content, err := json.Marshal(body{
		Type: typePrefix + p.Code, Title: p.Title, Status: p.Status, Code: p.Code, Detail: p.Detail,
		RequestID: w.Header().Get(RequestIDHeader), RetryAfter: seconds,
	})
	if err != nil { // strings and numbers can always be written
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	content = append(content, '\n') // for those who read it in a terminal
	p.SetHeaders(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

// SetHeaders sets those that every error of the router's has, whatever form its body takes, and removes those that
// describe another body.
func (p Problem) SetHeaders(h http.Header) {
	for _, name := range []string{"Content-Encoding", "Content-Range", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(Header, p.Code)
	if seconds := retrySeconds(p.RetryAfter); seconds > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="workspace-router"`)
	}
}

// retrySeconds rounds up: a client that comes too early is refused again.
func retrySeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
