package preload

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
	"workspace-router/supervisor/process"
)

const (
	nobody   = 65534
	builtFor = "PRELOAD_TEST_BINARIES" // set in the process that runs as nobody
)

// As a user without rights, who has no namespaces, the preloader is held by Landlock, and its children are held the same as
// what is executed.
func TestFork_IsTheSameForAUserWithoutRights(t *testing.T) {
	t.Parallel()
	if os.Getenv(builtFor) == "" && os.Geteuid() == 0 {
		runAsNobody(t)
		return
	}
	r := newRig(t, common(pythons[0]), process.Config{}, nil)
	w := r.startForked(r.spec("alpha", "PROGRAM_SETTING=one"))
	if a := r.mustAsk(w); a.Setting != "one" || a.ImportedBy == a.PID {
		t.Errorf("got %+v", a)
	}
	if exit := r.stop(w); exit.Code != 0 || exit.Proof != "sweep" && os.Getenv(builtFor) != "" {
		t.Errorf("got %+v", exit)
	}
	kill(t, r.preloader())
	r.await("the preloader's end", "a preloader ended")
}

// runAsNobody runs this very test as that user.
func runAsNobody(t *testing.T) {
	t.Helper()
	place := testkit.ShortDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, name := range map[string]string{self: "test", binaries.Path("keeper"): "keeper"} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(place, name), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(place, "testdata"), os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	openTo(t, place, filepath.Join(place, "testdata"), filepath.Join(place, "testdata", "place"), filepath.Join(place, "testdata", "place", "program_own"))
	temporary := filepath.Join(place, "t")
	if err := os.Mkdir(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temporary, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(place, "test"), "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")
	command.Dir = place
	command.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + temporary, builtFor + "=" + place, "PRELOAD_PYTHONS=" + common(pythons[0])}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
