package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"workspace-router/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func request(t *testing.T, method, path string) (*http.Request, *httptest.ResponseRecorder) {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), method, path, nil), httptest.NewRecorder()
}

// serve puts an Admin on a real listener: streams need one.
func serve(t *testing.T, deps Deps) *httptest.Server {
	t.Helper()
	return serveTo(t, deps, aWhile, authenticator{})
}

func serveTo(t *testing.T, deps Deps, heartbeat time.Duration, to Authenticator) *httptest.Server {
	t.Helper()
	a, err := New(Config{Heartbeat: heartbeat}, deps)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.Handler(Operator, to))
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
	})
	return server
}

// open begins a stream that ends with the test, or with the function that it gives.
func openStream(t *testing.T, server *httptest.Server, who, path string) (lines *bufio.Reader, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aWhile)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", who)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		response.Body.Close()
	})
	if response.StatusCode != 200 {
		t.Fatalf("the stream begins with status %d", response.StatusCode)
	}
	return bufio.NewReader(response.Body), cancel
}

// until reads up to and with a line that holds the text.
func until(t *testing.T, lines *bufio.Reader, text string) (read string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		read += line
		if err != nil {
			t.Fatalf("the stream ends with %v after %q, before %q came", err, read, text)
		}
		if strings.Contains(line, text) {
			return read
		}
	}
}

func TestEvents_FollowSendsEachAsItComes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	fresh, ended := make(chan Event), make(chan uint64, 1)
	w.follow = func(ctx context.Context, since uint64, emit func(Event) error) error {
		defer func() { ended <- since }()
		for _, event := range w.kept {
			if err := emit(event); err != nil {
				return err
			}
		}
		for {
			select {
			case event := <-fresh:
				if err := emit(event); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	server := serve(t, w.deps())
	lines, end := openStream(t, server, "alpha", "/api/v1/events?follow=true&since=17")
	read := until(t, lines, `"id":2`) // the first of them that alpha operates
	beta := workspace.Ref{Tenant: "default", Name: "beta", Generation: "g-beta"}
	alpha := workspace.Ref{Tenant: "default", Name: "alpha", Generation: "g-alpha"}
	fresh <- Event{Ref: beta, ID: 5, Type: "stopped", Workspace: "beta"}
	fresh <- Event{Ref: alpha, ID: 6, Type: "stopped", Workspace: "alpha"}
	read += until(t, lines, `"id":6`)
	if strings.Contains(read, "beta") || strings.Contains(read, "acme") || strings.Contains(read, "missed") {
		t.Errorf("the stream shows what its reader does not operate:\n%s", read)
	}
	if !strings.Contains(read, "id: 6\nevent: stopped\ndata: {") {
		t.Errorf("the stream is no event stream:\n%s", read)
	}
	end()
	if since := <-ended; since != 17 {
		t.Errorf("it followed from %d, want 17", since)
	}
}

func TestEvents_FollowEndsWithItsSourceAndWithTheRouter(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.follow = func(context.Context, uint64, func(Event) error) error { return io.EOF }
	lines, _ := openStream(t, serve(t, w.deps()), "admin", "/api/v1/events?follow=true")
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
	waiting := newWorld()
	waiting.follow = func(ctx context.Context, _ uint64, _ func(Event) error) error {
		<-ctx.Done()
		return ctx.Err()
	}
	deps, closing := waiting.deps(), make(chan struct{})
	deps.Closing = closing
	lines, _ = openStream(t, serve(t, deps), "admin", "/api/v1/events?follow=true")
	until(t, lines, ": open")
	close(closing)
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("when the router ends the stream ends with %v", err)
	}
}

func TestEvents_RefusesAnIDThatIsNone(t *testing.T) {
	t.Parallel()
	out := ask(t, newAdmin(t, newWorld().deps()).Handler(Operator, authenticator{}), "admin", "GET", "/api/v1/events?since=yesterday", "")
	if code(t, out) != "bad_request" {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
}

// logFile gives deps whose log is a file with the content, and its path.
func logFile(t *testing.T, content string) (Deps, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alpha.log")
	if content != "" {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	deps := newWorld().deps()
	deps.LogFile = func(workspace.Ref) string { return path }
	return deps, path
}

func TestLogs_SendTheLastLines(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 30_000 { // more than one block of reading back
		fmt.Fprintf(&many, "line %d\n", i)
	}
	cases := map[string]struct{ content, query, want string }{
		"all of a short one":  {"a\nb\n", "", "a\nb\n"},
		"the last":            {"a\nb\nc\n", "?tail=1", "c\n"},
		"the last two":        {"a\nb\nc\n", "?tail=2", "b\nc\n"},
		"as many as there":    {"a\nb\n", "?tail=2", "a\nb\n"},
		"none":                {"a\nb\n", "?tail=0", ""},
		"without an end":      {"a\nb\nc", "?tail=1", "c"},
		"empty lines":         {"a\n\n\n", "?tail=2", "\n\n"},
		"no log yet":          {"", "", ""},
		"out of many":         {many.String(), "?tail=3", "line 29997\nline 29998\nline 29999\n"},
		"across blocks":       {many.String(), "?tail=20000", many.String()[strings.Index(many.String(), "line 10000\n"):]},
		"200 where not given": {many.String(), "", many.String()[strings.Index(many.String(), "line 29800\n"):]},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deps, _ := logFile(t, tc.content)
			out := ask(t, newAdmin(t, deps).Handler(Operator, authenticator{}), "owner", "GET", "/api/v1/workers/alpha/logs"+tc.query, "")
			if out.Code != 200 || out.Body.String() != tc.want {
				t.Errorf("got %d and %d bytes, want %d", out.Code, out.Body.Len(), len(tc.want))
			}
		})
	}
}

func TestLogs_AreForThoseWhoOperate(t *testing.T) {
	t.Parallel()
	deps, _ := logFile(t, "secret\n")
	handler := newAdmin(t, deps).Handler(Operator, authenticator{})
	for who, want := range map[string]int{"": 401, "reader": 403, "alpha": 200, "admin": 200} {
		if out := ask(t, handler, who, "GET", "/api/v1/workers/alpha/logs", ""); out.Code != want {
			t.Errorf("%q gets %d, want %d", who, out.Code, want)
		}
	}
	if out := ask(t, handler, "admin", "GET", "/api/v1/workers/alpha/logs?tail=-1", ""); code(t, out) != "bad_request" {
		t.Errorf("tail=-1: %d", out.Code)
	}
}

func TestLogs_FollowWhatIsAddedAndThroughRotation(t *testing.T) {
	t.Parallel()
	deps, path := logFile(t, "first\n")
	lines, _ := openStream(t, serve(t, deps), "admin", "/api/v1/workers/alpha/logs?follow=true")
	until(t, lines, "first")
	add := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = file.WriteString(text)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("second\n")
	until(t, lines, "second")
	add("third\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add("fourth\n")
	if read := until(t, lines, "fourth"); !strings.HasPrefix(read, "third\n") {
		t.Errorf("through the rotation came %q, want the third line and the fourth", read)
	}
}

func TestLogs_FollowOneThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	deps, path := logFile(t, "")
	lines, _ := openStream(t, serve(t, deps), "admin", "/api/v1/workers/alpha/logs?follow=true")
	if err := os.WriteFile(path, []byte("born\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, lines, "born")
}

// changing knows everybody as what it is at the moment: a principal, or the error of asking.
type changing struct {
	now   atomic.Value
	asked atomic.Int64
}

// opinion is what changing holds, in one type as atomic.Value wants it.
type opinion struct {
	principal *workspace.Principal
	err       error
}

func (c *changing) Authenticate(*http.Request) (*workspace.Principal, error) {
	c.asked.Add(1)
	now := c.now.Load().(opinion)
	return now.principal, now.err
}

// streamsOfAlpha are the streams that one who operates alpha may read, and a text that each begins with.
var streamsOfAlpha = map[string]string{
	"/api/v1/events?follow=true":             ": open",
	"/api/v1/workers/alpha/logs?follow=true": "first",
}

func serveChanging(t *testing.T, follow func(context.Context, uint64, func(Event) error) error) (*httptest.Server, *changing) {
	t.Helper()
	w := newWorld()
	w.follow = follow
	deps := w.deps()
	logs, _ := logFile(t, "first\n")
	deps.LogFile = logs.LogFile
	who := &changing{}
	who.now.Store(opinion{principal: people["owner"]})
	return serveTo(t, deps, time.Millisecond, who), who
}

func quiet(ctx context.Context, _ uint64, _ func(Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStreams_EndWithTheRightToReadThem(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]opinion{
		"revoked":    {err: fmt.Errorf("it was revoked: %w", workspace.ErrUnauthenticated)},
		"lost right": {principal: people["reader"]},
	} {
		for path, begins := range streamsOfAlpha {
			t.Run(name+" "+path, func(t *testing.T) {
				t.Parallel()
				server, who := serveChanging(t, quiet)
				lines, _ := openStream(t, server, "owner", path)
				until(t, lines, begins)
				who.now.Store(after)
				if _, err := io.ReadAll(lines); err != nil {
					t.Errorf("the stream ends with %v, want its end", err)
				}
			})
		}
	}
}

// A key that is bound to less than it was sees the events of that alone, on streams that were open before.
func TestEvents_FollowByThePresentRights(t *testing.T) {
	t.Parallel()
	beta := workspace.Ref{Tenant: "default", Name: "beta", Generation: "g-beta"}
	alpha := workspace.Ref{Tenant: "default", Name: "alpha", Generation: "g-alpha"}
	fresh := make(chan Event)
	server, who := serveChanging(t, func(ctx context.Context, _ uint64, emit func(Event) error) error {
		for {
			select {
			case event := <-fresh:
				if err := emit(event); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	lines, _ := openStream(t, server, "owner", "/api/v1/events?follow=true")
	fresh <- Event{Ref: beta, ID: 1, Type: "stopped"}
	until(t, lines, `"id":1`)
	who.now.Store(opinion{principal: people["alpha"]})
	who.taken(t)
	fresh <- Event{Ref: beta, ID: 2, Type: "stopped"}
	fresh <- Event{Ref: alpha, ID: 3, Type: "stopped"}
	if read := until(t, lines, `"id":3`); strings.Contains(read, `"id":2`) {
		t.Errorf("the stream shows what its reader operates no more:\n%s", read)
	}
}

// Streams outlive a catalog that cannot be asked: that says nothing about the reader.
func TestStreams_OutliveACatalogThatIsAway(t *testing.T) {
	t.Parallel()
	server, who := serveChanging(t, quiet)
	lines, _ := openStream(t, server, "owner", "/api/v1/events?follow=true")
	until(t, lines, ": open")
	who.now.Store(opinion{err: workspace.ErrCatalogUnavailable})
	who.taken(t)
}

// taken waits until the one stream that is open has acted on the present opinion: it asks again only when it has.
func (c *changing) taken(t *testing.T) {
	t.Helper()
	deadline, tick := time.NewTimer(aWhile), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for want := c.asked.Load() + 2; c.asked.Load() < want; {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("the stream asks no more who reads it")
		}
	}
}
