package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// Case 9: every kind of traffic, through a cold start, and left at every moment. HTTP/2 has TestForward_OverHTTP2.

// cold has the pool start no worker before the channel is closed.
func (r *rig) cold() (ready chan struct{}) {
	ready = make(chan struct{})
	r.pool.refuse(func(ctx context.Context, _ workspace.Ref, _ supervisor.Wish) error {
		select {
		case <-ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return ready
}

func (r *rig) awaitWaiter() {
	r.tb.Helper()
	eventually(r.tb, "the request to wait for its worker", func() bool { return len(r.pool.wished()) > 0 })
}

// An upload that would be noticed, and what may be taken for it. One of 1 GiB is a part of bench/proxy.
const (
	largeUpload = 128 << 20
	uploadBound = 32 << 20
)

// What a client sends while its worker starts stays with the client, not in the router's memory. It is by itself, since
// memory is measured.
func TestCase9_ALargeUploadThroughAColdStart(t *testing.T) {
	var received int64
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		received = n
		fmt.Fprintf(w, "%d %v", n, err)
	}, withSettings(func(s *Settings) { s.MaxBody = 2 * largeUpload }))
	r.client.Timeout = time.Minute
	ready := r.cold()
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	taken := endless{}
	go func() {
		defer close(ready)
		r.awaitWaiter()
		runtime.ReadMemStats(&during)
	}()
	response, err := r.open(t.Context(), http.MethodPost, "/w/alpha/query", io.LimitReader(taken, largeUpload))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if want := fmt.Sprint(int64(largeUpload), " <nil>"); string(body) != want || err != nil || received != largeUpload {
		t.Errorf("got %q, %v, want %q", body, err, want)
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	for what, m := range map[string]runtime.MemStats{"while it waited": during, "in all": after} {
		if grown := int64(m.HeapSys) - int64(before.HeapSys); grown > uploadBound {
			t.Errorf("%d bytes of memory were taken %s", grown, what)
		}
	}
	r.settled()
}

// endless is as many bytes as anybody wants.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCase9_EveryTrafficThroughAColdStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		worker http.HandlerFunc
		send   string   // what the client sends, without its credential's line
		then   string   // and when the answer has begun
		want   []string // of the whole answer
	}{
		"WebSocket": {switcher, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "hello\n",
			[]string{"101 Switching Protocols", "Upgrade: websocket", "hello\n"}},
		"server-sent events": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
			}
		}, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "", []string{"text/event-stream", "data: 0\n\n", "data: 2\n\n", "\r\n0\r\n\r\n"}},
		"Expect": {echo, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", "body",
			[]string{"HTTP/1.1 100 Continue\r\n", "HTTP/1.1 200 OK", "POST /query body"}},
		"trailers": {reflectTrailers, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
			"3\r\nabc\r\n0\r\nX-Sum: kept\r\n\r\n", "", []string{"200 OK", `"X-Sum":["kept"]`}},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		}, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "", []string{"103 Early Hints", "204 No Content"}},
		"HEAD": {echo, "HEAD %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "", []string{"200 OK"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.worker)
			ready := r.cold()
			conn, reader := r.dial()
			head := fmt.Sprintf(strings.Replace(test.send, "\r\n", "\r\n"+credential, 1), "/w/alpha/query")
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			r.awaitWaiter()
			close(ready)
			var text strings.Builder
			begun, err := reader.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(begun)
			if _, err := io.WriteString(conn, test.then); err != nil {
				t.Fatal(err)
			}
			for !containsAll(text.String(), test.want) {
				line, err := reader.ReadString('\n')
				text.WriteString(line)
				if err != nil {
					break
				}
			}
			if !containsAll(text.String(), test.want) {
				t.Errorf("got %q, want %q in it", text.String(), test.want)
			}
			conn.Close()
			r.settled()
		})
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// At whatever moment a client leaves, its worker learns of it, its lease is given back, and the next request is served.
func TestCase9_AClientThatLeavesAtEachPhase(t *testing.T) {
	t.Parallel()
	const upload = "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "Content-Length: 1000\r\n\r\n"
	for name, test := range map[string]struct {
		cold  bool
		send  string
		reply string // of the worker, before the client leaves
	}{
		"while its worker starts":        {true, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "\r\n", ""},
		"before the body's first byte":   {false, upload, ""},
		"in the upload":                  {false, upload + "begun", ""},
		"in the upload and the answer":   {false, upload + "begun", "early"},
		"before the answer":              {false, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "\r\n", ""},
		"in the answer":                  {false, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "\r\n", "begun"},
		"in an answer after its request": {false, "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "Content-Length: 4\r\n\r\nbody", "begun"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
			r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/query/next" {
					fmt.Fprint(w, "next")
					return
				}
				if test.reply != "" {
					_ = http.NewResponseController(w).EnableFullDuplex()
					fmt.Fprint(w, test.reply)
					_ = http.NewResponseController(w).Flush()
				}
				arrived <- struct{}{}
				_, _ = io.Copy(io.Discard, r.Body) // ends with an error where the client left in it
				if r.ContentLength < 1000 {
					<-r.Context().Done()
				}
				left <- struct{}{}
			})
			ready := make(chan struct{})
			if test.cold {
				ready = r.cold()
			}
			conn, reader := r.dial()
			if _, err := io.WriteString(conn, test.send); err != nil {
				t.Fatal(err)
			}
			if test.cold {
				r.awaitWaiter()
			} else {
				receive(t, "the request", arrived)
			}
			if test.reply != "" {
				awaitText(t, reader, test.reply)
			}
			conn.Close()
			if !test.cold {
				receive(t, "the worker to learn of it", left)
			}
			r.settled()
			close(ready)
			if got := r.get("/w/alpha/query/next"); got.status != 200 || got.body != "next" {
				t.Errorf("the next request got %d %q", got.status, got.body)
			}
		})
	}
}

func awaitText(t *testing.T, reader *bufio.Reader, want string) {
	t.Helper()
	var text strings.Builder
	for !strings.Contains(text.String(), want) {
		c, err := reader.ReadByte()
		if err != nil {
			t.Fatalf("got %q, %v", text.String(), err)
		}
		text.WriteByte(c)
	}
}
