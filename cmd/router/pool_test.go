package main

import (
	"strings"
	"testing"

	"workspace-router/internal/admin"
)

func TestPoolLine_SaysWhatIsTakenOfWhat(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	cases := map[string]struct {
		pool admin.Pool
		want string
	}{
		"empty": {admin.Pool{MaxWorkers: 50, MemoryBudget: 4 * gib, FilesBudget: 800}, "\n0 of 50 workers, memory - of 4.0 GiB, descriptors 0 of 800\n"},
		"in use": {
			admin.Pool{
				Workers: map[string]int{"ready": 2, "stopping": 1, "draining": 0}, MaxWorkers: 3, MemoryBytes: gib / 2, MemoryBudget: gib, Files: 90, FilesBudget: 800,
				Waiters: 7, NextVictim: "acme.alpha",
			},
			"\n3 of 3 workers (2 ready, 1 stopping), memory 512.0 MiB of 1.0 GiB, descriptors 90 of 800, 7 waiting, next to go: acme.alpha\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := poolLine(&out, tc.pool); err != nil || out.String() != tc.want {
				t.Errorf("got %q (%v), want %q", out.String(), err, tc.want)
			}
		})
	}
}

// The line is for people: a table says it where the pool may be seen, and no other form does.
func TestWorkerList_EndsWithThePool(t *testing.T) {
	t.Parallel()
	for name, pool := range map[string]answers{
		"seen":   {"GET /api/v1/workers": {200, "[]"}, "GET /api/v1/pool": {200, `{"max_workers": 5, "memory_budget": 1048576, "files_budget": 9}`}},
		"hidden": {"GET /api/v1/workers": {200, "[]"}, "GET /api/v1/pool": {403, `{"code": "permission_denied"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, pool)
			got := run(t, r.environ(), "worker", "list")
			if shown := strings.Contains(got.out, "0 of 5 workers"); got.code != exitDone || shown != (name == "seen") {
				t.Errorf("exit code %d, the pool is shown: %v\n%s%s", got.code, shown, got.out, got.err)
			}
			if got := run(t, r.environ(), "worker", "list", "-o", "json"); strings.TrimSpace(got.out) != "[]" {
				t.Errorf("as JSON: %q", got.out)
			}
		})
	}
}
