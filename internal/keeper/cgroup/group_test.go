package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeGroup is a directory with the files of a group.
func fakeGroup(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		put(t, dir, file, text)
	}
	return dir
}

func TestBase_OpenNamesWhatIsLacking(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string
		own   bool
		on    []string
		lacks map[string]string // a part of each reason
	}{
		"both":             {files: map[string]string{"cgroup.controllers": "cpu memory pids\n", "cgroup.procs": "", "cgroup.subtree_control": ""}, on: []string{"memory", "pids"}},
		"pids alone":       {files: map[string]string{"cgroup.controllers": "cpu pids\n", "cgroup.procs": "", "cgroup.subtree_control": ""}, on: []string{"pids"}, lacks: map[string]string{"memory": "has no controller"}},
		"none":             {files: map[string]string{"cgroup.procs": ""}, lacks: map[string]string{"memory": "has no controller", "pids": "has no controller"}},
		"processes in it":  {files: map[string]string{"cgroup.controllers": "memory pids\n", "cgroup.procs": "17\n", "cgroup.subtree_control": ""}, lacks: map[string]string{"memory": "name one without", "pids": "name one without"}},
		"it is not let on": {files: map[string]string{"cgroup.controllers": "memory pids\n", "cgroup.procs": ""}, lacks: map[string]string{"memory": "cannot switch it on", "pids": "cannot switch it on"}},
		"nobody may move":  {files: map[string]string{"cgroup.controllers": "memory pids\n", "cgroup.procs": "17\n"}, own: true, lacks: map[string]string{"memory": "cannot move process", "pids": "cannot move process"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &Base{Path: fakeGroup(t, tc.files), Own: tc.own}
			b.Open()
			if diff := cmp.Diff(tc.on, b.On); diff != "" {
				t.Errorf("on (-want +got):\n%s", diff)
			}
			for controller, want := range tc.lacks {
				if !strings.Contains(b.Lacks[controller], want) {
					t.Errorf("%s lacks for %q, want %q", controller, b.Lacks[controller], want)
				}
			}
			if len(b.Lacks) != len(tc.lacks) {
				t.Errorf("lacks %v", b.Lacks)
			}
		})
	}
}

func TestBase_Offer(t *testing.T) {
	t.Parallel()
	b := &Base{Path: fakeGroup(t, map[string]string{"cgroup.controllers": "cpu pids\n"})}
	got := b.offer()
	if diff := cmp.Diff([]string{MeansGroup, "process limit"}, got.Means); diff != "" || len(got.Missing) != 1 || !strings.HasPrefix(got.Missing[0], MeansMemory+" (") {
		t.Errorf("missing %q, means (-want +got):\n%s", got.Missing, diff)
	}
	if got := Offer(Off); len(got.Means) > 0 || len(got.Missing) != 1 {
		t.Errorf("switched off it offers %+v", got)
	}
}

func TestBase_LimitSetsWhatIsOnAndNamesTheRest(t *testing.T) {
	t.Parallel()
	all := Limits{Memory: 64 << 20, Slow: 48 << 20, Unswapped: true, Processes: 100}
	files := func(leave ...string) map[string]string {
		list := map[string]string{"memory.max": "", "memory.high": "", "memory.oom.group": "", "memory.swap.max": "", "pids.max": ""}
		for _, file := range leave {
			delete(list, file)
		}
		return list
	}
	for name, tc := range map[string]struct {
		files   map[string]string
		on      []string
		limits  Limits
		means   []string
		missing string
		written map[string]string
	}{
		"all": {
			files: files(), on: []string{"memory", "pids"}, limits: all, means: []string{MeansGroup, MeansMemory, "process limit"},
			written: map[string]string{"memory.max": "67108864", "memory.high": "50331648", "memory.oom.group": "1", "memory.swap.max": "0", "pids.max": "100"},
		},
		"no swap on the machine": {files: files("memory.swap.max"), on: []string{"memory", "pids"}, limits: all, means: []string{MeansGroup, MeansMemory, "process limit"}},
		"no limits wanted":       {files: files(), on: []string{"memory", "pids"}, means: []string{MeansGroup}, written: map[string]string{"memory.max": ""}},
		"no controller":          {files: files(), on: []string{"pids"}, limits: all, means: []string{MeansGroup, "process limit"}, missing: "memory limit (why)", written: map[string]string{"memory.max": ""}},
		"refused":                {files: files("memory.max"), on: []string{"memory", "pids"}, limits: all, means: []string{MeansGroup, "process limit"}, missing: "memory limit (open"},
		"swap may stay":          {files: files(), on: []string{"memory"}, limits: Limits{Memory: 1 << 30}, means: []string{MeansGroup, MeansMemory}, written: map[string]string{"memory.swap.max": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := Group{Path: fakeGroup(t, tc.files)}
			b := &Base{Path: filepath.Dir(g.Path), On: tc.on, Lacks: map[string]string{}}
			if !slices.Contains(tc.on, controllerMemory) {
				b.Lacks[controllerMemory] = "why"
			}
			held := b.Limit(g, tc.limits)
			if diff := cmp.Diff(tc.means, held.Means); diff != "" {
				t.Errorf("means (-want +got):\n%s", diff)
			}
			if got := strings.Join(held.Missing, ", "); !strings.HasPrefix(got, tc.missing) || tc.missing == "" && got != "" {
				t.Errorf("missing %q, want %q", got, tc.missing)
			}
			for file, want := range tc.written {
				if got := get(t, g.Path, file); got != want {
					t.Errorf("%s holds %q, want %q", file, got, want)
				}
			}
		})
	}
}

// A group is only made room in where somebody else has to come in.
func TestBase_Yield(t *testing.T) {
	t.Parallel()
	for guests, want := range map[bool]string{true: "-pids", false: ""} {
		b := &Base{Path: fakeGroup(t, map[string]string{"cgroup.subtree_control": ""}), On: []string{"pids"}, Guests: guests}
		b.Yield()
		if got := get(t, b.Path, "cgroup.subtree_control"); got != want || (len(b.On) == 0) != guests {
			t.Errorf("guests %v: %q was written, %v is on", guests, got, b.On)
		}
	}
}

// What a keeper that was killed has left on goes off, too.
func TestBase_Clear(t *testing.T) {
	t.Parallel()
	b := &Base{Path: fakeGroup(t, map[string]string{"cgroup.subtree_control": "pids\n"})}
	b.Clear()
	if got := get(t, b.Path, "cgroup.subtree_control"); !strings.HasPrefix(got, "-pids") {
		t.Errorf("%q was written", got)
	}
}

func TestGroup_Reads(t *testing.T) {
	t.Parallel()
	path := fakeGroup(t, map[string]string{
		"cgroup.events": "populated 1\nfrozen 0\n", "cgroup.procs": "12\n13\n", "cgroup.kill": "",
		"memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n", "memory.current": "1000\n", "memory.stat": "anon 5\ninactive_file 300\n",
	})
	if err := os.Mkdir(filepath.Join(path, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(path, "inner"), "cgroup.procs", "14\n")
	g := Group{Path: path}
	if memory, err := g.Memory(); !g.Populated() || !g.OutOfMemory() || memory != 700 || err != nil {
		t.Errorf("populated %v, out of memory %v, memory %d %v", g.Populated(), g.OutOfMemory(), memory, err)
	}
	if diff := cmp.Diff([]int{12, 13, 14}, g.PIDs()); diff != "" {
		t.Errorf("pids (-want +got):\n%s", diff)
	}
	if err := g.Kill(); err != nil || get(t, path, "cgroup.kill") != "1" {
		t.Errorf("kill: %v", err)
	}
	put(t, path, "cgroup.events", "populated 0\n")
	if g.Populated() {
		t.Error("it is populated still")
	}
	put(t, path, "cgroup.events", "nonsense\n")
	if !g.Populated() {
		t.Error("a group of which nothing is known counts as empty")
	}
}

// Nothing happens to a launch that has no group, and to one whose group is gone.
func TestGroup_None(t *testing.T) {
	t.Parallel()
	for _, g := range []Group{{}, {Path: filepath.Join(t.TempDir(), "gone")}} {
		if g.Populated() || g.OutOfMemory() || len(g.PIDs()) > 0 || g.Kill() != nil || g.Remove() != nil {
			t.Errorf("%+v: something was found", g)
		}
		if _, err := g.Memory(); err == nil {
			t.Errorf("%+v: it has a size", g)
		}
	}
	if g := Without("why not"); len(g.Held.Missing) != 1 || g.Held.Missing[0] != MeansGroup+" (why not)" {
		t.Errorf("got %+v", g)
	}
}

func TestGroup_RemoveTakesInnerOnesFirst(t *testing.T) {
	t.Parallel()
	g := Group{Path: filepath.Join(t.TempDir(), "group")}
	if err := os.MkdirAll(filepath.Join(g.Path, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.Path); !os.IsNotExist(err) {
		t.Error("it is there still")
	}
}

func TestBase_LeftGivesTheGroupsOfOne(t *testing.T) {
	t.Parallel()
	b := &Base{Path: t.TempDir()}
	for _, name := range []string{"aa-1", "aa-2", "bb-1", LeafRouter} {
		if err := os.Mkdir(filepath.Join(b.Path, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	names, err := b.Left("aa-")
	if diff := cmp.Diff([]string{"aa-1", "aa-2"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
