package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// cancelBound is how soon a worker learns that nobody waits any more.
const cancelBound = 20 * time.Millisecond

// Whatever is under way, the end of the caller's context reaches the worker at once. The best of some tries counts: the
// machine may have other things to do.
func TestCancel_ReachesTheWorkerAtOnce(t *testing.T) {
	t.Parallel()
	const tries = 20
	for name, test := range map[string]struct {
		body  bool   // one that never ends
		begun string // of the answer
	}{
		"before the answer":       {false, ""},
		"in the head":             {false, okHead},
		"after an interim answer": {false, "HTTP/1.1 103 Early Hints\r\n\r\n"},
		"in a body of length":     {false, okHead + "Content-Length: 10\r\n\r\nabc"},
		"in a chunk":              {false, chunked("a\r\nabc")},
		"between chunks":          {false, chunked("3\r\nabc\r\n")},
		"in an upload":            {true, ""},
		"in both":                 {true, chunked("3\r\nabc\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, ended := make(chan struct{}, tries), make(chan time.Time, tries)
			w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(conn, test.begun)
				arrived <- struct{}{}
				_, _ = io.Copy(io.Discard, in)
				ended <- time.Now()
			})
			transport := w.lean()
			gone := errors.New("the client has gone")
			best := time.Hour
			for range tries {
				ctx, cancel := context.WithCancelCause(t.Context())
				request := newRequest(t, http.MethodPost, "/", nil).WithContext(ctx)
				if test.body {
					body, feed := io.Pipe()
					defer feed.Close()
					request.Body, request.ContentLength = body, -1
					go func() { _, _ = feed.Write([]byte("begun")) }()
				}
				failed := make(chan error, 1)
				go func() {
					_, _, err := send(t, transport, request)
					failed <- err
				}()
				receive(t, "the request", arrived)
				before := time.Now()
				cancel(gone)
				best = min(best, receive(t, "the worker to see the end", ended).Sub(before))
				if err := receive(t, "the end of the exchange", failed); !errors.Is(err, gone) {
					t.Fatalf("got %v, want the cause", err)
				}
				if best < cancelBound {
					return
				}
			}
			t.Errorf("the worker learned of it after %v at best, want at most %v", best, cancelBound)
		})
	}
}

func TestCancel_BeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	w := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := send(t, w.lean(), newRequest(t, http.MethodGet, "/", nil).WithContext(ctx))
	if !errors.Is(err, context.Canceled) || !nothingSent(err) || w.dialed.Load() != 0 {
		t.Errorf("got %v after %d connections", err, w.dialed.Load())
	}
}

// A context that ends just as the answer does must not hurt the next request on the connection.
func TestCancel_AtTheEndOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	transport := w.lean()
	for i := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/first", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		go cancel()
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		path := fmt.Sprintf("/%d", i)
		if _, body, err := get(t, transport, path); err != nil || body != path {
			t.Fatalf("the next request got %q, %v", body, err)
		}
	}
}

// Close from another goroutine ends a read that waits.
func TestClose_EndsARead(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"length": "Content-Length: 10\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n", "to the end": "\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				_, _ = io.WriteString(conn, okHead+head)
				_, _ = io.Copy(io.Discard, in)
			})
			transport := w.lean()
			response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := response.Body.Read(make([]byte, 1))
				ended <- err
			}()
			runtime.Gosched()
			response.Body.Close()
			if err := receive(t, "the end of the read", ended); !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("got %v", err)
			}
			if transport.kept() != 0 {
				t.Error("the connection was kept")
			}
		})
	}
}

// A worker may answer before it has read the request's body, and the rest of that goes on meanwhile.
func TestEarlyAnswer_WhileTheUploadGoesOn(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, okHead+"Transfer-Encoding: chunked\r\n\r\n")
		for {
			line := make([]byte, 5)
			if _, err := io.ReadFull(request.Body, line); err != nil {
				_, _ = io.WriteString(conn, "0\r\n\r\n")
				return
			}
			fmt.Fprintf(conn, "5\r\n%s\r\n", line)
		}
	})
	body, feed := io.Pipe()
	response, err := w.lean().RoundTrip(newRequest(t, http.MethodPost, "/", body))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		line := fmt.Sprintf("line%d", i)
		if _, err := io.WriteString(feed, line); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != line {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	feed.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) != 0 {
		t.Errorf("got %q, %v", rest, err)
	}
	response.Body.Close()
}

// The head alone may be enough for an answer, though the body does not come.
func TestEarlyAnswer_BeforeTheFirstByteOfTheBody(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"chunked": -1, "length": 10, "large": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
				_, _ = io.Copy(io.Discard, in)
			})
			body, feed := io.Pipe()
			defer feed.Close()
			request := newRequest(t, http.MethodPost, "/", body)
			request.ContentLength = length
			transport := w.lean()
			if status, got, err := send(t, transport, request); status != 401 || got != "no" || err != nil {
				t.Errorf("got %d %q, %v", status, got, err)
			}
			if transport.kept() != 0 {
				t.Error("a connection in the middle of a request was kept")
			}
		})
	}
}

// A worker that refuses an upload and closes is heard, although the rest of it cannot be written any more.
func TestEarlyAnswer_FromAWorkerThatReadsNoMore(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
	})
	transport := w.lean()
	for range 30 {
		request := newRequest(t, http.MethodPost, "/", io.LimitReader(zeros{}, 8<<20))
		request.ContentLength = 8 << 20
		if status, got, err := send(t, transport, request); status != 413 || got != "no" || err != nil {
			t.Fatalf("got %d %q, %v", status, got, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Without an answer either, it is not waited for for long.
func TestUpload_AWorkerThatReadsNoMoreAndSaysNothing(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = http.ReadRequest(in) })
	request := newRequest(t, http.MethodPost, "/", io.LimitReader(zeros{}, 8<<20))
	request.ContentLength = 8 << 20
	if _, _, err := send(t, w.lean(), request); err == nil || nothingSent(err) {
		t.Errorf("got %v", err)
	}
}

// What is wrong with the request's body is not the worker's fault, and the worker sees that the request is not whole.
func TestUpload_ABodyThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		body   io.Reader
		length int64
		want   error
	}{
		"an error, chunked":       {io.MultiReader(strings.NewReader("begun"), failingReader{broken}), -1, broken},
		"an error, length":        {io.MultiReader(strings.NewReader("begun"), failingReader{broken}), 10, broken},
		"an error before a byte":  {failingReader{broken}, 10, broken},
		"shorter than its length": {strings.NewReader("begun"), 10, errBodyLength},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan error, 1)
			w := script(t, func(_ int, _ net.Conn, in *bufio.Reader) {
				request, err := http.ReadRequest(in)
				if err == nil {
					_, err = io.Copy(io.Discard, request.Body)
				}
				got <- err
			})
			request := newRequest(t, http.MethodPost, "/", nil)
			body := &closingBody{Reader: test.body}
			request.Body, request.ContentLength = body, test.length
			if _, _, err := send(t, w.lean(), request); !errors.Is(err, test.want) || nothingSent(err) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			eventually(t, "the body is closed", body.closed.Load)
			if err := receive(t, "the worker", got); err == nil {
				t.Error("the worker took the request for whole")
			}
		})
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// What is longer than it says is not sent beyond that: it would be the next request.
func TestUpload_NothingBeyondItsLength(t *testing.T) {
	t.Parallel()
	w, requests := recorded(t, plain)
	request := newRequest(t, http.MethodPost, "/", strings.NewReader("bodyGET / HTTP/1.1\r\n\r\n"))
	request.ContentLength = 4
	if _, _, err := send(t, w.lean(), request); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the request", requests); !strings.HasSuffix(got, "\n\nbody") {
		t.Errorf("the worker got %q", got)
	}
}

func TestExpect_TheBodyWaitsForTheWorker(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		sent   bool
	}{
		"wanted":        {"HTTP/1.1 100 Continue\r\n\r\n", true},
		"not wanted":    {"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", false},
		"other interim": {"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 1)
			w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				request, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				if n := in.Buffered(); n > 0 {
					t.Errorf("%d bytes of the body were sent unasked", n)
				}
				_, _ = io.WriteString(conn, test.answer)
				body, _ := io.ReadAll(request.Body)
				got <- string(body)
				if test.sent {
					_, _ = io.WriteString(conn, plain)
				}
			})
			request := newRequest(t, http.MethodPost, "/", strings.NewReader("the body"))
			request.Header.Set("Expect", "100-continue")
			if _, _, err := send(t, w.lean(), request); err != nil {
				t.Error(err)
			}
			want := ""
			if test.sent {
				want = "the body"
			}
			if body := receive(t, "the worker", got); body != want {
				t.Errorf("the worker got %q, want %q", body, want)
			}
		})
	}
}

// A worker that knows nothing of 100 is not left waiting.
func TestExpect_NotForEver(t *testing.T) {
	t.Parallel()
	w := answers(t, plain, true)
	request := newRequest(t, http.MethodPost, "/", strings.NewReader("the body"))
	request.Header.Set("Expect", "100-continue")
	if status, _, err := send(t, w.lean(), request); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

// Each line arrives before the worker may write the next.
func TestStream_EveryPieceComesAtOnce(t *testing.T) {
	t.Parallel()
	const pieces = 20
	for name, frame := range map[string]struct{ head, format, end string }{
		"chunked":    {"Transfer-Encoding: chunked\r\n\r\n", "7\r\nline%02d\n\r\n", "0\r\n\r\n"},
		"split":      {"Transfer-Encoding: chunked\r\n\r\n", "7\r\nline%02d\n", "\r\n0\r\n\r\n"},
		"length":     {fmt.Sprintf("Content-Length: %d\r\n\r\n", 7*pieces), "line%02d\n", ""},
		"to the end": {"\r\n", "line%02d\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := make(chan struct{}, 1)
			w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				_, _ = io.WriteString(conn, okHead+frame.head)
				for i := range pieces {
					<-next
					if i > 0 && name == "split" {
						_, _ = io.WriteString(conn, "\r\n")
					}
					fmt.Fprintf(conn, frame.format, i)
				}
				_, _ = io.WriteString(conn, frame.end)
			})
			response, err := w.lean().RoundTrip(newRequest(t, http.MethodGet, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewReader(response.Body)
			for i := range pieces {
				next <- struct{}{}
				if line, err := lines.ReadString('\n'); line != fmt.Sprintf("line%02d\n", i) {
					t.Fatalf("got %q, %v", line, err)
				}
			}
			if rest, err := io.ReadAll(lines); len(rest) != 0 || err != nil {
				t.Errorf("got %q, %v", rest, err)
			}
		})
	}
}

// What a client does not read stays with the worker: the router holds buffers of a fixed size.
func TestStream_ASlowReaderCostsNoMemory(t *testing.T) {
	t.Parallel()
	written := make(chan int64, 1)
	stalled := make(chan struct{})
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(conn, okHead+"\r\n")
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ := io.Copy(conn, io.LimitReader(zeros{}, 1<<30))
		written <- n
		close(stalled)
	})
	response, err := w.lean().RoundTrip(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	receive(t, "the worker to give up", stalled)
	if n := <-written; n > 4<<20 {
		t.Errorf("%d bytes were taken that nobody read", n)
	}
}

func TestUpgrade_BothWays(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
		_, _ = io.Copy(conn, in)
		_, _ = io.WriteString(conn, "bye")
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request := newRequest(t, http.MethodGet, "/", nil).WithContext(ctx)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "echo")
	transport := w.lean()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // has no power any more
	stream, ok := response.Body.(io.ReadWriteCloser)
	if !ok || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d, %T", response.StatusCode, response.Body)
	}
	defer stream.Close()
	if _, err := io.WriteString(stream, " there"); err != nil {
		t.Fatal(err)
	}
	if err := stream.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(stream); string(got) != "hello therebye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if transport.kept() != 0 {
		t.Error("the connection was kept")
	}
}

// An upgrade that the worker declines is an answer like any other.
func TestUpgrade_Declined(t *testing.T) {
	t.Parallel()
	w := answers(t, plain, true)
	request := newRequest(t, http.MethodGet, "/", nil)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "echo")
	transport := w.lean()
	if status, body, err := send(t, transport, request); status != 200 || body != "ok" || err != nil || transport.kept() != 1 {
		t.Errorf("got %d %q, %v; %d are kept", status, body, err, transport.kept())
	}
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	dial := func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	for name, config := range map[string]Config{
		"no dial":         {},
		"negative idle":   {Dial: dial, Idle: -1},
		"negative time":   {Dial: dial, IdleTime: -1},
		"negative head":   {Dial: dial, HeadBytes: -1},
		"a header's name": {Dial: dial, Header: http.Header{"A B": {"c"}}},
		"a header":        {Dial: dial, Header: http.Header{"A": {"b\nc"}}},
	} {
		if _, err := New(config); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
