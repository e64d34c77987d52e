package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The chain relies on nothing that only HTTP/1.1 has.
func TestForward_OverHTTP2(t *testing.T) {
	t.Parallel()
	cancelled := make(chan struct{})
	r := newParts(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/query/wait" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(cancelled)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set(http.TrailerPrefix+"X-Sum", r.Trailer.Get("X-Sum"))
		fmt.Fprintf(w, "%s %s %s %s", r.Proto, r.Header.Get("X-Forwarded-Proto"), r.Host, body)
	})
	handler, err := New(r.config, r.deps)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	r.url, r.client = server.URL, server.Client()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/w/alpha/query", io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", adminKey)
	request.Trailer = http.Header{"X-Sum": {"sum"}}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	response.Body.Close()
	want := "HTTP/1.1 https " + strings.TrimPrefix(r.url, "https://") + " body"
	if response.ProtoMajor != 2 || string(content) != want || response.Trailer.Get("X-Sum") != "sum" || err != nil {
		t.Errorf("got %s %q, trailers %v, %v; want %q", response.Proto, content, response.Trailer, err, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	response, err = r.open(ctx, http.MethodGet, "/w/alpha/query/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	receive(t, "the worker's request to be cancelled", cancelled)
	response.Body.Close()
	r.settled()
}
