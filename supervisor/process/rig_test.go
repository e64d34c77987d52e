package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// kindFile is a variable that names the profile where the tree is out of reach.
const kindFile = "PROCESS_TEST_KIND"

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// rig is a driver that runs with the real keeper over a data directory of its own.
type rig struct {
	*Driver
	t    testing.TB
	dir  string
	logs *observer.ObservedLogs
}

// newRig starts a driver. At the test's end it must leave nothing behind.
func newRig(t testing.TB, environ ...string) *rig {
	t.Helper()
	r := newRigIn(t, dataDir(t), environ...)
	t.Cleanup(func() { assertNoLeftovers(t, r.dir) })
	t.Cleanup(r.close)
	return r
}

// dataDir is short, because sockets below it have a limit.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newRigIn(t testing.TB, dir string, environ ...string) *rig {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	d, err := New(Config{Data: dir, KeeperPath: keeperProgram(), ExeDir: programs, Environ: environ}, Deps{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	r := &rig{Driver: d, t: t, dir: dir, logs: logs}
	if _, err := d.Recover(r.context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) close() {
	if err := r.Close(r.context()); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	if r.t.Failed() {
		own, _ := os.ReadFile(keeper.Data(r.dir).KeeperLog())
		r.t.Logf("the keeper: %s", own)
		if r.logs != nil {
			r.t.Logf("the driver: %v", r.logs.All())
		}
	}
}

// context ends with the test's patience, not with the test: cleaning up needs one too.
func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// hostileKind reads the profile of test/hostile.
func hostileKind(t testing.TB, change ...func(*kind.Kind)) *kind.Kind {
	t.Helper()
	path := cmp.Or(os.Getenv(kindFile), filepath.Join("..", "..", "test", "hostile", "hostile.yaml"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kind.Decode(path, text)
	if err != nil {
		t.Fatal(err)
	}
	k.Stop.Grace = time.Second
	for _, f := range change {
		f(k)
	}
	return k
}

// witness gives an empty file for HOSTILE_WITNESS. It is in nobody's directory; set opens it to the worker.
func witness(t testing.TB) string {
	t.Helper()
	path := filepath.Join(dataDir(t), "witness")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// swept, among the variables for set, has the worker live among the machine's processes, as it does where the machine
// gives it no PID namespace of its own.
const swept = "TEST_SWEPT"

// set gives variables to the worker.
func set(variables ...string) func(*kind.Kind) {
	return func(k *kind.Kind) {
		for _, variable := range variables {
			name, value, _ := strings.Cut(variable, "=")
			if name == swept {
				k.Isolation.PIDNamespace = kind.IsolationOff
				continue
			}
			k.Processes[0].Set[name] = value
			if name == "HOSTILE_WITNESS" {
				k.Isolation.Write = append(k.Isolation.Write, value)
			}
		}
	}
}

func newSpec(t testing.TB, name string, change ...func(*kind.Kind)) supervisor.Spec {
	t.Helper()
	generation := workspace.Generation(fmt.Sprintf("%s-%s-%s-%s-%s", random(t, 4), random(t, 2), random(t, 2), random(t, 2), random(t, 6)))
	return supervisor.Spec{
		Ref:        workspace.Ref{Tenant: workspace.DefaultTenant, Name: workspace.Name(name), Generation: generation},
		WorkerName: generation.WorkerName(),
		Kind:       hostileKind(t, change...),
		Launch:     newLaunch(t),
	}
}

func newLaunch(t testing.TB) supervisor.LaunchID { return supervisor.LaunchID(random(t, 4)) }

func random(t testing.TB, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// phases records what a start reports.
type phases struct {
	mu   sync.Mutex
	list []supervisor.Phase
}

func (p *phases) report(progress supervisor.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, progress.Phase)
}

// start must succeed.
func (r *rig) start(spec supervisor.Spec) supervisor.Worker {
	r.t.Helper()
	w, err := r.Start(r.context(), spec, nil)
	if err != nil {
		r.t.Fatalf("Start: %v\n%s", err, workerLog(r.dir, spec))
	}
	return w
}

// fail must not succeed; what it leaves is stopped.
func (r *rig) fail(spec supervisor.Spec) *supervisor.StartError {
	r.t.Helper()
	w, err := r.Start(r.context(), spec, nil)
	if err == nil {
		r.t.Fatal("Start succeeded")
	}
	if w != nil {
		r.stop(w, true)
	}
	var failed *supervisor.StartError
	if !errors.As(err, &failed) {
		r.t.Fatalf("Start: got %v, want a *StartError", err)
	}
	return failed
}

func (r *rig) stop(w supervisor.Worker, force bool) {
	r.t.Helper()
	if err := w.Stop(r.context(), force); err != nil {
		r.t.Fatalf("Stop: %v", err)
	}
	awaitGone(r.t, w)
}

func awaitGone(t testing.TB, w supervisor.Worker) {
	t.Helper()
	await(t, "gone", w.Gone())
}

func await(t testing.TB, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Fatalf("not %s after %v", what, patience)
	}
}

// eventually polls for what no channel tells.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func workerLog(dir string, spec supervisor.Spec) string {
	text, _ := os.ReadFile(keeper.Data(dir).Log(spec.Ref.String()))
	own, _ := os.ReadFile(keeper.Data(dir).KeeperLog())
	return string(text) + string(own)
}

// assertNoLeftovers fails if anything is left that the launches of a data directory started: processes, locks, run
// directories, records.
func assertNoLeftovers(t testing.TB, dir string) {
	t.Helper()
	for launch, stats := range processes(t, dir) {
		for _, stat := range stats {
			t.Errorf("process %d of launch %s is left: %+v", stat.PID, launch, stat)
		}
	}
	data := keeper.Data(dir)
	locks, err := os.ReadDir(filepath.Dir(data.KeeperLock()))
	if err != nil {
		t.Error(err)
	}
	for _, entry := range locks {
		lock, err := keeper.Lock(filepath.Join(filepath.Dir(data.KeeperLock()), entry.Name()))
		if err != nil {
			t.Errorf("a lock is held: %v", err)
			continue
		}
		lock.Close()
	}
	runs, err := os.ReadDir(data.Run())
	if err != nil {
		t.Error(err)
	}
	for _, entry := range runs {
		if entry.Name() != filepath.Base(data.Records()) {
			t.Errorf("the run directory %q is left", entry.Name())
		}
	}
	records, err := os.ReadDir(data.Records())
	if err != nil {
		t.Error(err)
	}
	for _, entry := range records {
		t.Errorf("the record %q is left", entry.Name())
	}
}

// proofs are the ways by which this machine can prove a launch gone, each with the variable for set that chooses it.
func proofs() map[string][]string {
	if mayContain() {
		return map[string][]string{"pidns": nil, "sweep": {swept}}
	}
	return map[string][]string{"sweep": nil}
}

// mayContain reports whether the tests' user may make PID namespaces, of which this test needs one more than it finds.
func mayContain() bool { return os.Getuid() == 0 }

// workersOf gives what a launch's program has started and itself, without what the keeper has put above it.
func workersOf(t testing.TB, dir string, launch supervisor.LaunchID) (list []proc.Stat) {
	t.Helper()
	for _, stat := range processes(t, dir)[string(launch)] {
		if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", stat.PID)); err != nil || program != keeperProgram() {
			list = append(list, stat)
		}
	}
	return list
}

// processes gives what runs of a data directory's launches, by launch.
func processes(t testing.TB, dir string) map[string][]proc.Stat {
	t.Helper()
	id, err := keeper.IdentifyData(dir)
	if err != nil {
		t.Fatal(err)
	}
	census, err := proc.Take(proc.Scope{Data: id, Everything: true})
	if err != nil {
		t.Fatal(err)
	}
	return census.Members
}
