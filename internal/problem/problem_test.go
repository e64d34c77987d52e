package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// sentinels reads the texts of the domain's errors from their source, so that a new one cannot be forgotten here.
func sentinels(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../workspace/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		call, ok := spec.Values[0].(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			t.Fatalf("%s is not made by errors.New", spec.Names[0])
		}
		text, err := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = text
		return true
	})
	if len(found) < 20 {
		t.Fatalf("only %d sentinels were found", len(found))
	}
	return found
}

func TestTable_HasARowForEverySentinel(t *testing.T) {
	t.Parallel()
	for name, text := range sentinels(t) {
		if !slices.ContainsFunc(table, func(row Row) bool { return row.Sentinel.Error() == text }) {
			t.Errorf("workspace.%s has no row", name)
		}
	}
}

func TestTable_IsSound(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{}
	for _, row := range Rows() {
		if codes[row.Code] {
			t.Errorf("the code %q is there twice", row.Code)
		}
		codes[row.Code] = true
		if row.Status < 400 || row.Status > 599 || http.StatusText(row.Status) == "" {
			t.Errorf("%s: the status %d is no error", row.Code, row.Status)
		}
		if !strings.HasSuffix(row.Title, ".") || row.Code != strings.ToLower(row.Code) {
			t.Errorf("%s: %q is not in the form of the others", row.Code, row.Title)
		}
		if row.Retry > 0 && row.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: a retry hint goes with 503", row.Code)
		}
	}
}

// The codes and statuses that clients rely on.
func TestTable_KeepsItsPromises(t *testing.T) {
	t.Parallel()
	for _, want := range []struct {
		err    error
		status int
		code   string
		retry  bool
	}{
		{workspace.ErrUnauthenticated, 401, "unauthenticated", false},
		{workspace.ErrRequired, 400, "workspace_required", false},
		{workspace.ErrNameInvalid, 400, "workspace_invalid", false},
		{workspace.ErrConflict, 400, "workspace_conflict", false},
		{workspace.ErrAmbiguous, 400, "workspace_ambiguous", false},
		{workspace.ErrNotFound, 404, "workspace_not_found", false},
		{workspace.ErrPermissionDenied, 403, "permission_denied", false},
		{workspace.ErrTenantForbidden, 403, "tenant_forbidden", false},
		{workspace.ErrDeleted, 410, "workspace_deleted", false},
		{workspace.ErrTenantSuspended, 403, "tenant_suspended", false},
		{workspace.ErrProvisioning, 503, "workspace_provisioning", true},
		{workspace.ErrBodyTooLarge, 413, "body_too_large", false},
		{workspace.ErrHeaderTooLarge, 431, "header_too_large", false},
		{workspace.ErrBodySlow, 408, "body_timeout", false},
		{workspace.ErrOverloaded, 503, "overloaded", true},
		{workspace.ErrCapacity, 503, "workspace_capacity_exhausted", true},
		{workspace.ErrUnavailable, 503, "workspace_unavailable", true},
		{workspace.ErrWorkerDied, 502, "worker_died", false},
		{workspace.ErrTimeout, 504, "worker_timeout", false},
		{workspace.ErrQuarantined, 503, "workspace_quarantined", true},
		{workspace.ErrCold, 503, "workspace_cold", true},
		{workspace.ErrMisdirected, 421, "misdirected_request", false},
		{workspace.ErrPathInvalid, 400, "path_invalid", false},
		{&http.MaxBytesError{Limit: 1}, 413, "body_too_large", false},
		{context.DeadlineExceeded, 504, "worker_timeout", false},
		{errors.New("anything else"), 500, "internal", false},
	} {
		got := Of(fmt.Errorf("wrapped: %w", want.err))
		if got.Status != want.status || got.Code != want.code || (got.RetryAfter > 0) != want.retry {
			t.Errorf("%v: got %d %q, retry %v", want.err, got.Status, got.Code, got.RetryAfter)
		}
	}
}

// talkative says different things to different people.
type talkative struct{ error }

func (talkative) RetryAfter() time.Duration { return 1500 * time.Millisecond }
func (talkative) PublicDetail() string      { return "for everybody" }
func (talkative) OperatorDetail() string    { return "for operators" }
func (t talkative) Unwrap() error           { return t.error }

func TestProblem_TellsEachReaderWhatIsTheirs(t *testing.T) {
	t.Parallel()
	secret := fmt.Errorf("cannot run /opt/worker: %w", workspace.ErrUnavailable)
	for name, test := range map[string]struct {
		err                error
		everybody, operate string
	}{
		"internals":        {secret, "The workspace's worker cannot be started.", "cannot run /opt/worker: the worker cannot be started"},
		"about the client": {fmt.Errorf("%w: 70 bytes", workspace.ErrNameInvalid), "invalid workspace name: 70 bytes", "invalid workspace name: 70 bytes"},
		"by interface":     {fmt.Errorf("x: %w", talkative{secret}), "for everybody", "for operators"},
		"unknown":          {errors.New("boom"), "The router failed to handle the request.", "The router failed to handle the request."},
	} {
		if got := Of(test.err).Detail; got != test.everybody {
			t.Errorf("%s: everybody reads %q", name, got)
		}
		if got := ForOperator(test.err).Detail; got != test.operate {
			t.Errorf("%s: an operator reads %q", name, got)
		}
	}
}

func TestWrite_IsProblemJSON(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set(RequestIDHeader, "id-1")
	w.Header().Set("ETag", `"of something else"`)
	Write(w, httptest.NewRequest(http.MethodGet, "/", nil), talkative{workspace.ErrCapacity})
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:workspace-router:problem:workspace_capacity_exhausted", "title": "There is no room for another worker.",
		"status": 503.0, "code": "workspace_capacity_exhausted", "detail": "for everybody", "request_id": "id-1", "retry_after": 2.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	headers := map[string]string{
		"Content-Type": "application/problem+json", "Retry-After": "2", "X-Router-Error": "workspace_capacity_exhausted",
		"Cache-Control": "no-store", "Content-Length": strconv.Itoa(w.Body.Len()), "Etag": "",
	}
	for name, value := range headers {
		if w.Header().Get(name) != value {
			t.Errorf("%s: got %q, want %q", name, w.Header().Get(name), value)
		}
	}
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got status %d", w.Code)
	}
}

func TestWrite_AsksForACredential(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest(http.MethodHead, "/", nil), workspace.ErrUnauthenticated)
	if got := w.Header().Get("WWW-Authenticate"); got == "" || w.Code != http.StatusUnauthorized {
		t.Errorf("got %d and %q", w.Code, got)
	}
	if w.Body.Len() != 0 {
		t.Error("HEAD was answered with a body")
	}
	if w.Header().Get("Retry-After") != "" {
		t.Error("a missing credential does not come by waiting")
	}
}

func TestSilent_IsForAClientThatHasGone(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		fmt.Errorf("x: %w", context.Canceled): true,
		context.DeadlineExceeded:              false,
		errors.New("x"):                       false,
		fmt.Errorf("%w: %w", workspace.ErrWorkerDied, context.Canceled): false,
	} {
		if got := Silent(err); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
}
