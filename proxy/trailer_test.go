package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// reflectTrailers answers with the request's trailers and headers as the worker saw them.
func reflectTrailers(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = json.NewEncoder(w).Encode(map[string]http.Header{"trailer": r.Trailer, "header": r.Header})
}

// sendRaw sends bytes as they are and gives the whole answer.
func (r *rig) sendRaw(t *testing.T, request string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// What may not reach a worker as a header may not as a trailer either, announced or not: some programs put both into
// one place.
func TestRequestTrailers_DangerousOnesDoNotReachTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, reflectTrailers)
	for name, announced := range map[string]string{"announced": "X-Sum, X-Api-Key, Authorization, X-Forwarded-For, X_Api_Key", "not announced": "X-Sum"} {
		got := r.sendRaw(t, "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: "+adminKey+
			"\r\nTransfer-Encoding: chunked\r\nTrailer: "+announced+"\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: kept\r\nX-Api-Key: planted\r\n"+
			"Authorization: Bearer planted\r\nX-Forwarded-For: planted\r\nX_Api_Key: planted\r\nX-Worker-Key: planted\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "kept") {
			t.Errorf("%s: got %q, want the trailer that is the client's own", name, got)
		}
		if _, trailers, _ := strings.Cut(got, `"trailer":`); strings.Contains(got, "planted") || strings.Contains(trailers, "Authorization") {
			t.Errorf("%s: a planted trailer reached the worker: %q", name, got)
		}
	}
}

// Behind WSGI `Transfer_Encoding` is Transfer-Encoding, of a body that the transport has framed in another way.
func TestRequestHeaders_FramingInAnotherSpellingDoesNotReachTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, reflectTrailers)
	for _, name := range []string{"Transfer_Encoding", "content_length", "Keep_Alive"} {
		got := r.sendRaw(t, fmt.Sprintf("POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: %s\r\n%s: planted\r\n\r\n", adminKey, name))
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.Contains(got, "planted") {
			t.Errorf("%s: got %q, want it left out", name, got)
		}
	}
}

// What a worker may not say in a header it may not in a trailer either, announced or not.
func TestResponseTrailers_AWorkerSpeaksOnlyForItself(t *testing.T) {
	t.Parallel()
	for name, announced := range map[string]string{
		"announced":     "X-Sum, X-Router-Error, Access-Control-Allow-Origin, Clear-Site-Data, X-Request-Id, Set-Cookie, Location",
		"not announced": "X-Sum",
		"none is":       "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
				if announced != "" {
					w.Header().Set("Trailer", announced)
				}
				_, _ = io.WriteString(w, "abc")
				_ = http.NewResponseController(w).Flush()
				w.Header().Set(http.TrailerPrefix+"X-Sum", "kept")
				for _, name := range []string{
					"X-Router-Error", "Access-Control-Allow-Origin", "Clear-Site-Data", "X-Request-Id", "Set-Cookie", "Location", "Transfer-Encoding",
				} {
					w.Header().Set(http.TrailerPrefix+name, "planted")
				}
			})
			got := r.sendRaw(t, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: "+adminKey+"\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "X-Sum: kept") {
				t.Errorf("got %q, want the trailer that is the worker's own", got)
			}
			if strings.Contains(got, "planted") || strings.Contains(got, "Clear-Site-Data") {
				t.Errorf("a planted trailer reached the client: %q", got)
			}
		})
	}
}
