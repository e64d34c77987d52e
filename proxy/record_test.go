package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/internal/kind"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// *supervisor.Lease is what a pool gives.
var _ Lease = (*supervisor.Lease)(nil)

func (r *rig) metrics() string {
	w := httptest.NewRecorder()
	r.deps.Observer.Metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// recorded waits for the lines of n requests, which are written just after their answers.
func (r *rig) recorded(n int) []string {
	r.tb.Helper()
	eventually(r.tb, "the requests to be recorded", func() bool {
		return strings.Contains(r.metrics(), "requests_in_flight 0\n") && len(r.lines()) >= n
	})
	return r.lines()
}

func TestRecord_OneLineSaysWhatHappenedAndNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer "+secret) })
	r.do(http.MethodPost, "/w/acme.alpha/query?q="+secret, http.Header{
		"X-Request-Id": {"id-1"}, "Cookie": {"c=" + secret}, "Authorization": {"Bearer " + secret}, "User-Agent": {secret},
	}, "body "+secret)
	line := r.recorded(1)[0]
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, secret) || strings.Contains(line, adminKey) {
		t.Errorf("a secret is in %s", line)
	}
	for _, key := range []string{"time", "duration"} {
		if _, found := got[key]; !found {
			t.Errorf("there is no %s", key)
		}
		delete(got, key)
	}
	want := map[string]any{
		"level": "info", "logger": "access", "message": "request", "request_id": "id-1", "client": "127.0.0.1", "principal": "key:admin",
		"tenant": "acme", "workspace": "alpha", "kind": "test", "launch": "launch0", "class": "active", "route": "/query", "method": "POST",
		"path": "/query", "status": 200.0, "bytes_in": float64(len("body " + secret)), "bytes_out": float64(len("answer " + secret)), "waited": 0.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestRecord_RefusalsAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Api-Key": {"none"}}, "")
	r.do(http.MethodGet, "/w/alpha/unnamed/sk-abc", http.Header{"X-Api-Key": {readerKey}}, "")
	r.get("/w/alpha/poll")
	lines := r.recorded(3)
	for i, want := range []string{`"status":401,"code":"unauthenticated"`, `"path":"/unnamed/[hidden]","status":403,"code":"permission_denied"`, `"class":"passive"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("%s is not in %s", want, lines[i])
		}
	}
	figures := r.metrics()
	for _, want := range []string{
		`_auth_failures_total 1`, `_unknown_routes_total 1`, `_requests_total{class="none",status="4xx"} 1`, `_requests_total{class="active",status="4xx"} 1`,
		`_requests_total{class="passive",status="2xx"} 1`, `_problems_total{code="permission_denied"} 1`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestRecord_AnAbortedAnswerIsMarked(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	response, err := r.open(t.Context(), http.MethodGet, "/w/alpha/query", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if line := r.recorded(1)[0]; !strings.Contains(line, `"status":200,`) || !strings.Contains(line, `"aborted":true`) {
		t.Errorf("got %s", line)
	}
}

func TestRecord_AClientThatLeftIsNoError(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		receive(t, "the request", arrived)
		cancel()
	}()
	if _, err := r.open(ctx, http.MethodGet, "/w/alpha/query", nil); err == nil {
		t.Error("the client was answered")
	}
	if line := r.recorded(1)[0]; !strings.Contains(line, `"status":499,`) || strings.Contains(line, `"code"`) {
		t.Errorf("got %s", line)
	}
}

// panicking is an own handler that fails in the way that its path says.
func panicking(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/begun") {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
	}
	panic("a fault of ours")
}

func TestRecord_APanicIsAnsweredAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	r := newRig(t, echo, withOwn(http.HandlerFunc(panicking)), func(r *rig) { r.deps.Observer.Logger = zap.New(core) })
	got := r.get("/api/v1/x")
	if got.status != http.StatusInternalServerError || got.code() != "internal" || strings.Contains(got.body, "fault") {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if response, err := r.open(t.Context(), http.MethodGet, "/api/v1/begun", nil); err == nil {
		if _, err := response.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Error("an answer that broke off looked whole")
		}
		response.Body.Close()
	}
	if got := r.get("/w/alpha/query"); got.status != http.StatusOK {
		t.Errorf("afterwards: got %d", got.status)
	}
	if logs.FilterMessage("panic while serving a request").Len() != 2 {
		t.Errorf("got the log %v", logs.All())
	}
	if !strings.Contains(r.metrics(), "_panics_total 2") {
		t.Error("the panics were not counted")
	}
}

// The pool's reasons: everybody hears the code, those who operate the workspace the cause as well.
func TestRecord_TheCauseIsForOperators(t *testing.T) {
	t.Parallel()
	cause := &supervisor.StartError{Cause: supervisor.CauseProgramMissing, Err: errors.New("cannot find /opt/worker")}
	for key, told := range map[string]bool{adminKey: true, readerKey: false} {
		r := newRig(t, echo)
		r.pool.refuse(func(context.Context, workspace.Ref, supervisor.Wish) error { return cause })
		got := r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Api-Key": {key}}, "")
		if got.status != http.StatusServiceUnavailable || got.code() != "workspace_unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %q", key, got.status, got.code())
		}
		if strings.Contains(got.body, "/opt/worker") != told {
			t.Errorf("%s: got %s", key, got.body)
		}
		r.settled()
	}
}

// The cause of a failed request is in the log, with the id that the client was told.
func TestRecord_TheCauseIsInTheLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	r := newRig(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(r *rig) { r.deps.Observer.Logger = zap.New(core) })
	got := r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Request-Id": {"id-1"}}, "")
	entries := logs.FilterMessage("cannot serve a request").All()
	if got.code() != "worker_died" || len(entries) != 1 {
		t.Fatalf("got %d %q and the log %v", got.status, got.code(), logs.All())
	}
	for key, want := range map[string]any{"request_id": "id-1", "code": "worker_died", "workspace": "alpha", "launch": "launch0"} {
		if entries[0].ContextMap()[key] != want {
			t.Errorf("%s: got %v", key, entries[0].ContextMap()[key])
		}
	}
}

// What the pool refuses is answered as the table says.
func TestPool_RefusalsKeepTheirCodes(t *testing.T) {
	t.Parallel()
	for code, test := range map[string]struct {
		err    error
		status int
	}{
		"workspace_capacity_exhausted": {&supervisor.CapacityError{Limit: 3, Reason: supervisor.ReasonLeased, After: 3e9}, 503},
		"worker_timeout":               {&supervisor.WaitError{}, 504},
		"workspace_quarantined":        {&supervisor.QuarantinedError{Err: errors.New("x")}, 503},
		"workspace_cold":               {&supervisor.ColdError{}, 503},
		"router_closing":               {workspace.ErrClosing, 503},
		"unauthenticated":              {workspace.ErrUnauthenticated, 401}, // from the second look, at hand-over
	} {
		r := newRig(t, echo)
		r.pool.refuse(func(context.Context, workspace.Ref, supervisor.Wish) error { return test.err })
		got := r.get("/w/alpha/query")
		if got.status != test.status || got.code() != code {
			t.Errorf("%s: got %d %q", code, got.status, got.code())
		}
		if code == "workspace_capacity_exhausted" && (got.header.Get("Retry-After") != "3" || !strings.Contains(got.body, "limit of 3 (leased)")) {
			t.Errorf("got %q: %s", got.header.Get("Retry-After"), got.body)
		}
	}
}

// The wish says what the route is, and its second look sees what changed since the first (promise S4).
func TestS4_AWaiterIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(*rig)
		want      error
	}{
		"nothing changed":       {func(*rig) {}, nil},
		"credential revoked":    {func(r *rig) { r.auth.revoked.Store(true) }, workspace.ErrUnauthenticated},
		"workspace deleted":     {func(r *rig) { r.dir.setState("alpha", workspace.StateDeleted) }, workspace.ErrDeleted},
		"workspace put back":    {func(r *rig) { r.dir.setState("alpha", workspace.StateProvisioning) }, workspace.ErrProvisioning},
		"catalog not reachable": {func(r *rig) { r.dir.fail(workspace.ErrCatalogUnavailable) }, workspace.ErrCatalogUnavailable},
		"workspace purged":      {func(r *rig) { r.dir.fail(workspace.ErrNotFound) }, workspace.ErrNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			r.pool.refuse(func(ctx context.Context, _ workspace.Ref, wish supervisor.Wish) error {
				test.meanwhile(r)
				if err := wish.Recheck(ctx); !errors.Is(err, test.want) {
					t.Errorf("got %v", err)
				}
				return workspace.ErrClosing
			})
			r.get("/w/alpha/poll")
			if wish := r.pool.wished()[0]; wish.Class != kind.Passive || wish.Principal != "key:admin" {
				t.Errorf("got the wish %+v", wish)
			}
		})
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig){
		"no authenticator":     func(r *rig) { r.deps.Authenticator = nil },
		"no own handler":       func(r *rig) { r.deps.Own = nil },
		"no metrics":           func(r *rig) { r.deps.Observer.Metrics = nil },
		"no bound on bodies":   func(r *rig) { r.settings.MaxBody = 0 },
		"a bad default":        func(r *rig) { r.settings.DefaultWorkspace = "a b" },
		"a negative time":      func(r *rig) { r.config.AnswerTimeout = -1 },
		"creation of no kind":  func(r *rig) { r.settings.AutoCreate, r.settings.DefaultKind = true, "" },
		"several faults at it": func(r *rig) { r.settings.MaxBody, r.deps.Pool = -1, nil },
	} {
		r := newParts(t, echo)
		change(r)
		if _, err := New(r.config, r.deps); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Observe(Observer{}, http.NotFoundHandler()); err == nil {
		t.Error("an observer without anything was accepted")
	}
}

func TestObserve_RecordsOtherHandlers(t *testing.T) {
	t.Parallel()
	r := newParts(t, echo)
	handler, err := Observe(r.deps.Observer, http.HandlerFunc(panicking))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics?x=y", nil))
	if w.Code != http.StatusInternalServerError || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if line := r.lines()[0]; !strings.Contains(line, `"path":"/metrics","status":500,"code":"internal"`) {
		t.Errorf("got %s", line)
	}
}

// The router's own handlers name the request in what they refuse, as the data plane does.
func TestOwnHandlers_NameTheRequestInTheirErrors(t *testing.T) {
	t.Parallel()
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.ErrNoSuchRoute) })
	r := newParts(t, echo)
	observed, err := Observe(r.deps.Observer, refuse)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	observed.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/nothing", nil))
	if line := r.recorded(1)[0]; !strings.Contains(line, `"status":404,"code":"not_found"`) {
		t.Errorf("the log does not name the refusal: %s", line)
	}
	own := newRig(t, echo, withOwn(refuse)).get("/api/v1/nothing")

	for where, got := range map[string]struct{ id, body string }{
		"operator's listener": {w.Header().Get("X-Request-Id"), w.Body.String()},
		"bare listener":       {own.header.Get("X-Request-Id"), own.body},
	} {
		if got.id == "" || !strings.Contains(got.body, `"request_id":"`+got.id+`"`) {
			t.Errorf("%s: request %q is not named in %s", where, got.id, got.body)
		}
	}
}

// A kind that is not there is told from a worker that does not start.
func TestClassify_AKindThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, func(r *rig) { r.settings.Kinds = oneKind{} })
	if got := r.get("/w/alpha/query"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, `of kind \"test\"`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
