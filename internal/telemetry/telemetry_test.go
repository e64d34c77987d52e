package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/zap"
)

// sink is a file that several goroutines may write and read.
type sink struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffer.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffer.String()
}

func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer.Reset()
}

func full() Access {
	return Access{
		Start: time.Date(2026, 1, 2, 3, 4, 5, 6000000, time.UTC), RequestID: "id", Client: "127.0.0.1", Principal: "key:1", Tenant: "default",
		Workspace: "alpha", Kind: "embedded", Launch: "l1", Class: "active", Route: "/query", Method: "POST", Path: "/query",
		Status: 200, Code: "", BytesIn: 3, BytesOut: 4, Duration: 1500 * time.Millisecond, Waited: time.Second, Aborted: true,
	}
}

func TestAccessLog_WritesOneLineWithEveryField(t *testing.T) {
	t.Parallel()
	out := &sink{}
	log, err := NewAccessLog(FormatJSON, out)
	if err != nil {
		t.Fatal(err)
	}
	a := full()
	log.Write(&a)
	log.Write(&Access{Start: a.Start, Method: "GET", Status: 401, Code: "unauthenticated"})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []map[string]any{
		{
			"time": "2026-01-02T03:04:05.006Z", "level": "info", "logger": "access", "message": "request", "request_id": "id", "client": "127.0.0.1",
			"principal": "key:1", "tenant": "default", "workspace": "alpha", "kind": "embedded", "launch": "l1", "class": "active",
			"route": "/query", "method": "POST", "path": "/query", "status": 200.0, "bytes_in": 3.0, "bytes_out": 4.0,
			"duration": 1.5, "waited": 1.0, "aborted": true,
		},
		{
			"time": "2026-01-02T03:04:05.006Z", "level": "info", "logger": "access", "message": "request", "method": "GET",
			"status": 401.0, "code": "unauthenticated", "bytes_in": 0.0, "bytes_out": 0.0, "duration": 0.0, "waited": 0.0,
		},
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("line %d: want - got +\n%s", i, diff)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("got %d lines", len(lines))
	}
}

func TestAccessLog_IsFlushedEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		log, err := NewAccessLog(FormatConsole, out)
		if err != nil {
			t.Fatal(err)
		}
		a := full()
		log.Write(&a)
		if out.String() != "" {
			t.Error("the line was not buffered")
		}
		for range 2 { // the second line starts the time anew
			<-time.After(accessFlush - time.Millisecond)
			if out.String() != "" {
				t.Error("the line was written too early")
			}
			<-time.After(2 * time.Millisecond)
			synctest.Wait()
			if got := strings.Count(out.String(), "alpha"); got != 1 {
				t.Errorf("%d lines were written after a second, want one", got)
			}
			out.reset()
			log.Write(&a)
		}
		if err := log.Close(); err != nil || !strings.Contains(out.String(), "alpha") {
			t.Errorf("the last line was not written: %v", err)
		}
	})
}

// limited is a file that takes a number of writes.
type limited struct {
	sink
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left == 0 {
		return 0, errors.New("the disk is full")
	}
	l.left--
	return l.sink.Write(p)
}

func TestBuffer_KeepsLinesWholeAndInOrder(t *testing.T) {
	t.Parallel()
	out := &limited{left: 2}
	b := newBuffer(out, 10, time.Hour)
	for _, line := range []string{"one\n", "two\n", "three\n"} { // the third does not fit
		if _, err := b.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); got != "one\ntwo\n" {
		t.Errorf("got %q", got)
	}
	if err := b.Close(); err != nil || out.String() != "one\ntwo\nthree\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	if _, err := b.Write([]byte("late\n")); err == nil {
		t.Error("a line that could not be written was taken")
	}
	if err := b.Sync(); err == nil {
		t.Error("the failure was forgotten")
	}
}

func TestAccessLog_IsSafeForManyRequests(t *testing.T) {
	t.Parallel()
	out := &sink{}
	log, err := NewAccessLog(FormatJSON, out)
	if err != nil {
		t.Fatal(err)
	}
	const writers, lines = 8, 500
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range lines {
				a := full()
				log.Write(&a)
			}
		})
	}
	group.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	written := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(written) != writers*lines {
		t.Errorf("got %d lines", len(written))
	}
	for _, line := range written {
		if !json.Valid([]byte(line)) {
			t.Fatalf("a line is not whole: %s", line)
		}
	}
}

func TestNewLogger_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, cfg := range []LogConfig{
		{Level: "loud", Format: FormatJSON}, {Level: "info", Format: "xml"}, {Format: FormatJSON}, {Level: "fatal", Format: FormatJSON},
	} {
		if _, err := NewLogger(cfg, &sink{}); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	if _, err := NewAccessLog("xml", &sink{}); err == nil {
		t.Error("an access log in xml was made")
	}
}

func TestNewLogger_KeepsToItsLevel(t *testing.T) {
	t.Parallel()
	out := &sink{}
	logger, err := NewLogger(LogConfig{Level: "WARN", Format: FormatJSON}, out)
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("quiet")
	StandardLog(logger).Print("noise of a client")
	logger.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || strings.Contains(got, "noise") || !strings.Contains(got, `"message":"loud"`) {
		t.Errorf("got %s", got)
	}
}

func TestSetLevel_ChangesALoggerThatIsInUse(t *testing.T) {
	t.Parallel()
	out, level := &sink{}, zap.NewAtomicLevel()
	logger, err := NewLogger(LogConfig{Level: "warn", Format: FormatJSON, Var: &level}, out)
	if err != nil {
		t.Fatal(err)
	}
	named := logger.Named("pool")
	named.Info("quiet")
	if err := SetLevel(&level, "debug"); err != nil {
		t.Fatal(err)
	}
	named.Debug("loud")
	if err := SetLevel(&level, "deafening"); err == nil {
		t.Error("an unknown level was taken")
	}
	named.Debug("louder")
	if got := out.String(); strings.Contains(got, "quiet") || strings.Count(got, "loud") != 2 {
		t.Errorf("got %s", got)
	}
}

func TestSafePath_HidesWhatLooksLikeACredential(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65)
	for path, want := range map[string]string{
		"/":                                 "/",
		"/documents/track_status/abc":       "/documents/track_status/abc",
		"/sk-12345/query":                   "/[hidden]/query",
		"/a/eyJhbGciOi.x.y":                 "/a/[hidden]",
		"/a/" + long + "/b":                 "/a/[hidden]/b",
		"/" + strings.Repeat("abcdefg/", 9): "/" + strings.Repeat("abcdefg/", 9),
		"/" + strings.Repeat("a/", 200):     "/" + strings.Repeat("a/", 127) + "a…",
	} {
		if got := SafePath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

func TestMetrics_FollowTheConventions(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Request("active", 200, time.Millisecond)
	m.Problem("unauthenticated")
	m.Waits.Observe(1)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, namespace) {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}

func TestMetrics_CountRequestsByClassAndStatus(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Request("active", 200, 2*time.Millisecond)
	m.Request("active", 204, 2*time.Millisecond)
	m.Request("passive", 503, time.Second)
	m.Request("", 401, time.Millisecond)
	m.Request("none of ours", 999, time.Millisecond)
	m.InFlight.Inc()
	m.Problem("unauthenticated")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`workspace_router_requests_total{class="active",status="2xx"} 2`,
		`workspace_router_requests_total{class="passive",status="5xx"} 1`,
		`workspace_router_requests_total{class="none",status="4xx"} 1`,
		`workspace_router_requests_total{class="none",status="5xx"} 1`,
		`workspace_router_request_duration_seconds_bucket{class="active",le="0.0025"} 2`,
		`workspace_router_problems_total{code="unauthenticated"} 1`,
		`workspace_router_requests_in_flight 1`,
		`go_goroutines `,
		`process_open_fds `,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("there is no %s", line)
		}
	}
}

func BenchmarkAccessLog_Write(b *testing.B) {
	log, err := NewAccessLog(FormatJSON, discard{})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	a := full()
	b.ReportAllocs()
	for b.Loop() {
		log.Write(&a)
	}
}

func BenchmarkMetrics_Request(b *testing.B) {
	m := NewMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Request("active", 200, time.Millisecond)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
