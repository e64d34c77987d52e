package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// hold starts n requests that stay with the worker, and gives what lets them end.
func (r *rig) hold(n int, path string, arrived <-chan struct{}) (wait func()) {
	r.tb.Helper()
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			response, err := r.open(context.WithoutCancel(r.tb.Context()), http.MethodGet, path, nil)
			if err != nil {
				r.tb.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		})
	}
	for range n {
		receive(r.tb, "a request to arrive", arrived)
	}
	return group.Wait
}

// One workspace's flood is shed while the others are served; when all are too many, everybody is told when to come again,
// but those who ask how the router is.
func TestAdmission_ShedsWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprint(w, "served")
	}, withSettings(func(s *Settings) { s.MaxInFlight, s.MaxInFlightPerWorkspace = 5, 3 }))
	waitAlpha := r.hold(3, "/w/alpha/query", arrived)
	shed := r.get("/w/alpha/query")
	if shed.status != http.StatusServiceUnavailable || shed.code() != "overloaded" || shed.header.Get("Retry-After") != "1" {
		t.Errorf("the fourth: got %d %q, retry after %q", shed.status, shed.code(), shed.header.Get("Retry-After"))
	}
	if got := r.pool.acquired.Load(); got != 3 {
		t.Errorf("%d leases were asked for, want 3", got)
	}
	waitBeta := r.hold(2, "/w/beta/query", arrived)
	if got := r.get("/w/default/query"); got.status != http.StatusServiceUnavailable || got.code() != "overloaded" {
		t.Errorf("the sixth of all: got %d %q", got.status, got.code())
	}
	before := r.auth.calls.Load()
	if got := r.get("/query"); got.code() != "overloaded" || r.auth.calls.Load() != before {
		t.Errorf("got %q; it was asked who that is", got.code())
	}
	for _, path := range []string{"/livez", "/readyz", "/api/v1/workers"} {
		if got := r.get(path); got.status != http.StatusOK {
			t.Errorf("%s: got %d under load", path, got.status)
		}
	}
	close(release)
	waitAlpha()
	waitBeta()
	r.settled()
	if got := r.get("/w/alpha/query"); got.status != http.StatusOK {
		t.Errorf("afterwards: got %d", got.status)
	}
	r.recorded(1)
	if open := r.inFlight(); open != "0 []" {
		t.Errorf("after all: %s are counted", open)
	}
}

func (r *rig) inFlight() string {
	a := r.deps.Admission
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []workspace.Generation{}
	for generation := range a.workspaces {
		list = append(list, generation)
	}
	return fmt.Sprint(a.open.Load(), list)
}

// Those who wait for a worker that starts are open requests, too, and whichever way a request ends, its place is free.
func TestAdmission_EveryWayOutGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		worker http.HandlerFunc
		refuse error
		path   string
	}{
		"an answer":          {echo, nil, "/w/alpha/query"},
		"a worker that dies": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "/w/alpha/query"},
		"no room":            {echo, workspace.ErrCapacity, "/w/alpha/query"},
		"no such workspace":  {echo, nil, "/w/nowhere/query"},
		"no such permission": {echo, nil, "/w/alpha/closed"},
		"a redirect":         {echo, nil, "/w/alpha"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.worker)
			if test.refuse != nil {
				r.pool.refuse(func(context.Context, workspace.Ref, supervisor.Wish) error { return test.refuse })
			}
			r.get(test.path)
			r.settled()
			eventually(t, "the place to be free", func() bool { return r.inFlight() == "0 []" })
		})
	}
}
