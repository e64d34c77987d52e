package supervisor

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// serveUnix serves on a Unix socket and counts the connections that are open.
func serveUnix(t *testing.T, handler http.HandlerFunc) (Endpoint, *atomic.Int32) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var opened atomic.Int32
	server := &httptest.Server{Listener: listener, Config: &http.Server{
		Handler: handler,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				opened.Add(1)
			case http.StateClosed, http.StateHijacked:
				opened.Add(-1)
			}
		},
	}}
	server.Start()
	t.Cleanup(server.Close)
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return Endpoint{Dial: dial, Scheme: "http", Host: "localhost", Header: http.Header{"X-Api-Key": {"the worker's"}}}, &opened
}

// eventually waits for what another goroutine of a real program does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func TestS7_TheWorkersCredentialStaysWithItsTransport(t *testing.T) {
	t.Parallel()
	endpoint, _ := serveUnix(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Got", r.Header.Get("X-Api-Key")+"|"+r.Header.Get("Accept-Encoding")+"|"+r.Host)
	})
	transport := NewTransport(endpoint)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", "the client's")
	for range 2 {
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got, want := response.Header.Get("Got"), "the worker's||a.example"; got != want {
			t.Errorf("the worker got %q, want %q", got, want)
		}
	}
	if got := request.Header.Get("X-Api-Key"); got != "the client's" || len(request.Header) != 1 {
		t.Errorf("the caller's request was changed: %v", request.Header)
	}
	request.Header = nil
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

func TestS7_ConnectionsDieWithTheLaunch(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	endpoint, opened := serveUnix(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.(http.Flusher).Flush()
			<-release
		}
		_, _ = io.WriteString(w, "done")
	})
	transport := NewTransport(endpoint)
	ask := func(path string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://worker"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	slow := ask("/slow")
	fast := ask("/")
	_, _ = io.Copy(io.Discard, fast.Body)
	fast.Body.Close()
	if n := opened.Load(); n != 2 {
		t.Fatalf("%d connections are open, want 2", n)
	}
	transport.CloseIdleConnections()
	eventually(t, "the idle connection is closed", func() bool { return opened.Load() == 1 })
	close(release)
	if _, err := io.Copy(io.Discard, bufio.NewReader(slow.Body)); err != nil {
		t.Error(err)
	}
	slow.Body.Close()
	eventually(t, "the other one is closed when its answer is over", func() bool { return opened.Load() == 0 })
}
