package process

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// The worker is a shell that writes down what it finds.
func TestStart_WhatAWorkerFinds(t *testing.T) {
	t.Parallel()
	r := newRig(t, "PATH="+os.Getenv("PATH"), "HOSTILE_SEEN=yes", "SECRET_OF_THE_ROUTER=no", "HOSTILE_=x=y")
	spec := newSpec(t, "alpha", func(k *kind.Kind) {
		p := &k.Processes[0]
		p.Program = "/bin/sh"
		p.Args = []string{"-c", `umask; pwd; env | sort; ls -l /proc/self/fd | sed -n 's/.*[0-9] -> //p' | sed 's/pipe:.*/pipe/'; grep -E '^(SigIgn|SigBlk|NoNewPrivs)' /proc/self/status; cat conf/{workspace}; exec sleep 1h`}
		p.Set = map[string]string{"OWN": "{workspace} {tenant} {run} {dir} {program_dir} {worker_name}", "LANG": "C"}
		p.Dir = "{dir}/work"
		k.Files = []kind.File{{Path: "{dir}/work/conf/{workspace}", Content: "{\"generation\": \"{generation}\"}\n"}}
		k.Directories = []string{"{dir}/a/b", "{run}/c"}
		k.Ready.Timeout = 1
	})
	w, err := r.Start(r.context(), spec, nil)
	assertCause(t, err, "never_ready")
	data := keeper.Data(r.dir)
	run, dir := data.RunDir(string(spec.Launch)), filepath.Join(r.dir, "workspaces", "alpha")
	var lines []string
	eventually(t, "it has said all", func() bool {
		text, _ := os.ReadFile(data.Log("alpha"))
		lines = strings.Split(string(text), "\n")
		return strings.Contains(string(text), `{"generation"`)
	})
	if info, err := os.Stat(run); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the run directory: %v %v", info, err)
	}
	r.stop(w, true)
	v := w.(*worker).values
	want := []string{
		"0077", dir + "/work",
		"HOME=" + run, "HOSTILE_=x=y", "HOSTILE_SEEN=yes", "LANG=C",
		fmt.Sprintf("OWN=alpha default %s %s /bin %s", run, dir, spec.WorkerName),
		"PATH=" + os.Getenv("PATH"), "PWD=" + dir + "/work", "TMPDIR=" + run + "/tmp",
		fmt.Sprintf("%s=%s:%s:%s", keeper.MarkName, r.id, spec.Launch, v.nonce),
		"/dev/null", "pipe", "pipe", "/proc/PID/fd",
		"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "NoNewPrivs:\t1",
		fmt.Sprintf(`{"generation": "%s"}`, spec.Ref.Generation),
	}
	var got []string
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "keeper:"), line == "", strings.HasPrefix(line, "SHLVL"), strings.HasPrefix(line, "_="), strings.HasPrefix(line, "OLDPWD"):
		case strings.HasPrefix(line, "/proc/"):
			got = append(got, "/proc/PID/fd")
		default:
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the worker found (-want +got):\n%s", diff)
	}
	for _, path := range []string{dir, dir + "/a/b", dir + "/work"} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	if info, err := os.Stat(dir + "/work/conf/alpha"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}
}

// A launch may have an environment of its own to choose from, instead of the driver's.
func TestStart_EnvironOfTheLaunch(t *testing.T) {
	t.Parallel()
	r := newRig(t, "HOSTILE_CLAIM_WORKSPACE=other")
	spec := newSpec(t, "alpha")
	if failed := r.fail(spec); failed.Cause != supervisor.CauseWrongIdentity {
		t.Errorf("with the driver's: %v", failed)
	}
	spec.Launch, spec.Environ = newLaunch(t), []string{"PATH=/usr/bin:/bin"}
	r.start(spec)
}

// No secret is where another user could read it: in arguments, in logs, in records.
func TestStart_SecretsStaySecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha")).(*worker)
	root := w.root().PID
	places := map[string]string{"log of the driver": fmt.Sprint(r.logs.All())}
	for _, path := range []string{
		fmt.Sprintf("/proc/%d/cmdline", root), keeper.Data(r.dir).Record(string(w.spec.Launch)),
		keeper.Data(r.dir).KeeperLog(), keeper.Data(r.dir).Log("alpha"),
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		places[path] = string(text)
	}
	for place, text := range places {
		if strings.Contains(text, w.values.secret) {
			t.Errorf("%s holds the secret", place)
		}
	}
	if len(w.values.secret) < 43 || w.values.secret == w.values.nonce {
		t.Error("the secret is no 256 bits of its own")
	}
}

func TestUsage_CountsAllProcesses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	plain := r.start(newSpec(t, "plain"))
	large := r.start(newSpec(t, "large", set("HOSTILE_HOLD_MEMORY=67108864", "HOSTILE_FORK_AWAY=2")))
	eventually(t, "the orphans run", func() bool { return len(workersOf(t, r.dir, large.Spec().Launch)) == 3 })
	r.census.mu.Lock()
	r.census.at = r.census.at.Add(-2 * censusAge)
	r.census.mu.Unlock()
	small, err := plain.Usage(r.context())
	if err != nil {
		t.Fatal(err)
	}
	big, err := large.Usage(r.context())
	if err != nil {
		t.Fatal(err)
	}
	if big.PSS < 64<<20 || big.PSS < small.PSS+60<<20 || small.PSS < 100<<10 || small.PSS > 60<<20 {
		t.Errorf("PSS: %d and %d", small.PSS, big.PSS)
	}
	if small.Files < 4 || big.Files < small.Files+6 {
		t.Errorf("descriptors: %d and %d", small.Files, big.Files)
	}
	if small.PID != plain.(*worker).root().PID {
		t.Errorf("pid %d, want the root's", small.PID)
	}
	r.stop(plain, true)
	if _, err := plain.Usage(r.context()); err == nil {
		t.Error("a worker that is gone has no usage")
	}
}

func TestStart_FiftyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var group sync.WaitGroup
	for i := range 50 {
		spec := newSpec(t, fmt.Sprintf("w%d", i))
		group.Go(func() {
			w, err := r.Start(r.context(), spec, nil)
			if err != nil {
				t.Errorf("start %d: %v", i, err)
				return
			}
			if i%2 == 0 {
				if err := w.Stop(r.context(), i%4 == 0); err != nil {
					t.Errorf("stop %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
	if live := len(processes(t, r.dir)); live != 25 {
		t.Errorf("%d launches live, want 25", live)
	}
}

func TestStart_WorkerIsBranded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha")).(*worker)
	var limit unix.Rlimit
	if err := unix.Prlimit(w.root().PID, unix.RLIMIT_LOCKS, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if brand := keeper.NewBrand(r.id, string(w.spec.Launch)); limit.Max != uint64(brand) || limit.Cur != uint64(brand) {
		t.Errorf("the brand is %+v, want %d", limit, brand)
	}
}

// The limit of descriptors that a worker finds is the one that the router's user has, not what Go's runtime makes of it
// in the keeper; or the one that was asked for.
func TestKeeper_LimitsDescriptors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := r.connected(r.context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(r.context(), "/bin/sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		t.Fatal(err)
	}
	inherited := strings.TrimSpace(string(out))
	for files, want := range map[uint64]string{0: inherited, 123: "123"} {
		spec := newSpec(t, fmt.Sprintf("files-%d", files))
		w, command, err := (&start{driver: r.Driver, spec: spec}).prepare(l)
		if err != nil {
			t.Fatal(err)
		}
		command.Program, command.Args, command.Files = "/bin/sh", []string{"sh", "-c", "ulimit -Sn"}, files
		if err := l.send(keeper.Message{Start: command}); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, w)
		if got := w.Exit().LastLog; len(got) != 1 || got[0] != want {
			t.Errorf("limit %d: the worker finds %q, want %s", files, got, want)
		}
	}
}

func TestRecord_SaysWhatASuccessorNeeds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha")).(*worker)
	text, err := os.ReadFile(keeper.Data(r.dir).Record(string(w.spec.Launch)))
	if err != nil {
		t.Fatal(err)
	}
	root := w.root()
	if mayContain() { // what the keeper has forked, and the kernel ends with it, is above the program
		program, err := proc.Read(root.PID)
		if err != nil {
			t.Fatal(err)
		}
		above, err := proc.Read(program.Parent)
		if err != nil {
			t.Fatal(err)
		}
		root = above.ID
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"version": 1.0, "launch": string(w.spec.Launch), "generation": string(w.spec.Ref.Generation), "workspace": "alpha",
		"nonce": w.values.nonce, "pid": float64(root.PID), "start": float64(root.Start),
	}
	delete(record, "boot")
	delete(record, "at")
	if diff := cmp.Diff(want, record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
