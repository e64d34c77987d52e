package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestS12_ThePoolsFiguresAreShownByTheConventions(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	p := NewPool(m)
	p.Watch(m, func() Fill {
		return Fill{Workers: map[string]int{"ready": 2, "starting": 0}, MaxWorkers: 50, Pinned: 1, Leases: 3, Waiters: 4, Queued: 5, Leftovers: 6, Resuming: 1}
	})
	p.ColdStart("embedded", "proven", 15*time.Millisecond)
	p.ColdStart("embedded", "first_byte", 3*time.Second)
	p.Start("ready", "")
	p.Start("failed", "exited")
	p.Stop("room")
	p.Resume("partly")
	p.Refusal("leased")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`workspace_router_cold_start_seconds_bucket{kind="embedded",phase="proven",le="0.01"} 0`,
		`workspace_router_cold_start_seconds_bucket{kind="embedded",phase="proven",le="0.02"} 1`,
		`workspace_router_cold_start_seconds_sum{kind="embedded",phase="first_byte"} 3`,
		`workspace_router_worker_starts_total{cause="",outcome="ready"} 1`,
		`workspace_router_worker_starts_total{cause="exited",outcome="failed"} 1`,
		`workspace_router_worker_stops_total{reason="room"} 1`,
		`workspace_router_worker_resumes_total{outcome="partly"} 1`,
		`workspace_router_leftovers 6`,
		`workspace_router_workers_resuming 1`,
		`workspace_router_pool_refusals_total{reason="leased"} 1`,
		`workspace_router_workers{state="ready"} 2`,
		`workspace_router_workers{state="starting"} 0`,
		`workspace_router_workers_limit 50`,
		`workspace_router_workspaces_pinned 1`,
		`workspace_router_leases 3`,
		`workspace_router_pool_waiters 4`,
		`workspace_router_pool_queued_workspaces 5`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
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
