package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestReuse_OneConnectionForRequestsInTurn(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		switch r.URL.Path {
		case "/chunked":
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, strings.Repeat("x", 100000))
		case "/trailer":
			w.Header().Set(http.TrailerPrefix+"X-A", "b")
			_ = http.NewResponseController(w).Flush()
		}
	})
	transport := w.lean()
	for range 3 {
		for _, path := range []string{"/", "/chunked", "/trailer"} {
			for _, body := range []string{"", "body", strings.Repeat("y", 200000)} {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					if method != "POST" && body != "" {
						continue
					}
					if _, _, err := send(t, transport, newRequest(t, method, path, strings.NewReader(body))); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if n := w.dialed.Load(); n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
}

// One connection for each request that is under way, and no more.
func TestReuse_ManyAtOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 200
	w := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	transport := w.lean()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				if status, body, err := send(t, transport, newRequest(t, http.MethodPost, "/", strings.NewReader("a body"))); err != nil || status != 200 || body != "a body" {
					t.Errorf("got %d %q, %v", status, body, err)
				}
			}
		})
	}
	all.Wait()
	if n := w.dialed.Load(); n > clients {
		t.Errorf("%d connections were opened for %d clients", n, clients)
	}
}

func TestReuse_WhatIsNotReadIsNotKept(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) })
	transport := w.lean()
	response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := response.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a read after Close gives %v", err)
	}
	if err := response.Body.Close(); err != nil || transport.kept() != 0 {
		t.Errorf("%v; %d connections are kept", err, transport.kept())
	}
}

// A connection that the worker closed meanwhile is found before anything is sent on it, whatever the request.
func TestReuse_AClosedConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	w := script(t, func(n int, conn net.Conn, in *bufio.Reader) {
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			_, _ = io.WriteString(conn, plain)
			if n == 0 {
				conn.Close()
				close(closed)
				return
			}
		}
	})
	transport := w.lean()
	if _, _, err := get(t, transport, "/"); err != nil {
		t.Fatal(err)
	}
	receive(t, "the worker to close", closed)
	if _, body, err := send(t, transport, newRequest(t, http.MethodPost, "/", strings.NewReader("body"))); err != nil || body != "ok" {
		t.Errorf("got %q, %v", body, err)
	}
}

// A worker that closes a kept connection when the next request comes has not served it: what may be repeated is, once.
func TestRetry_AKeptConnectionThatEndsUnderTheRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, body string
		repeated     bool
	}{
		"GET":    {"GET", "", true},
		"HEAD":   {"HEAD", "", true},
		"POST":   {"POST", "", false},
		"DELETE": {"DELETE", "", false},
		"PUT":    {"PUT", "body", false},
		"a body": {"GET", "body", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := script(t, func(n int, conn net.Conn, in *bufio.Reader) {
				for served := 0; ; served++ {
					request, err := http.ReadRequest(in)
					if err != nil || n == 0 && served == 1 {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					if request.Method == "HEAD" {
						_, _ = io.WriteString(conn, okHead+"Content-Length: 2\r\n\r\n")
						continue
					}
					_, _ = io.WriteString(conn, plain)
				}
			})
			transport := w.lean()
			if _, _, err := get(t, transport, "/"); err != nil {
				t.Fatal(err)
			}
			_, _, err := send(t, transport, newRequest(t, test.method, "/", strings.NewReader(test.body)))
			if (err == nil) != test.repeated || nothingSent(err) {
				t.Errorf("got %v", err)
			}
			want := int32(1)
			if test.repeated {
				want = 2
			}
			if n := w.dialed.Load(); n != want {
				t.Errorf("%d connections were opened, want %d", n, want)
			}
		})
	}
}

// On a new connection there is no doubt that it was the request that the worker did not like.
func TestRetry_NotOnANewConnection(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = http.ReadRequest(in) })
	if _, _, err := get(t, w.lean(), "/"); !errors.Is(err, io.ErrUnexpectedEOF) || nothingSent(err) || w.dialed.Load() != 1 {
		t.Errorf("got %v after %d connections", err, w.dialed.Load())
	}
}

// brokenConn fails the write of every request but its first.
type brokenConn struct {
	*net.UnixConn
	writes int
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes > 1 {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.UnixConn.Write(p)
}

// Where nothing could be written even what may not be repeated may: it is no repetition.
func TestRetry_NothingWasWritten(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	transport := w.lean(func(c *Config) {
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			conn, err := w.dial(ctx)
			if err != nil {
				return nil, err
			}
			return &brokenConn{UnixConn: conn.(*net.UnixConn)}, nil
		}
	})
	for range 2 {
		if _, body, err := send(t, transport, newRequest(t, http.MethodPost, "/", nil)); err != nil || body != "ok" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	if n := w.dialed.Load(); n != 2 {
		t.Errorf("%d connections were opened, want 2", n)
	}
}

func TestS7_NothingIsSentWhereTheWorkerIsNotReached(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	transport, err := New(Config{Dial: func(context.Context) (net.Conn, error) { return nil, gone }})
	if err != nil {
		t.Fatal(err)
	}
	body := &closingBody{Reader: strings.NewReader("body")}
	request := newRequest(t, http.MethodPost, "/", body)
	if _, err := transport.RoundTrip(request); !errors.Is(err, gone) || !nothingSent(err) || !body.closed.Load() {
		t.Errorf("got %v, body closed: %v", err, body.closed.Load())
	}
}

func TestS7_ConnectionsDieWithTheLaunch(t *testing.T) {
	t.Parallel()
	release, over := make(chan struct{}), make(chan struct{}, 4)
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		defer func() { over <- struct{}{} }()
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if request.URL.Path == "/slow" {
				_, _ = io.WriteString(conn, okHead+"Content-Length: 4\r\n\r\n")
				<-release
				_, _ = io.WriteString(conn, "done")
				continue
			}
			_, _ = io.WriteString(conn, plain)
		}
	})
	transport := w.lean()
	slow, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/slow", nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, transport, "/"); err != nil || transport.kept() != 1 {
		t.Fatalf("%v; %d kept", err, transport.kept())
	}
	transport.CloseIdleConnections()
	receive(t, "the idle connection to be closed", over)
	close(release)
	if body, err := io.ReadAll(slow.Body); err != nil || string(body) != "done" {
		t.Errorf("got %q, %v", body, err)
	}
	receive(t, "the other one to be closed when its answer is over", over)
	if _, body, err := get(t, transport, "/"); err != nil || body != "ok" || transport.kept() != 0 {
		t.Errorf("afterwards: %q, %v; %d are kept", body, err, transport.kept())
	}
}

// sleeper is a connection that looks alive, as far as the idle list asks.
func sleeper(closed *int) *conn {
	c := &conn{Conn: closer{func() { *closed++ }}, raw: yes{}}
	c.probe = func(uintptr) bool { c.quiet = true; return true }
	return c
}

type closer struct{ f func() }

func (c closer) Close() error                   { c.f(); return nil }
func (closer) Read([]byte) (int, error)         { return 0, io.EOF }
func (closer) Write([]byte) (int, error)        { return 0, io.EOF }
func (closer) LocalAddr() net.Addr              { return nil }
func (closer) RemoteAddr() net.Addr             { return nil }
func (closer) SetDeadline(time.Time) error      { return nil }
func (closer) SetReadDeadline(time.Time) error  { return nil }
func (closer) SetWriteDeadline(time.Time) error { return nil }

type yes struct{}

func (yes) Control(func(uintptr)) error     { return nil }
func (yes) Read(f func(uintptr) bool) error { f(0); return nil }
func (yes) Write(func(uintptr) bool) error  { return nil }

func (i *idle) armed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.timer != nil
}

func TestIdle_KeepsSoManyForSoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		list := idle{most: 3, time: time.Minute}
		for range 5 {
			list.keep(sleeper(&closed))
		}
		if closed != 2 {
			t.Errorf("%d of 5 were closed, want 2", closed)
		}
		<-time.After(40 * time.Second)
		synctest.Wait()
		c := list.take()
		if c == nil || closed != 2 {
			t.Fatalf("%v; %d closed", c, closed)
		}
		list.keep(c) // used once more: it has its minute again
		<-time.After(45 * time.Second)
		synctest.Wait()
		if n := list.count(); closed != 4 || n != 1 {
			t.Errorf("%d were closed, %d are kept", closed, n)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if closed != 5 || list.armed() {
			t.Errorf("%d were closed; a timer is left: %v", closed, list.armed())
		}
		list.keep(sleeper(&closed))
		list.close()
		if list.keep(sleeper(&closed)); closed != 7 || list.take() != nil {
			t.Errorf("%d were closed after all", closed)
		}
	})
}
