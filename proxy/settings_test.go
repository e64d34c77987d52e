package proxy

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

func TestSettings_CountForRequestsThatComeAfter(t *testing.T) {
	t.Parallel()
	var inForce atomic.Pointer[Settings]
	r := newRig(t, echo, func(r *rig) {
		first := *r.inForce()
		inForce.Store(&first)
		r.deps.Settings = inForce.Load
	})
	change := func(edit func(*Settings)) {
		next := *inForce.Load()
		edit(&next)
		inForce.Store(&next)
	}
	if got := r.get("/query"); got.header.Get("Lightrag-Workspace") != "default" {
		t.Errorf("before: got %d %v", got.status, got.header)
	}
	change(func(s *Settings) { s.DefaultWorkspace = "beta" })
	if got := r.get("/query"); got.header.Get("Lightrag-Workspace") != "beta" {
		t.Errorf("another default: got %d %v", got.status, got.header)
	}
	change(func(s *Settings) { s.AllowDefault = false })
	if got := r.get("/query"); got.code() != "workspace_required" {
		t.Errorf("no default: got %d %s", got.status, got.body)
	}
	change(func(s *Settings) { s.MaxBody = 3 })
	if got := r.do(http.MethodPost, "/w/alpha/query", nil, "four"); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a smaller body: got %d %s", got.status, got.body)
	}
	r.settled()
}

// TestKinds_AreNeverMixed edits a profile while a worker of the one before runs: a request must be allowed by both.
func TestKinds_AreNeverMixed(t *testing.T) {
	t.Parallel()
	edited := strings.NewReplacer(
		`{path: /closed, closed: true}`, `{path: /closed, permission: "query:run"}`,
		`{path: /query, permission: "query:run"}`, `{path: /query, closed: true}`,
		`{methods: [POST], path: /upload, permission: "document:write"}`, `{methods: [POST], path: /upload, permission: "query:run"}`,
		`upgrades: [websocket]`, `strip: [X-Other-Thing]`, `strip: [X-Secret-Thing]`, ``,
	).Replace(testKind)
	r := newRig(t, echo, func(r *rig) {
		r.inForce() // the worker is of the profile before
		r.settings.Kinds = oneKind{mustKind(r.tb, edited)}
	})
	for name, test := range map[string]struct {
		method, path, key string
		code              string // blank: served
	}{
		"closed by the new one":            {http.MethodGet, "/w/alpha/query", adminKey, "route_closed"},
		"opened by the new one":            {http.MethodGet, "/w/alpha/closed", adminKey, "route_closed"},
		"less is needed by the new one":    {http.MethodPost, "/w/alpha/upload", readerKey, "permission_denied"},
		"enough for both":                  {http.MethodPost, "/w/alpha/upload", adminKey, ""},
		"the same in both":                 {http.MethodGet, "/w/alpha/query/x", readerKey, ""},
		"the same in both, in another way": {http.MethodGet, "/w/alpha/", readerKey, ""},
	} {
		got := r.do(test.method, test.path, http.Header{"X-Api-Key": {test.key}}, "")
		if got.code() != test.code || test.code == "" && got.status != http.StatusOK {
			t.Errorf("%s: got %d %q, want %q", name, got.status, got.code(), test.code)
		}
	}
	r.settled()
}

func TestKinds_WorkerGetsRequestsByItsOwnProfile(t *testing.T) {
	t.Parallel()
	headers := make(chan http.Header, 1)
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) { headers <- r.Header }, func(r *rig) {
		r.inForce()
		r.settings.Kinds = oneKind{mustKind(r.tb, strings.Replace(testKind, "X-Secret-Thing", "X-Other-Thing", 1))}
	})
	r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Api-Key": {adminKey}, "X-Secret-Thing": {"x"}, "X-Other-Thing": {"y"}}, "")
	if got := <-headers; got.Get("X-Secret-Thing") != "" || got.Get("X-Other-Thing") != "y" {
		t.Errorf("the worker got %v", got)
	}
}

func TestPrefer_BoundsTheWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prefer  []string
		wait    time.Duration // of the wish; 0 is the pool's own
		applied string
	}{
		"none":                  {nil, 0, ""},
		"less":                  {[]string{"wait=5"}, 5 * time.Second, "wait=5"},
		"as much":               {[]string{"wait=25"}, 25 * time.Second, "wait=25"},
		"more than the pool":    {[]string{"wait=26"}, 0, ""},
		"more than there is":    {[]string{"wait=99999999999999999"}, 0, ""},
		"more than a number":    {[]string{"wait=99999999999999999999999"}, 0, ""},
		"not at all":            {[]string{"wait=0"}, time.Nanosecond, "wait=0"},
		"below nothing":         {[]string{"wait=-1"}, 0, ""},
		"no number":             {[]string{"wait=soon"}, 0, ""},
		"without a value":       {[]string{"wait"}, 0, ""},
		"among others":          {[]string{"respond-async, Wait = 7; x=y, return=minimal"}, 7 * time.Second, "wait=7"},
		"in the second header":  {[]string{"return=minimal", "wait=8"}, 8 * time.Second, "wait=8"},
		"the first of two":      {[]string{"wait=3, wait=4"}, 3 * time.Second, "wait=3"},
		"quoted":                {[]string{`wait="6"`}, 6 * time.Second, "wait=6"},
		"another with its name": {[]string{"waiting=5"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, echo)
			got := r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Api-Key": {adminKey}, "Prefer": test.prefer}, "")
			if wishes := r.pool.wished(); got.status != http.StatusOK || len(wishes) != 1 || wishes[0].Wait != test.wait {
				t.Errorf("got %d and the wishes %+v, want to wait %v", got.status, wishes, test.wait)
			}
			if applied := got.header.Get("Preference-Applied"); applied != test.applied {
				t.Errorf("applied %q, want %q", applied, test.applied)
			}
		})
	}
}

func TestPrefer_IsToldWithARefusalToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	r.pool.refuse(func(context.Context, workspace.Ref, supervisor.Wish) error { return &supervisor.WaitError{} })
	got := r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Api-Key": {adminKey}, "Prefer": {"wait=1"}}, "")
	if got.code() != "worker_timeout" || got.header.Get("Preference-Applied") != "wait=1" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}
