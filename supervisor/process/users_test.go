package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// someUIDs are nobody's on the machines where tests run.
var someUIDs = UIDs{First: 1_900_000_000, Last: 1_900_000_099}

// newUserRig starts a driver that gives each workspace a user of its own, where the tests' user may.
func newUserRig(t *testing.T, dir string) *rig {
	t.Helper()
	if err := os.Chmod(dir, enterable); err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Data: dir, KeeperPath: keeperProgram(), ExeDir: programs, UIDs: someUIDs}, Deps{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	r := &rig{Driver: d, t: t, dir: dir}
	if _, err := d.Recover(r.context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { assertNoLeftovers(t, dir) })
	t.Cleanup(r.close)
	return r
}

// held gives what holds a worker.
func held(w supervisor.Worker) sandbox.Result { return w.(*worker).spawned.Isolation }

// runsAs gives the users of all that a launch's program has started and itself.
func runsAs(t *testing.T, r *rig, w supervisor.Worker) (ids []int) {
	t.Helper()
	for _, stat := range workersOf(t, r.dir, w.Spec().Launch) {
		info, err := os.Stat(fmt.Sprintf("/proc/%d/stat", stat.PID))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, userOf(t, info))
	}
	return ids
}

func userOf(t *testing.T, info os.FileInfo) int {
	t.Helper()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%v has no owner", info)
	}
	if stat.Uid != stat.Gid {
		t.Errorf("%s: user %d, group %d", info.Name(), stat.Uid, stat.Gid)
	}
	return int(stat.Uid)
}

// ownersBelow gives the user of each file in a directory, and its own.
func ownersBelow(t *testing.T, dir string) map[string]int {
	t.Helper()
	owners := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		owners[strings.TrimPrefix(path, dir)] = userOf(t, info)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return owners
}

// A test of users of workspaces' own needs root. Without, what it would show is shown to be named.
func namedWithoutRoot(t *testing.T) bool {
	t.Helper()
	if os.Getuid() == 0 {
		return false
	}
	r := newUserRig(t, dataDir(t))
	w := r.start(newSpec(t, "alpha"))
	if got := held(w).Missing; !slices.Contains(got, sandbox.MeansUser+" (the router does not run as root)") {
		t.Errorf("it is not named: %q", got)
	}
	return true
}

// With users of their own, workers cannot reach each other although nothing else holds them.
func TestUsers_Attacks(t *testing.T) {
	t.Parallel()
	if namedWithoutRoot(t) {
		return
	}
	for _, view := range []string{kind.IsolationAuto, kind.IsolationOff} {
		t.Run("pid_namespace "+view, func(t *testing.T) {
			t.Parallel()
			r := newUserRig(t, dataDir(t))
			alone := func(k *kind.Kind) { k.Isolation.Landlock, k.Isolation.PIDNamespace = kind.IsolationOff, view }
			s := newSceneOf(t, r, alone)
			if got := held(s.attacker); !slices.Contains(got.Means, sandbox.MeansUser) || !slices.Contains(got.Means, sandbox.MeansCount) {
				t.Fatal(got)
			}
			for _, a := range []struct{ what, on string }{
				{"read", "{data}/admin.key"}, {"read", "{data}/catalog.db"}, {"read", "{data}/locks/keeper"}, {"read", "{own log}"},
				{"read", "{victim}/document"}, {"list", "{data}"}, {"list", "{data}/workspaces"}, {"list", "{data}/run"},
				{"list", "{victim}"}, {"list", "{victim run}"}, {"list", "{data}/run/launches"}, {"write", "{victim}/new"},
				{"remove", "{victim}/document"}, {"link", "{victim}/document"}, {"truncate", "{victim}/document"},
				{"write", "{data}/run/new"}, {"write", "{data}/workspaces/new"}, {"read", "/etc/shadow"},
				{"device", "{own}/memory"}, {"mount", "{own}"}, {"setuid", ""},
				{"signal", "{router pid}"}, {"signal", "{keeper pid}"}, {"signal", "{victim pid}"},
				{"ptrace", "{router pid}"}, {"ptrace", "{keeper pid}"}, {"ptrace", "{victim pid}"},
				{"memory", "{router pid}"}, {"memory", "{victim pid}"}, {"environ", "{router pid}"}, {"environ", "{keeper pid}"},
				{"environ", "{victim pid}"}, {"files", "{router pid}"}, {"files", "{keeper pid}"},
				{"http", "{victim run}/s"}, {"attach", "{data}/run/keeper.sock"},
			} {
				for _, escaped := range []bool{false, true} {
					got := s.try(t, a.what, a.on, escaped)
					if got == "" || strings.Contains(got, "child failed") || a.what == "http" && !strings.Contains(got, "permission denied") {
						t.Errorf("%s %s (escaped: %v): it came to %q", a.what, a.on, escaped, got)
					}
				}
			}
			for _, a := range []struct{ what, on string }{
				{"write", "{own}/new"}, {"read", "{own}/new"}, {"list", "/usr"}, {"remove", "{own}/new"}, {"read", "/proc/self/environ"},
			} {
				if got := s.try(t, a.what, a.on, false); got != "" {
					t.Errorf("%s %s: %s; it must be possible", a.what, a.on, got)
				}
			}
		})
	}
}

// A workspace keeps its user, over stops and routers, and nobody else gets it.
func TestUsers_OneForEachWorkspace(t *testing.T) {
	t.Parallel()
	if namedWithoutRoot(t) {
		return
	}
	dir := dataDir(t)
	specs := []supervisor.Spec{newSpec(t, "alpha", kindFiles), newSpec(t, "beta", set(swept), kindFiles), newSpec(t, "gamma")}
	for range 2 {
		r := newUserRig(t, dir)
		for i, spec := range specs {
			spec.Launch = newLaunch(t)
			w := r.start(spec)
			want := someUIDs.First + i
			if ids := runsAs(t, r, w); len(ids) == 0 || slices.ContainsFunc(ids, func(id int) bool { return id != want }) {
				t.Errorf("%s runs as %v, want %d", spec.Ref, ids, want)
			}
			for path, id := range ownersBelow(t, filepath.Join(dir, "workspaces", spec.Ref.String())) {
				if id != want {
					t.Errorf("%s: %q is user %d's, want %d", spec.Ref, path, id, want)
				}
			}
			if i == 0 { // whatever a killed worker leaves is found among other users' processes, too
				if err := proc.Signal(w.(*worker).root(), unix.SIGKILL); err != nil {
					t.Error(err)
				}
				awaitGone(t, w)
			} else {
				r.stop(w, i == 1)
			}
		}
		r.close()
	}
}

// kindFiles has the driver make files in both directories of a launch.
func kindFiles(k *kind.Kind) {
	k.Files = []kind.File{{Path: "{dir}/a/b/file", Content: "text"}, {Path: "{run}/c/file", Content: "text"}}
	k.Directories = []string{"{dir}/d/e", "{run}/f"}
}

// What there was before is given to the user whole, after an interruption too; it is usable without users of their own
// again; and a copy gets a user of its own.
func TestUsers_ChangeOfOwner(t *testing.T) {
	t.Parallel()
	if namedWithoutRoot(t) {
		return
	}
	dir := dataDir(t)
	spec := newSpec(t, "alpha", set(swept), func(k *kind.Kind) { k.Isolation.Landlock = kind.IsolationOff })
	own := filepath.Join(dir, "workspaces", "alpha")
	use := func(t *testing.T, r *rig, want int) {
		t.Helper()
		spec.Launch = newLaunch(t)
		w := r.start(spec)
		s := &scene{attacker: w}
		for _, a := range []struct{ what, on string }{{"read", own + "/old/file"}, {"write", own + "/old/file"}, {"write", fmt.Sprintf("%s/old/by %d", own, want)}} {
			if got := s.try(t, a.what, a.on, false); got != "" {
				t.Errorf("as %d, %s %s: %s", want, a.what, a.on, got)
			}
		}
		if ids := runsAs(t, r, w); len(ids) != 1 || ids[0] != want {
			t.Errorf("it runs as %v, want %d", ids, want)
		}
		r.stop(w, false)
		r.close()
	}
	plain := newRigIn(t, dir)
	w := plain.start(spec)
	plain.stop(w, false)
	plain.close()
	if err := errors.Join(os.Mkdir(own+"/old", 0o700), os.WriteFile(own+"/old/file", nil, 0o600), os.Symlink("/etc/passwd", own+"/old/link")); err != nil {
		t.Fatal(err)
	}
	use(t, newUserRig(t, dir), someUIDs.First)
	use(t, newRigIn(t, dir), 0)
	if err := os.Lchown(own+"/old/file", someUIDs.First+7, 3); err != nil { // as if the next had been interrupted
		t.Fatal(err)
	}
	use(t, newUserRig(t, dir), someUIDs.First)
	for path, id := range ownersBelow(t, own) {
		if id != someUIDs.First {
			t.Errorf("%q is user %d's", path, id)
		}
	}
	if info, err := os.Stat("/etc/passwd"); err != nil || userOf(t, info) != 0 {
		t.Errorf("a link was followed: %v", err)
	}
	if err := errors.Join(os.Mkdir(dir+"/workspaces/aaa", 0o700), os.Chown(dir+"/workspaces/aaa", someUIDs.First, someUIDs.First)); err != nil {
		t.Fatal(err)
	}
	use(t, newUserRig(t, dir), someUIDs.First+1)
}

// What is not the workspace's alone is given to nobody.
func TestGiveTree_Refuses(t *testing.T) {
	t.Parallel()
	if namedWithoutRoot(t) {
		return
	}
	for name, make := range map[string]func(dir string) error{
		"hard link": func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Dir(dir)+"/other", nil, 0o600), os.Link(filepath.Dir(dir)+"/other", dir+"/sub/one"))
		},
		"device":         func(dir string) error { return unix.Mknod(dir+"/sub/one", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) },
		"is too deep":    func(dir string) error { return os.MkdirAll(dir+strings.Repeat("/d", deepestTree+2), 0o700) },
		"another file s": func(dir string) error { return unix.Mount("none", dir+"/sub", "tmpfs", 0, "") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(dataDir(t), "workspace")
			if err := errors.Join(os.MkdirAll(dir+"/sub", 0o700), make(dir)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir+"/sub", unix.MNT_DETACH) })
			var stat unix.Stat_t
			if err := unix.Lstat(dir, &stat); err != nil {
				t.Fatal(err)
			}
			err := giveTree(dir, someUIDs.First, stat)
			var unfit *unfitError
			if !errors.As(err, &unfit) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
			if info, err := os.Lstat(dir); err != nil || userOf(t, info) != 0 {
				t.Errorf("the directory was given away: %v", err)
			}
		})
	}
}

// A program or a directory that the user cannot reach leaves the launch to the router's user, and says so. What holds
// more than its own does, too, but never where it had a user of its own.
func TestUsers_NamedWhereNotGiven(t *testing.T) {
	t.Parallel()
	if namedWithoutRoot(t) {
		return
	}
	r := newUserRig(t, dataDir(t))
	closed := dataDir(t)
	for name, change := range map[string]func(*kind.Kind){
		"program": func(k *kind.Kind) { k.Processes[0].Program = copyProgram(t, closed) },
		"write":   func(k *kind.Kind) { k.Isolation.Write = append(k.Isolation.Write, closed) },
		"read":    func(k *kind.Kind) { k.Isolation.Read = append(k.Isolation.Read, closed) },
	} {
		w := r.start(newSpec(t, name, change))
		if got := held(w); !strings.Contains(got.String(), sandbox.MeansUser+" (it cannot use") || slices.Contains(got.Means, sandbox.MeansUser) {
			t.Errorf("%s: %v", name, got)
		}
		if ids := runsAs(t, r, w); !slices.Equal(ids, []int{0}) {
			t.Errorf("%s runs as %v", name, ids)
		}
	}
	// What a worker has closed itself is no reason to give it more.
	shared := filepath.Join(r.dir, "shared")
	if err := errors.Join(os.Mkdir(shared, 0o755), os.Mkdir(shared+"/alpha", 0o700)); err != nil {
		t.Fatal(err)
	}
	spec := newSpec(t, "alpha", func(k *kind.Kind) { k.Isolation.Write = append(k.Isolation.Write, shared+"/{workspace}") })
	id, err := r.users.choose("alpha", 0)
	if err := errors.Join(err, os.Chown(shared+"/alpha", id, id), os.Chmod(shared+"/alpha", 0)); err != nil {
		t.Fatal(err)
	}
	w := r.start(spec)
	if got := held(w); !slices.Contains(got.Means, sandbox.MeansUser) {
		t.Error(got)
	}
	r.stop(w, true)
	own := filepath.Join(r.dir, "workspaces", "alpha")
	if err := errors.Join(os.WriteFile(r.dir+"/secret", nil, 0o600), os.Link(r.dir+"/secret", own+"/stolen"), os.Chown(own, someUIDs.Last+1, someUIDs.Last+1)); err != nil {
		t.Fatal(err)
	}
	spec.Launch = newLaunch(t)
	if failed := r.fail(spec); !strings.Contains(failed.Error(), "a hard link") {
		t.Errorf("got %v", failed)
	}
}

func copyProgram(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(programs, "hostile"))
	path := filepath.Join(dir, "hostile")
	if err := errors.Join(err, os.WriteFile(path, text, 0o755)); err != nil { //nolint:gosec // it is to be executable
		t.Fatal(err)
	}
	return path
}

func TestTakenBy(t *testing.T) {
	t.Parallel()
	const passwd, subordinate = "root:x:0:0::/:/bin/sh\nann:x:200005:1::/:/bin/sh\n\n#\n", "ann:165536:65536\nbob:231072:65536\n"
	for _, test := range []struct {
		text        string
		subordinate bool
		given       UIDs
		want        string
	}{
		{passwd, false, UIDs{200000, 200005}, "ann"}, {passwd, false, UIDs{200006, 300000}, ""}, {"", false, UIDs{1, 2}, ""},
		{subordinate, true, UIDs{200000, 265535}, "ann"}, {subordinate, true, UIDs{231071, 231071}, "ann"},
		{subordinate, true, UIDs{231072, 231072}, "bob"}, {subordinate, true, UIDs{296608, 300000}, ""}, {subordinate, true, UIDs{100000, 165535}, ""},
	} {
		if got := takenBy(test.text, test.given, test.subordinate); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestMapped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true, "0 1000 1\n1 100000 65536\n": false, "0 0 200000\n": false, "": false,
		"200000 500 65536\n": true, "0 100000 265535\n": false, "0 100000 265536\n": true,
	} {
		if got := mapped(text, UIDs{200000, 265535}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
