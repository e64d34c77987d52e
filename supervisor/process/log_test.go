package process

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
)

// A worker that floods its output is not slowed by its log, the log keeps its bounds, and the last lines are its last.
func TestCase8_FloodOfOutput(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	d, err := New(Config{Data: dir, KeeperPath: keeperProgram(), ExeDir: programs, LogLimit: 1 << 20}, Deps{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(t.Context()) }()
	r := &rig{Driver: d, t: t, dir: dir}
	defer r.close()
	failed := r.fail(newSpec(t, "alpha", set("HOSTILE_FLOOD=50000000", "HOSTILE_LONG_LINE=100000", "HOSTILE_EXIT=3")))
	if last := failed.LastLog[len(failed.LastLog)-1]; !strings.Contains(last, "ends with status 3") {
		t.Errorf("the last line is %q", last)
	}
	path := keeper.Data(dir).Log("alpha")
	for _, name := range []string{path, path + ".1", path + ".2"} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 1<<20 || info.Size() == 0 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if failed.Elapsed > 15*time.Second {
		t.Errorf("50 MB of output took %v", failed.Elapsed)
	}
}

// A worker that closes its output loses nothing else.
func TestCase8_OutputClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha", set("HOSTILE_CLOSE_OUTPUT=1")))
	endpoint, _ := w.Endpoint("http")
	if status, _ := get(t, endpoint, "/echo"); status != 200 {
		t.Errorf("status %d", status)
	}
	r.stop(w, false)
}
