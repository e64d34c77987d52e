package process

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// Every way in which a start fails has its own cause, and leaves nothing.
func TestCase8_AStartFailsWithACause(t *testing.T) {
	t.Parallel()
	script := func(text string, mode os.FileMode) func(*kind.Kind) {
		return func(k *kind.Kind) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			k.Processes[0].Program = path
		}
	}
	tests := map[string]struct {
		change  func(*kind.Kind)
		environ []string
		cause   supervisor.Cause
		phase   supervisor.Phase
		says    string // in the error
		log     string // in the last lines of the worker
	}{
		"no such program":       {change: func(k *kind.Kind) { k.Processes[0].Program = "no-such-program" }, cause: supervisor.CauseProgramMissing, phase: supervisor.PhaseQueued, says: "kind.hostile.program says, or ROUTER_KIND_HOSTILE_PROGRAM"},
		"no such path":          {change: func(k *kind.Kind) { k.Processes[0].Program = "/no/such/program" }, cause: supervisor.CauseProgramMissing, phase: supervisor.PhaseQueued, says: "/no/such/program"},
		"not executable":        {change: script("#!/bin/sh\n", 0o600), cause: supervisor.CausePermissionDenied, phase: supervisor.PhaseQueued, says: "not an executable file"},
		"a directory":           {change: func(k *kind.Kind) { k.Processes[0].Program = "/tmp" }, cause: supervisor.CausePermissionDenied, phase: supervisor.PhaseQueued},
		"no interpreter":        {change: script("#!/no/such/interpreter\n", 0o700), cause: supervisor.CauseProgramMissing, phase: supervisor.PhaseQueued, says: "cannot execute"},
		"no format":             {change: script("neither script nor program", 0o700), cause: supervisor.CauseInternal, phase: supervisor.PhaseQueued, says: "exec format error"},
		"exits with 0":          {change: set("HOSTILE_EXIT=0"), cause: supervisor.CauseExited, phase: supervisor.PhaseSpawned, says: "status 0", log: "ends with status 0, as asked"},
		"exits with 3":          {change: set("HOSTILE_EXIT=3", "HOSTILE_FORK_AWAY=1"), cause: supervisor.CauseExited, phase: supervisor.PhaseSpawned, says: "status 3", log: "ends with status 3, as asked"},
		"binds twice":           {change: set("HOSTILE_DOUBLE_BIND=1"), cause: supervisor.CauseExited, phase: supervisor.PhaseSpawned, says: "status 1", log: "cannot bind twice"},
		"never ready":           {change: both(set("HOSTILE_NEVER_READY=1"), readyWithin(200*time.Millisecond)), cause: supervisor.CauseNeverReady, phase: supervisor.PhaseSpawned, says: "status 503", log: "hostile: serves"},
		"never listens":         {change: both(set("HOSTILE_SLOW_START=1h"), readyWithin(200*time.Millisecond)), cause: supervisor.CauseNeverReady, phase: supervisor.PhaseSpawned, says: "200ms"},
		"another's instance":    {change: set("HOSTILE_CLAIM_INSTANCE=other"), cause: supervisor.CauseWrongIdentity, phase: supervisor.PhaseReady, says: `"/instance"`},
		"another's workspace":   {change: set("HOSTILE_CLAIM_WORKSPACE=other"), cause: supervisor.CauseWrongIdentity, phase: supervisor.PhaseReady, says: `"/configuration/workspace"`},
		"no identity":           {change: func(k *kind.Kind) { k.Identity[0].Pointer = "/nowhere" }, cause: supervisor.CauseWrongIdentity, phase: supervisor.PhaseReady, says: `"/nowhere"`},
		"refused variable":      {environ: []string{"HOSTILE_FORBIDDEN=1"}, cause: supervisor.CauseEnvironment, phase: supervisor.PhaseQueued, says: "HOSTILE_FORBIDDEN"},
		"two processes":         {change: func(k *kind.Kind) { k.Processes = append(k.Processes, k.Processes[0]) }, cause: supervisor.CauseInternal, phase: supervisor.PhaseQueued, says: "2 processes"},
		"unknown placeholder":   {change: set("X={nonsense}"), cause: supervisor.CauseInternal, phase: supervisor.PhaseQueued, says: "{nonsense}"},
		"a directory elsewhere": {change: func(k *kind.Kind) { k.Directories = []string{"{dir}/../other"} }, cause: supervisor.CauseInternal, phase: supervisor.PhaseQueued, says: "neither"},
		"exits in a flood":      {change: set("HOSTILE_EXIT=5", "HOSTILE_FLOOD=1000000"), cause: supervisor.CauseExited, phase: supervisor.PhaseSpawned, says: "status 5", log: "ends with status 5"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.environ...)
			if test.change == nil {
				test.change = func(*kind.Kind) {}
			}
			failed := r.fail(newSpec(t, "alpha", test.change))
			if failed.Cause != test.cause || failed.Phase != test.phase {
				t.Errorf("got cause %q after %q, want %q after %q: %v", failed.Cause, failed.Phase, test.cause, test.phase, failed)
			}
			if !strings.Contains(failed.Error(), test.says) {
				t.Errorf("got %q, want it to name %q", failed, test.says)
			}
			if !strings.Contains(strings.Join(failed.LastLog, "\n"), test.log) {
				t.Errorf("got the last lines %q, want %q among them", failed.LastLog, test.log)
			}
			if len(test.environ) == 0 {
				r.start(newSpec(t, "beta")) // the driver goes on
			}
		})
	}
}

func both(first, second func(*kind.Kind)) func(*kind.Kind) {
	return func(k *kind.Kind) { first(k); second(k) }
}

func readyWithin(d time.Duration) func(*kind.Kind) {
	return func(k *kind.Kind) { k.Ready.Timeout = d }
}

// A worker that has ended, or was refused, before its start looks for the keeper's word is not taken for one that was
// lost with its keeper: the cause is always its own.
func TestStart_EndsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha")
	spec.Kind.Processes[0].Program = "/bin/false"
	for range 30 {
		spec.Launch = newLaunch(t)
		if failed := r.fail(spec); failed.Cause != supervisor.CauseExited {
			t.Fatalf("got the cause %q: %v", failed.Cause, failed)
		}
	}
}

func TestStart_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(r.context())
	spec := newSpec(t, "alpha", set("HOSTILE_SLOW_START=1h"))
	w, err := r.Start(ctx, spec, func(p supervisor.Progress) {
		if p.Phase == supervisor.PhaseSpawned {
			cancel()
		}
	})
	var failed *supervisor.StartError
	if !errors.As(err, &failed) || failed.Cause != supervisor.CauseCancelled || w == nil {
		t.Fatalf("got %v with worker %v, want it cancelled", err, w)
	}
	if _, found := w.Endpoint("http"); found {
		t.Error("a worker that was never ready has an endpoint")
	}
	r.stop(w, false)
}

func TestS1_DirectoryBelongsToOneGeneration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := newSpec(t, "alpha")
	r.stop(r.start(first), false)
	again := first
	again.Launch = newLaunch(t)
	r.stop(r.start(again), false)

	failed := r.fail(newSpec(t, "alpha"))
	if failed.Cause != supervisor.CauseDirectoryMismatch || !strings.Contains(failed.Error(), string(first.Ref.Generation)) {
		t.Errorf("another generation: %v", failed)
	}
	other := filepath.Join(r.dir, "workspaces", "beta")
	if err := os.MkdirAll(filepath.Join(other, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if failed := r.fail(newSpec(t, "beta")); failed.Cause != supervisor.CauseDirectoryMismatch {
		t.Errorf("data without a marker: %v", failed)
	}
	// A crash between making the directory and marking it leaves it empty, or with half a marker.
	half := filepath.Join(r.dir, "workspaces", "gamma")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, markerTemp), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(newSpec(t, "gamma"))
}

func TestS1_LockedGenerationIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha")
	w := r.start(spec)
	second := spec
	second.Launch = newLaunch(t)
	if failed := r.fail(second); failed.Cause != supervisor.CauseLocked {
		t.Errorf("a second launch beside the first: %v", failed)
	}
	r.stop(w, false)
	lock, err := keeper.Lock(keeper.Data(r.dir).GenerationLock(string(spec.Ref.Generation)))
	if err != nil {
		t.Fatal(err)
	}
	if failed := r.fail(second); failed.Cause != supervisor.CauseLocked {
		t.Errorf("with the lock held elsewhere: %v", failed)
	}
	lock.Close()
	r.start(second)
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ data, says string }{
		"too long":     {data: long, says: "too long"},
		"relative":     {data: "data", says: "not absolute"},
		"not there":    {data: "/no/such/directory", says: "no such file"},
		"no directory": {data: file, says: "is no directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(Config{Data: test.data, KeeperPath: "/keeper"}, Deps{})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
}

func TestTail_IsThisLaunchsAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	begins := func(launch string) string {
		return "keeper: 2026-01-01T00:00:00Z launch " + launch + " of alpha begins\n"
	}
	long := strings.Repeat(strings.Repeat("x", 1000)+"\n", 30)
	tests := map[string]struct {
		text string
		want []string
	}{
		"lines":         {begins("aaaaaaaa") + "old\n" + begins("bbbbbbbb") + "one\ntwo\n", []string{"one", "two"}},
		"none yet":      {begins("aaaaaaaa") + "old\n" + begins("bbbbbbbb"), nil},
		"not begun":     {begins("aaaaaaaa") + "old\n", nil},
		"no file":       {"", nil},
		"no line's end": {begins("bbbbbbbb") + "one\ntw", []string{"one", "tw"}},
		"long lines":    {begins("bbbbbbbb") + long + "last\n", append(slices.Repeat([]string{strings.Repeat("x", 512)}, 15), "last")},
	}
	for name, test := range tests {
		if test.text != "" {
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			os.Remove(path)
		}
		got := tail(path, "bbbbbbbb")
		if name == "long lines" && len(got) > 1 {
			got = append(slices.Repeat(got[:1], 15), got[len(got)-1]) // how many fit is of no matter
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A worker that ends after it was ready says how, with its last words, and that nobody had asked for it.
func TestWorker_EndsByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tc := range map[string]struct {
		fault string
		code  int
	}{
		"ready then dead": {"HOSTILE_EXIT_AFTER=300ms", 3},
		"under load":      {"HOSTILE_DIE_AFTER_REQUESTS=5", 4},
	} {
		w := r.start(newSpec(t, strings.Fields(name)[0], set(tc.fault)))
		endpoint, found := w.Endpoint(kind.HTTPEndpoint)
		if !found {
			t.Fatal("it has no endpoint")
		}
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.Dial(ctx) }
		client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
		for err := error(nil); err == nil; {
			request, _ := http.NewRequestWithContext(r.context(), http.MethodGet, "http://worker/echo", nil)
			request.Header = endpoint.Header.Clone()
			var response *http.Response
			if response, err = client.Do(request); err == nil {
				response.Body.Close()
			}
		}
		awaitGone(t, w)
		exit := w.Exit()
		if exit.Code != tc.code || exit.Expected || !strings.Contains(strings.Join(exit.LastLog, "\n"), "hostile: serves") {
			t.Errorf("%s: got %+v", name, exit)
		}
		if _, err := endpoint.Dial(r.context()); !errors.Is(err, errWorkerGone) {
			t.Errorf("%s: a connection after the end: %v", name, err)
		}
	}
}

// Who reads that a program is missing reads where it was looked for, and where to say it.
func TestStart_MissingProgramSaysWhereToNameIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, "PATH=/no/such/bin:/neither")
	for program, want := range map[string][]string{
		"no-such": {`"no-such"`, programs, "/no/such/bin:/neither", "kind.my-kind.program", "ROUTER_KIND_MY_KIND_PROGRAM"},
		"/no/one": {"/no/one", "kind.my-kind.program", "ROUTER_KIND_MY_KIND_PROGRAM"},
		"./here":  {"./here", "absolute path", "kind.my-kind.program"},
	} {
		failed := r.fail(newSpec(t, "alpha", func(k *kind.Kind) { k.Name, k.Processes[0].Program = "my-kind", program }))
		for _, part := range want {
			if !strings.Contains(failed.Error(), part) {
				t.Errorf("%s: got %q, want it to name %q", program, failed, part)
			}
		}
		if failed.Cause != supervisor.CauseProgramMissing {
			t.Errorf("%s: got the cause %q", program, failed.Cause)
		}
	}
}
