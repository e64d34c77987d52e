package process

import (
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
	"workspace-router/supervisor/drivertest"
)

func TestDriver_Conforms(t *testing.T) {
	t.Parallel()
	faults := map[drivertest.Fault]func(*kind.Kind){
		drivertest.Plain:         set(),
		drivertest.NeverReady:    set("HOSTILE_NEVER_READY=1"),
		drivertest.ExitsAtOnce:   set("HOSTILE_EXIT=3"),
		drivertest.Deaf:          set("HOSTILE_IGNORE_TERM=1"),
		drivertest.LeavesBehind:  set("HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=1"),
		drivertest.WrongIdentity: set("HOSTILE_CLAIM_INSTANCE=other"),
	}
	var names atomic.Int64
	drivertest.Run(t, drivertest.Harness{
		New: func(t *testing.T) supervisor.Driver { return newRig(t).Driver },
		Spec: func(t *testing.T, fault drivertest.Fault) supervisor.Spec {
			return newSpec(t, fmt.Sprintf("w%d", names.Add(1)), faults[fault])
		},
		Again: func(t *testing.T, spec supervisor.Spec) supervisor.Spec {
			spec.Launch = newLaunch(t)
			return spec
		},
		Crash: func(t *testing.T, w supervisor.Worker) {
			if err := unix.Kill(w.(*worker).root().PID, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		},
		Running: func(t *testing.T, d supervisor.Driver, launch supervisor.LaunchID) int {
			return len(processes(t, d.(*Driver).config.Data)[string(launch)])
		},
		Patience: patience,
	})
}
