package process

import (
	"context"
	"testing"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// TestCase2_ARouterKilledWhileItStartsAWorker is case 2, for the state in which nobody but the keeper knows of the
// worker: the next router does not serve it, and stops it where it still runs.
func TestCase2_ARouterKilledWhileItStartsAWorker(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{"to be stopped": nil, "to be kept": {keepWorkers}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			router := routerCommand(t, dir, append(settings, "HOSTILE_SLOW_START=1h")...)
			if err := router.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a worker runs that is not ready", func() bool { return len(processes(t, dir)) == 1 })
			kill(t, router)
			next := newKeeping(t, dir, time.Minute, func(_ context.Context, ref workspace.Ref) (supervisor.Spec, error) {
				return supervisor.Spec{Ref: ref, Kind: hostileKind(t)}, nil
			})
			for launch, w := range next.recovered() {
				if _, served := w.Endpoint(kind.HTTPEndpoint); served {
					t.Errorf("launch %s was never ready, and is served", launch)
				}
				next.stop(w, true)
			}
			if left := processes(t, dir); len(left) > 0 {
				t.Errorf("these still run: %+v", left)
			}
			next.start(newSpec(t, "other"))
			next.finish()
		})
	}
}
