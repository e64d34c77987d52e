// Package inside is what runs in the machine that test/machine boots, and nowhere else: it stops services, kills without
// asking, and takes the control groups for its own.
package inside

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/testkit"
)

// guest is the variable that says where the programs are in the machine.
const guest = "WORKSPACE_ROUTER_GUEST"

const hierarchy = "/sys/fs/cgroup"

var programs testkit.Binaries

func TestMain(m *testing.M) {
	programs = testkit.Binaries(os.Getenv(guest))
	if text, err := os.ReadFile("/proc/cpuinfo"); programs == "" || err != nil || !strings.Contains(string(text), "User Mode Linux") {
		fmt.Fprintln(os.Stderr, "this suite runs in the machine that test/machine boots: go test ./test/machine")
		os.Exit(1)
	}
	if err := raiseLoopback(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot bring up the loopback interface:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// startIn starts a router over dir/data with hostile workers of that kind.
func startIn(t *testing.T, dir, kindFile string, environment ...string) *testkit.Router {
	t.Helper()
	return testkit.StartRouter(t, programs, filepath.Join(dir, "data"), append([]string{
		"ROUTER_KIND_FILES=" + kindFile, "ROUTER_DEFAULT_KIND=hostile", "ROUTER_POOL_MEMORY=600MiB",
	}, environment...)...)
}

// hostile writes the kind of the tests with more to it.
func hostile(t *testing.T, dir, more string) (path string) {
	t.Helper()
	text, err := os.ReadFile("/run/share/hostile.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "hostile.yaml")
	if err := os.WriteFile(path, []byte(string(text)+"\n"+more+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// shown is the part of `worker show` that the tests look at.
type shown struct {
	PID       int    `json:"pid"`
	Launch    string `json:"launch"`
	State     string `json:"state"`
	Isolation string `json:"isolation"`
}

func show(t *testing.T, r *testkit.Router, name string) (w shown) {
	t.Helper()
	command(t, r, &w, "worker", "show", name, "-o", "json")
	return w
}

// start has a worker run, and shows it.
func start(t *testing.T, r *testkit.Router, name string) shown {
	t.Helper()
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/echo"})
	return show(t, r, name)
}

// fault has the next worker of a workspace misbehave.
func fault(t *testing.T, r *testkit.Router, name, line string) {
	t.Helper()
	dir := filepath.Join(r.DataDir, "workspaces", name)
	if _, err := os.Stat(dir); err != nil {
		start(t, r, name)
	}
	command(t, r, nil, "worker", "evict", name)
	if err := os.WriteFile(filepath.Join(dir, "hostile.env"), []byte(line+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// event is what the tests look at of an event.
type event struct {
	Type, Reason, Detail, Workspace string
}

// events gives those of a type and workspace.
func events(t *testing.T, r *testkit.Router, kind, name string) (found []event) {
	t.Helper()
	var all []event
	command(t, r, &all, "events", "-o", "json")
	for _, e := range all {
		if e.Type == kind && e.Workspace == name {
			found = append(found, e)
		}
	}
	return found
}

// command runs the CLI and reads what it says.
func command(t *testing.T, r *testkit.Router, into any, arguments ...string) {
	t.Helper()
	stdout, stderr, code := r.CLI(t, arguments...)
	if code != 0 {
		t.Fatalf("router %v: exit %d: %s", arguments, code, stderr)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		t.Fatalf("router %v: cannot read %q: %v", arguments, stdout, err)
	}
}

// groupOf finds the control group of a process.
func groupOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, group, _ := strings.Cut(strings.TrimSpace(string(text)), "0::")
	return filepath.Join(hierarchy, group)
}

// launchesIn lists the groups of launches.
func launchesIn(t *testing.T, base string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(base, "????????????????-????????"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func number(t *testing.T, path ...string) int {
	t.Helper()
	n, err := strconv.Atoi(read(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// keeperOf finds the keeper of a data directory.
func keeperOf(t *testing.T, data string) int {
	t.Helper()
	return number(t, data, "locks", "keeper")
}

func kill(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("cannot kill process %d: %v", pid, err)
		}
	}
}
