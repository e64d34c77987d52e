package process

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// programsMade is a variable that names the directory of the programs where they cannot be built.
const programsMade = "PROCESS_TEST_PROGRAMS"

// A worker attacks all that is around it, as the user of this test and as one without rights, itself and from a child
// that has left its session. Each attempt must fail by a means that is named, where this machine has it.
func TestIsolation_Attacks(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run("as the test's user/"+proof, func(t *testing.T) { attackAll(t, settings) })
	}
	if os.Getuid() != 0 {
		return
	}
	t.Run("as nobody", func(t *testing.T) {
		t.Parallel()
		againAsNobody(t, "TestIsolation_Attacks")
	})
}

// againAsNobody runs a test of this package as a user without rights.
func againAsNobody(t *testing.T, test string) {
	t.Helper()
	place := asNobody(t)
	command := exec.CommandContext(t.Context(), filepath.Join(place, "router"), "-test.run=^"+test+"$", "-test.v")
	command.Dir = place
	command.Env = append(os.Environ(), programsMade+"="+place, kindFile+"="+filepath.Join(place, "hostile.yaml"), "TMPDIR="+filepath.Join(place, "d"))
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS: "+test) {
		t.Errorf("%v\n%s", err, output)
	}
}

// scene is an attacker and all that it attacks.
type scene struct {
	attacker, victim supervisor.Worker
	outside          string // a directory beside the data directory
	aim              map[string]string
}

func newScene(t *testing.T, settings []string) *scene {
	return newSceneOf(t, newRig(t), set(settings...))
}

func newSceneOf(t *testing.T, r *rig, change func(*kind.Kind)) *scene {
	t.Helper()
	s := &scene{attacker: r.start(newSpec(t, "alpha", change)), victim: r.start(newSpec(t, "beta", change)), outside: dataDir(t)}
	victim := s.victim.(*worker)
	own := s.attacker.(*worker)
	for _, path := range []string{
		filepath.Join(r.dir, "admin.key"), filepath.Join(r.dir, "catalog.db"), filepath.Join(victim.values.dir, "document"),
		filepath.Join(s.outside, "settings.env"),
	} {
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keeperPID, err := os.ReadFile(keeper.Data(r.dir).KeeperLock())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", "@"+string(victim.spec.Launch))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s.aim = map[string]string{
		"{data}": r.dir, "{victim}": victim.values.dir, "{victim run}": victim.values.run, "{own}": own.values.dir,
		"{own log}": keeper.Data(r.dir).Log("alpha"), "{outside}": s.outside, "{abstract}": string(victim.spec.Launch),
		"{router pid}": strconv.Itoa(os.Getpid()), "{keeper pid}": strings.TrimSpace(string(keeperPID)), "{victim pid}": strconv.Itoa(victim.root().PID),
	}
	return s
}

// try has the attacker make an attempt and gives its error; empty is a success.
func (s *scene) try(t *testing.T, what, on string, escaped bool) string {
	t.Helper()
	for name, value := range s.aim {
		on = strings.ReplaceAll(on, name, value)
	}
	query := url.Values{"what": {what}, "on": {on}}
	if escaped {
		query.Set("escaped", "1")
	}
	endpoint, _ := s.attacker.Endpoint(kind.HTTPEndpoint)
	status, body := get(t, endpoint, "/attack?"+query.Encode())
	var answer struct{ Error string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", what, on, status, body)
	}
	return answer.Error
}

func attackAll(t *testing.T, settings []string) {
	t.Parallel()
	s := newScene(t, settings)
	held := s.attacker.(*worker).spawned.Isolation
	t.Log(held)
	attempts := []struct{ what, on, means string }{
		{"read", "{data}/admin.key", sandbox.MeansFiles},
		{"read", "{data}/catalog.db", sandbox.MeansFiles},
		{"read", "{data}/keeper.token", sandbox.MeansFiles},
		{"read", "{data}/locks/keeper", sandbox.MeansFiles},
		{"read", "{own log}", sandbox.MeansFiles},
		{"read", "{victim}/document", sandbox.MeansFiles},
		{"read", "{victim}/../beta/document", sandbox.MeansFiles},
		{"read", "/proc/self/root{victim}/document", sandbox.MeansFiles},
		{"read", "{outside}/settings.env", sandbox.MeansFiles},
		{"read", "/etc/shadow", sandbox.MeansFiles},
		{"list", "{data}", sandbox.MeansFiles},
		{"list", "{data}/workspaces", sandbox.MeansFiles},
		{"list", "{data}/run", sandbox.MeansFiles},
		{"list", "{victim run}", sandbox.MeansFiles},
		{"write", "{victim}/document", sandbox.MeansFiles},
		{"write", "{victim}/new", sandbox.MeansFiles},
		{"write", "{outside}/new", sandbox.MeansFiles},
		{"write", "/tmp/new", sandbox.MeansFiles},
		{"write", "/usr/new", sandbox.MeansFiles},
		{"write", "/proc/self/oom_score_adj", sandbox.MeansFiles},
		{"remove", "{victim}/document", sandbox.MeansFiles},
		{"remove", "{victim run}/s", sandbox.MeansFiles},
		{"link", "{victim}/document", sandbox.MeansFiles},
		{"truncate", "{victim}/document", sandbox.MeansTruncate},
		{"device", "{own}/memory", sandbox.MeansFiles},
		{"execute", "/bin/true", sandbox.MeansFiles},
		{"mount", "{own}", sandbox.MeansFiles},
		{"setuid", "", sandbox.MeansCapabilities},
		{"ptrace", "{router pid}", sandbox.MeansFiles},
		{"ptrace", "{keeper pid}", sandbox.MeansFiles},
		{"ptrace", "{victim pid}", sandbox.MeansFiles},
		{"memory", "{router pid}", sandbox.MeansFiles},
		{"memory", "{victim pid}", sandbox.MeansFiles},
		{"environ", "{router pid}", sandbox.MeansFiles},
		{"environ", "{keeper pid}", sandbox.MeansFiles},
		{"environ", "{victim pid}", sandbox.MeansFiles},
		{"files", "{router pid}", sandbox.MeansFiles},
		{"files", "{keeper pid}", sandbox.MeansFiles},
		{"signal", "{router pid}", sandbox.MeansScope},
		{"signal", "{keeper pid}", sandbox.MeansScope},
		{"signal", "{victim pid}", sandbox.MeansScope},
		{"abstract", "{abstract}", sandbox.MeansScope},
		{"bind", "127.0.0.1:0", sandbox.MeansTCP},
		{"mptcp", "", sandbox.MeansCalls},
		{"ptrace", "1", sandbox.MeansProcesses},
		{"memory", "1", sandbox.MeansProcesses},
		{"environ", "1", sandbox.MeansProcesses},
		{"list", "/proc/{keeper pid}", sandbox.MeansProcesses},
		{"list", "/proc/{victim pid}/task", sandbox.MeansProcesses},
		{"http", "{victim run}/s", ""}, // by the other worker's key
	}
	for _, a := range attempts {
		for _, escaped := range []bool{false, true} {
			if a.means != "" && !slices.Contains(held.Means, a.means) {
				t.Logf("%s %s: not tried, as this machine does not give %q and it would succeed", a.what, a.on, a.means)
				continue
			}
			got := s.try(t, a.what, a.on, escaped)
			if got == "" || strings.Contains(got, "child failed") {
				t.Errorf("%s %s (escaped: %v): it came to %q, want an error by %q", a.what, a.on, escaped, got, a.means)
			}
			if a.what == "http" && got != "401 Unauthorized" {
				t.Errorf("%s %s (escaped: %v): %q, want it refused for want of the key", a.what, a.on, escaped, got)
			}
		}
	}
	for _, a := range []struct{ what, on string }{
		{"write", "{own}/new"}, {"read", "{own}/new"}, {"truncate", "{own}/new"}, {"list", "/usr"}, {"read", "/etc/hosts"},
		{"read", "/proc/self/environ"}, {"write", "/dev/null"}, {"remove", "{own}/new"},
	} {
		if got := s.try(t, a.what, a.on, false); got != "" {
			t.Errorf("%s %s: %s; it must be possible", a.what, a.on, got)
		}
	}
	if text, err := os.ReadFile(filepath.Join(s.aim["{victim}"], "document")); err != nil || string(text) != "secret" {
		t.Errorf("the victim's document: %q, %v", text, err)
	}
}

// What is in force, and what is not, goes with each launch.
func TestIsolation_IsReported(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	offered := sandbox.Offer()
	const noGroup = "control group (switched off by isolation.cgroup)"
	for name, test := range map[string]struct {
		isolation kind.Isolation
		want      sandbox.Result
	}{
		"auto": {kind.Isolation{Landlock: kind.IsolationAuto},
			sandbox.Result{Landlock: offered.Landlock, Means: append(slices.Clone(offered.Means), sandbox.MeansCalls, sandbox.MeansCapabilities), Missing: append(slices.Clone(offered.Missing), noGroup)}},
		"off": {kind.Isolation{Landlock: kind.IsolationOff},
			sandbox.Result{Means: []string{sandbox.MeansCapabilities}, Missing: []string{"landlock (switched off by the kind)", noGroup}}},
	} {
		spec := newSpec(t, name, func(k *kind.Kind) { k.Isolation = test.isolation })
		reported := map[supervisor.Phase]string{}
		w, err := r.Start(r.context(), spec, func(p supervisor.Progress) { reported[p.Phase] = p.Isolation })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, w.(*worker).spawned.Isolation); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := reported[supervisor.PhaseProven]; got != test.want.String() {
			t.Errorf("%s: reported %q, want %q", name, got, test.want)
		}
	}
	if logged := r.logs.FilterMessage("a worker was launched").Len(); logged != 2 {
		t.Errorf("%d launches were logged, want 2", logged)
	}
}

// A worker without a network reaches nobody over TCP; others reach anybody and bind no port but their own.
func TestIsolation_Network(t *testing.T) {
	t.Parallel()
	if !slices.Contains(sandbox.Offer().Means, sandbox.MeansTCP) {
		t.Log("this machine does not give it")
		return
	}
	r := newRig(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for network, want := range map[string]bool{kind.NetworkHost: true, kind.NetworkNone: false} {
		s := &scene{attacker: r.start(newSpec(t, network, func(k *kind.Kind) { k.Isolation.Network = network }))}
		if got := s.try(t, "connect", listener.Addr().String(), false); (got == "") != want {
			t.Errorf("network %s: %q", network, got)
		}
		if got := s.try(t, "udp", "127.0.0.1:9", false); (got == "") != want {
			t.Errorf("network %s, UDP: %q", network, got)
		}
	}
	tcp := newSpec(t, "tcp", func(k *kind.Kind) {
		k.Endpoints = map[string]kind.Endpoint{kind.HTTPEndpoint: {Network: kind.NetworkTCP}}
		delete(k.Processes[0].Set, "WORKER_SOCKET")
		k.Processes[0].Set["HOST"], k.Processes[0].Set["PORT"] = "127.0.0.1", "{port}"
	})
	s := &scene{attacker: r.start(tcp)}
	if got := s.try(t, "bind", "127.0.0.1:0", false); got == "" {
		t.Error("a worker could bind another port than its own")
	}
}

// A worker that forks as fast as it can has its own number of processes, and no more.
func TestIsolation_ForkBomb(t *testing.T) {
	t.Parallel()
	const most, tried = 320, 700
	r := newRig(t)
	spec := newSpec(t, "alpha", set("HOSTILE_FORK_STORM="+strconv.Itoa(tried)), func(k *kind.Kind) { k.Isolation.Processes = most })
	w := r.start(spec)
	held := w.(*worker).spawned.Isolation
	if !slices.Contains(held.Means, sandbox.MeansCount) {
		if !slices.ContainsFunc(held.Missing, func(s string) bool {
			return strings.HasPrefix(s, sandbox.MeansCount) || strings.HasPrefix(s, sandbox.MeansProcesses)
		}) {
			t.Errorf("there is no limit, and nothing says so: %v", held)
		}
		return
	}
	count := func() (total int) {
		for _, stat := range processes(t, r.dir)[string(spec.Launch)] {
			total += stat.Threads
		}
		return total
	}
	eventually(t, "the storm is at the limit", func() bool { return count() > most-20 })
	r.start(newSpec(t, "beta")) // nobody else is kept from forking
	if got := count(); got > most {
		t.Errorf("%d processes and threads, want at most %d", got, most)
	}
	r.stop(w, true)
	assertNone(t, r.dir, spec)
}

// What the machine is said to give is what launches get of it.
func TestOffer_IsWhatLaunchesGet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	offered, err := Offer(r.context(), keeperProgram(), "")
	if err != nil {
		t.Fatal(err)
	}
	w := r.start(newSpec(t, "alpha", func(k *kind.Kind) { k.Isolation.Network = kind.NetworkNone }))
	got := w.(*worker).spawned.Isolation
	slices.Sort(offered.Means)
	slices.Sort(got.Means)
	if diff := cmp.Diff(offered.Means, got.Means); diff != "" || len(offered.Missing) != len(got.Missing) {
		t.Errorf("offered and given (-offered +given):\n%s\n%q and %q", diff, offered.Missing, got.Missing)
	}
	r.stop(w, false)
	if proof := w.Exit().Proof; proof != Proof(offered) {
		t.Errorf("proven by %q, offered was %q", proof, Proof(offered))
	}
	if os.Getuid() == 0 {
		t.Run("as nobody", func(t *testing.T) { againAsNobody(t, "TestOffer_IsWhatLaunchesGet") })
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a", "var/lib", "var/data/workspaces"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("var/data", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(top, "var/data")
	for path, want := range map[string][]string{
		"":                     {top + "/a", top + "/var/lib"},
		"/a":                   {top + "/a"},
		"/var":                 {top + "/var/lib"},
		"/var/data":            nil,
		"/link":                nil,
		"/var/data/workspaces": nil,
		"/missing":             nil,
	} {
		if diff := cmp.Diff(want, without(top+path, data)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
}
