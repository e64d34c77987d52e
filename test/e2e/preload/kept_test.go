package preload

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
	"workspace-router/supervisor/process"
)

// A preloader and its workers outlive their router, and a keeper that goes on with another program: the next router's
// launches are forked from it.
func TestPreload_IsTakenOver(t *testing.T) {
	t.Parallel()
	for name, change := range surroundings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pythons[0], process.Config{Keep: time.Minute}, change)
			spec := r.spec("alpha")
			w := r.startForked(spec)
			before, pid := r.mustAsk(w), r.preloader()
			if err := r.Close(r.context()); err != nil {
				t.Fatal(err)
			}

			other := filepath.Join(r.place, "keeper")
			text, err := os.ReadFile(binaries.Path("keeper"))
			if err == nil {
				err = os.WriteFile(other, text, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			r.logs.TakeAll()
			next, err := process.New(process.Config{Data: r.dir, KeeperPath: other, ExeDir: r.place}, process.Deps{
				Logger:   zap.New(r.core),
				Describe: func(context.Context, workspace.Ref) (supervisor.Spec, error) { return spec, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			r.Driver = next
			go func() { _ = next.Run(context.Background()) }()
			survivors, err := next.Recover(r.context())
			if err != nil || len(survivors) != 1 {
				t.Fatalf("got %d survivors, %v", len(survivors), err)
			}
			if a := r.mustAsk(survivors[0]); a.PID != before.PID {
				t.Errorf("got %+v, before it was %+v", a, before)
			}
			r.await("the keeper's new program", "the keeper goes on")
			w = r.start(r.spec("beta"))
			if a := r.mustAsk(w); !w.forked() || a.ImportedBy != before.ImportedBy {
				t.Errorf("got %+v, want it forked from process %d as before; %s", a, pid, w.isolation)
			}
		})
	}
}
