package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A server waits for half a second before it closes a connection whose request it has not read to its end.
		goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for something that should happen at once.
const patience = 10 * time.Second

// worker is something that listens on a Unix socket.
type worker struct {
	tb     testing.TB
	path   string
	dialed atomic.Int32 // connections that a transport under test has opened
}

func listen(tb testing.TB) (*worker, net.Listener) {
	tb.Helper()
	dir, err := os.MkdirTemp("", "wr")
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return &worker{tb: tb, path: path}, listener
}

// serve answers with net/http's own server.
func serve(tb testing.TB, handler http.HandlerFunc) *worker {
	tb.Helper()
	w, listener := listen(tb)
	server := &http.Server{Handler: handler}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	tb.Cleanup(func() {
		server.Close()
		<-ended
	})
	return w
}

// script runs f on every connection, numbered from 0, and closes it afterwards.
func script(tb testing.TB, f func(n int, conn net.Conn, in *bufio.Reader)) *worker {
	tb.Helper()
	w, listener := listen(tb)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		var open []chan struct{}
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			done := make(chan struct{})
			open = append(open, done)
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			go func() {
				defer close(done)
				defer stop()
				defer conn.Close()
				f(n, conn, bufio.NewReader(conn))
			}()
		}
		for _, done := range open {
			<-done
		}
	}()
	tb.Cleanup(func() {
		listener.Close()
		cancel()
		<-ended
	})
	return w
}

// answers gives every request the same bytes, and keeps the connection if keep says so.
func answers(tb testing.TB, raw string, keep bool) *worker {
	tb.Helper()
	return script(tb, func(_ int, conn net.Conn, in *bufio.Reader) {
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			if _, err := io.WriteString(conn, raw); err != nil || !keep {
				return
			}
		}
	})
}

func (w *worker) dial(ctx context.Context) (net.Conn, error) {
	w.dialed.Add(1)
	var d net.Dialer
	return d.DialContext(ctx, "unix", w.path)
}

// lean is the transport under test, to this worker.
func (w *worker) lean(change ...func(*Config)) *Transport {
	w.tb.Helper()
	config := Config{Dial: w.dial}
	for _, f := range change {
		f(&config)
	}
	t, err := New(config)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(t.CloseIdleConnections)
	return t
}

// standard is net/http's.
func (w *worker) standard() *http.Transport {
	t := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
	w.tb.Cleanup(t.CloseIdleConnections)
	return t
}

func newRequest(tb testing.TB, method, path string, body io.Reader) *http.Request {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, "http://worker"+path, body)
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("User-Agent", "test")
	return request
}

// get asks for a path and gives status and body.
func get(tb testing.TB, transport http.RoundTripper, path string) (int, string, error) {
	tb.Helper()
	return send(tb, transport, newRequest(tb, http.MethodGet, path, nil))
}

func send(tb testing.TB, transport http.RoundTripper, request *http.Request) (int, string, error) {
	tb.Helper()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// receive waits for a value, but not for ever.
func receive[T any](tb testing.TB, what string, from <-chan T) T {
	tb.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		tb.Fatalf("not in time: %s", what)
		panic("unreachable")
	}
}

// eventually waits for what another goroutine does.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline, tick := time.After(patience), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			tb.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// kept is how many connections no request uses.
func (t *Transport) kept() int { return t.idle.count() }

func (i *idle) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.conns)
}

// nothingSent is what whoever may send once more asks.
func nothingSent(err error) bool {
	var told interface{ NothingSent() bool }
	return errors.As(err, &told) && told.NothingSent()
}

// closingBody tells when it was closed.
type closingBody struct {
	io.Reader
	closed atomic.Bool
}

func (b *closingBody) Close() error {
	b.closed.Store(true)
	return nil
}

// plain is an answer of a few bytes.
const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
