package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"workspace-router/internal/keeper/proc"
)

// nobody is a user without rights.
const nobody = 65534

// As a user without rights, and where no process can be branded, what a worker leaves is found by its environment, by
// its descent and as the keeper's orphan.
func TestS8_WithoutRightsAndBrands(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string][]string{"branded": nil, "unbranded": {unbranded + "=1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := asNobody(t)
			dir := filepath.Join(place, "d")
			router := routerCommand(t, dir, "HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=2")
			router.Path = filepath.Join(place, "router")
			router.Args[0] = router.Path
			for i, variable := range router.Env {
				if strings.HasPrefix(variable, routerRole+"=") {
					router.Env[i] = strings.Replace(variable, programs, place, 1)
				}
			}
			router.Env = append(append(router.Env, environment...), kindFile+"="+filepath.Join(place, "hostile.yaml"))
			router.Dir = place
			if os.Getuid() == 0 {
				router.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			router.Stderr = os.Stderr
			awaitRouter(t, router)
			program := filepath.Join(place, "hostile")
			// Each worker has a root, two orphans and two in groups of their own. As strays, orphans without brand may go
			// any time.
			eventually(t, "the workers run", func() bool { return len(running(t, program)) >= 9 })
			kill(t, router)
			assertEnds(t, dir)
			if left := running(t, program); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
		})
	}
}

// asNobody gives a place with the programs and a data directory for a user without rights.
func asNobody(t *testing.T) string {
	t.Helper()
	place := dataDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{
		"router": self, "keeper": keeperProgram(), "hostile": filepath.Join(programs, "hostile"),
		"hostile.yaml": filepath.Join("..", "..", "test", "hostile", "hostile.yaml"),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(place, "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chmod(place, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return place
}

// running gives the processes that run a program.
func running(t *testing.T, program string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if target, err := os.Readlink("/proc/" + entry.Name() + "/exe"); err != nil || target != program {
			continue
		}
		if stat, err := proc.Read(pid); err == nil && !stat.Dead() {
			pids = append(pids, pid)
		}
	}
	return pids
}
