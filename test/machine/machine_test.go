// Package machine boots a machine of its own, a User-Mode Linux on this one's files, and runs the built programs in it: for
// what this machine need not have, control groups of version 2 and a systemd to start units. The suite itself is test/machine/inside,
// which runs in there; here its words are brought out. Nothing is written but a temporary directory. It needs the package
// user-mode-linux (scripts/uml.sh) and, for one part, Debian's systemd.
package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// bootPatience bounds one boot with all that is done in it. It takes a minute on a machine with nothing else to do.
const bootPatience = 9 * time.Minute

var programs testkit.Binaries

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wr")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build makes the programs, and the suite that runs in the machine.
func build(dir string) (err error) {
	if programs, err = testkit.Build(dir, nil, "cmd/router", "cmd/keeper", "cmd/worker", "test/hostile"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "test", "-c", "-o", filepath.Join(dir, "inside.test"), "./test/machine/inside")
	command.Dir, command.Env = testkit.Root(), append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the suite: %w\n%s", err, output)
	}
	return nil
}

// Each boot runs the tests of inside whose names begin with the same word.
func TestMachine(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct{ name, only string }{{"plain", "^TestGroups"}, {"systemd", "^TestSystemd"}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			share := newShare(t, mode.only)
			boot(t, mode.name, share)
			report(t, share)
		})
	}
}

// newShare is the directory that the machine sees.
func newShare(t *testing.T, only string) string {
	t.Helper()
	share := testkit.ShortDir(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	here := filepath.Join(testkit.Root(), "test", "machine")
	units := filepath.Join(testkit.Root(), "deploy", "systemd")
	for _, dir := range []string{"bin", "units", "tmp"} {
		must(os.Mkdir(filepath.Join(share, dir), 0o755))
	}
	must(os.Chmod(share, 0o755)) // for the user of the service
	for _, program := range []string{"router", "keeper", "worker", "hostile"} {
		must(os.Link(programs.Path(program), filepath.Join(share, "bin", program)))
	}
	must(os.Link(programs.Path("inside.test"), filepath.Join(share, "inside.test")))
	copyFile(t, filepath.Join(testkit.Root(), "test", "hostile", "hostile.yaml"), filepath.Join(share, "hostile.yaml"), 0o644)
	copyFile(t, filepath.Join(here, "init.sh"), filepath.Join(share, "init.sh"), 0o755)
	copyFile(t, filepath.Join(here, "run.sh"), filepath.Join(share, "run.sh"), 0o755)
	for _, unit := range []string{filepath.Join(here, "suite.service"), filepath.Join(here, "suite.target"),
		filepath.Join(units, "workspace-router.service"), filepath.Join(units, "workspace-router.socket")} {
		// The machine's /usr is the host's and is not written to.
		copyFile(t, unit, filepath.Join(share, "units", filepath.Base(unit)), 0o644, "/usr/lib/workspace-router/", "/opt/workspace-router/")
	}
	must(os.WriteFile(filepath.Join(share, "only"), []byte(only), 0o644))
	return share
}

func copyFile(t *testing.T, from, to string, mode os.FileMode, replace ...string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, []byte(strings.NewReplacer(replace...).Replace(string(text))), mode); err != nil {
		t.Fatal(err)
	}
}

// boot runs the machine until it has ended by itself. Its kernel is an ordinary program with children of its own, which
// end with it.
func boot(t *testing.T, mode, share string) {
	t.Helper()
	kernel, err := testkit.Install("uml.sh")
	if err != nil {
		t.Fatal(err)
	}
	console, err := os.Create(filepath.Join(share, "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	ctx, cancel := context.WithTimeout(t.Context(), bootPatience)
	defer cancel()
	command := exec.CommandContext(ctx, kernel, "rootfstype=hostfs", "rootflags=/", "ro", "mem=1536M", "init="+filepath.Join(share, "init.sh"),
		"umid=wr-"+filepath.Base(share), "WR_SHARE="+share, "WR_MODE="+mode, "con=null", "con0=null,fd:1", "con1=fd:0,fd:1")
	command.Env = append(os.Environ(), "TMPDIR="+filepath.Join(share, "tmp"), "HOME="+filepath.Join(share, "tmp"))
	command.Stdout, command.Stderr = console, console
	command.WaitDelay = 5 * time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	if err := command.Run(); err != nil && ctx.Err() == nil {
		t.Logf("the machine ended with %v", err) // a halted one does so, too
	}
	if ctx.Err() != nil {
		t.Errorf("the machine has not ended after %v", bootPatience)
	}
}

// report brings out what was said in the machine.
func report(t *testing.T, share string) {
	t.Helper()
	out, _ := os.ReadFile(filepath.Join(share, "out"))
	status, _ := os.ReadFile(filepath.Join(share, "status"))
	if strings.TrimSpace(string(status)) == "0" && strings.Contains(string(out), "--- PASS") {
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(strings.TrimSpace(line), "--- ") {
				t.Log(strings.TrimSpace(line))
			}
		}
		return
	}
	console, _ := os.ReadFile(filepath.Join(share, "console"))
	t.Errorf("the suite ended with status %q:\n%s\nthe machine's console:\n%s", strings.TrimSpace(string(status)), out, console)
}
