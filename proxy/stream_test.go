package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// open sends a request whose answer is read by the caller.
func (r *rig) open(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-API-Key", adminKey)
	return r.client.Do(request)
}

// Each line arrives before the worker may write the next: nothing on the way waits for more.
func TestStream_EveryLineGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	for name, declared := range map[string]bool{"chunked": false, "declared length": true, "chunked, standard": false, "declared length, standard": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []rigOption
			if strings.HasSuffix(name, "standard") {
				options = append(options, withStandard())
			}
			const lines = 5
			next := make(chan struct{}, 1)
			r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-ndjson")
				if declared {
					w.Header().Set("Content-Length", fmt.Sprint(lines*len("line 0\n")))
				}
				for i := range lines {
					<-next
					fmt.Fprintf(w, "line %d\n", i)
					_ = http.NewResponseController(w).Flush()
				}
			}, options...)
			next <- struct{}{}
			response, err := r.open(t.Context(), http.MethodGet, "/w/alpha/query/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			reader := bufio.NewReader(response.Body)
			for i := range lines {
				if i > 0 {
					next <- struct{}{}
				}
				if line, err := reader.ReadString('\n'); line != fmt.Sprintf("line %d\n", i) {
					t.Fatalf("got %q, %v", line, err)
				}
				if i < lines-1 && r.pool.released.Load() != 0 {
					t.Fatal("the lease was released before the last byte")
				}
			}
			r.settled()
		})
	}
}

// The head of an answer goes on before there is a body.
func TestStream_HeadGoesOnBeforeTheBody(t *testing.T) {
	t.Parallel()
	finish := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		<-finish
	})
	response, err := r.open(t.Context(), http.MethodGet, "/w/alpha/query", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("got %d", response.StatusCode)
	}
	close(finish)
	r.settled()
}

// A client that goes away takes its request to the worker with it, whatever was under way.
func TestStream_ClientGoneCancelsTheWorker(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]bool{"before the answer": false, "in the answer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, cancelled := make(chan struct{}), make(chan struct{})
			r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				if begun {
					fmt.Fprintln(w, "begun")
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(cancelled)
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				response, err := r.open(ctx, http.MethodGet, "/w/alpha/query", nil)
				if err == nil {
					_, err = io.ReadAll(response.Body)
					response.Body.Close()
				}
				failed <- err
			}()
			receive(t, "the worker to be asked", arrived)
			cancel()
			receive(t, "the worker's request to be cancelled", cancelled)
			if err := receive(t, "the client", failed); err == nil {
				t.Error("the client saw no error")
			}
			r.settled()
		})
	}
}

// A client that goes while it waits for a worker is not kept waiting, and nothing is answered.
func TestStream_ClientGoneWhileWaitingForAWorker(t *testing.T) {
	t.Parallel()
	waiting, left := make(chan struct{}), make(chan error, 1)
	r := newRig(t, echo)
	r.pool.refuse(func(ctx context.Context, _ workspace.Ref, _ supervisor.Wish) error {
		close(waiting)
		<-ctx.Done()
		left <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		receive(t, "the wait", waiting)
		cancel()
	}()
	if _, err := r.open(ctx, http.MethodGet, "/w/alpha/query", nil); err == nil {
		t.Error("the client was answered")
	}
	if err := receive(t, "the pool to be told", left); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.settled()
}

// The ways in which a request can end, each of which must give back its lease once.
func TestLease_IsReleasedOnceOnEveryWayOut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		worker func(r *rig) http.HandlerFunc
		status int // 0: the connection is cut
		code   string
	}{
		"an answer": {func(*rig) http.HandlerFunc { return echo }, 200, ""},
		"an empty answer": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }
		}, 204, ""},
		"a worker's error": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
		}, 503, ""},
		"the connection closed before the answer": {func(*rig) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, 502, "worker_died"},
		"the connection closed in the answer": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintln(w, "begun")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		}, 0, ""},
		"the launch ended before the answer": {func(r *rig) http.HandlerFunc {
			return func(_ http.ResponseWriter, request *http.Request) {
				_, _ = io.Copy(io.Discard, request.Body) // a server sees a connection end only once it has read the body
				r.pool.lastLease().end()
				<-request.Context().Done()
			}
		}, 502, "worker_died"},
		"the launch ended in the answer": {func(r *rig) http.HandlerFunc {
			return func(w http.ResponseWriter, request *http.Request) {
				_, _ = io.Copy(io.Discard, request.Body)
				fmt.Fprintln(w, "begun")
				_ = http.NewResponseController(w).Flush()
				<-r.begun
				r.pool.lastLease().end()
				<-request.Context().Done()
			}
		}, 0, ""},
		"garbage instead of an answer": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_, _ = io.WriteString(conn, "SSH-2.0-nothing\r\n")
					conn.Close()
				}
			}
		}, 502, "worker_died"},
		"an answer shorter than it said": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "10")
				fmt.Fprint(w, "short")
			}
		}, 0, ""},
		"an upgrade that nobody asked for": {func(*rig) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Upgrade", "websocket")
				w.WriteHeader(http.StatusSwitchingProtocols)
			}
		}, 502, "worker_died"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *rig
			r = newRig(t, func(w http.ResponseWriter, request *http.Request) { test.worker(r)(w, request) })
			response, err := r.open(t.Context(), http.MethodPost, "/w/alpha/query", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			close(r.begun)
			_, err = io.ReadAll(response.Body)
			switch {
			case test.status == 0 && err == nil:
				t.Error("a broken answer looked whole")
			case test.status != 0 && (err != nil || response.StatusCode != test.status || response.Header.Get("X-Router-Error") != test.code):
				t.Errorf("got %d %q, %v", response.StatusCode, response.Header.Get("X-Router-Error"), err)
			}
			r.settled()
			if r.pool.acquired.Load() != 1 {
				t.Errorf("%d leases were taken: what a worker may have seen was sent again", r.pool.acquired.Load())
			}
		})
	}
}

func TestStream_AWorkerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		withConfig(func(c *Config) { c.AnswerTimeout = 20 * time.Millisecond }))
	if got := r.get("/w/alpha/query"); got.status != http.StatusGatewayTimeout || got.code() != "worker_timeout" {
		t.Errorf("got %d %q", got.status, got.code())
	}
	r.settled()
}

// A long upload is not a worker that does not answer: the time counts from the body's last byte.
func TestAnswerTimer_CountsFromTheBodysLastByte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{settings: &Settings{BodyTimeout: 10 * time.Second}}
		x.body.ReadCloser = io.NopCloser(strings.NewReader(strings.Repeat("x", 100)))
		ctx, cancel := context.WithCancelCause(t.Context())
		const patience = time.Minute
		timer := x.answerTimer(patience, cancel)
		defer timer.Stop()
		for range 10 {
			<-time.After(patience * 9 / 10)
			if _, err := x.body.Read(make([]byte, 1)); err != nil || ctx.Err() != nil {
				t.Fatalf("given up during the upload: %v, %v", err, context.Cause(ctx))
			}
		}
		last := time.Now()
		<-ctx.Done()
		if waited := time.Since(last); waited != patience || !errors.Is(context.Cause(ctx), workspace.ErrTimeout) {
			t.Errorf("given up after %v: %v", waited, context.Cause(ctx))
		}
	})
}
