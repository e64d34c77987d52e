// Package chaos kills, stops and starves the real processes while clients keep asking, and looks afterwards for what
// must never be: an answer of another workspace, two writers of one directory, and anything left behind.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

const (
	healthy    = 4 // workspaces w0… whose workers do nothing wrong
	maxWorkers = 3 // less than there are workspaces, so that eviction never ends
)

// faulty are the workspaces beyond the healthy ones, and what is wrong with them.
var faulty = map[string]string{
	"deaf":      "HOSTILE_IGNORE_TERM=1\n",
	"forker":    "HOSTILE_FORK_AWAY=2\nHOSTILE_FORK_CLEAN=1\n",
	"stillborn": "HOSTILE_EXIT=3\n",
	"fragile":   "HOSTILE_DIE_AFTER_REQUESTS=15\n",
	"slow":      "HOSTILE_SLOW_START=300ms\nHOSTILE_SLOW_STOP=500ms\n",
}

// scene is one run: the router that is up now, its workspaces, and what clients have seen.
type scene struct {
	t          *testing.T
	binaries   testkit.Binaries
	dir        string
	witness    string
	kindFile   string
	disk       *disk // that the data lie on; nil where it cannot be harmed
	workspaces []string
	workerName map[string]string // of each workspace: what its worker must call itself

	router  atomic.Pointer[testkit.Router]
	reborn  sync.RWMutex // held for writing while there is no router
	answers sync.Map     // workspace → *atomic.Int64: answers with status 200
}

// duration of the strikes: CHAOS_FOR, else a minute.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CHAOS_FOR")
	if text == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// seed of the strikes: CHAOS_SEED, else another each time.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CHAOS_SEED=%d", n)
	return n
}

func newScene(t *testing.T, binaries testkit.Binaries) *scene {
	t.Helper()
	dir := testkit.ShortDir(t)
	s := &scene{t: t, binaries: binaries, witness: filepath.Join(dir, "witness"), workerName: map[string]string{}}
	for i := range healthy {
		s.workspaces = append(s.workspaces, fmt.Sprintf("w%d", i))
	}
	for name := range faulty {
		s.workspaces = append(s.workspaces, name)
	}
	s.openWitness()
	s.disk = mountDisk(t, filepath.Join(dir, "disk"))
	s.dir = filepath.Join(dir, "disk", "data")
	s.start()
	s.furnish()
	return s
}

// openWitness makes the witness's file, and a kind whose workers may write to it; isolated as they are they reach
// nothing else outside of their own directories.
func (s *scene) openWitness() {
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.kindFile = filepath.Join(filepath.Dir(s.witness), "hostile.yaml")
	text = fmt.Appendf(text, "\nisolation: {write: [%q]}\n", s.witness)
	for path, content := range map[string][]byte{s.kindFile: text, s.witness: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// start runs a router over the scene's data directory.
func (s *scene) start(environment ...string) {
	s.router.Store(testkit.StartRouter(s.t, s.binaries, s.dir, append(environment,
		"ROUTER_KIND_FILES="+s.kindFile, "ROUTER_KEEP_FOR=3s",
		"ROUTER_DEFAULT_KIND=hostile", "HOSTILE_WITNESS="+s.witness, "ROUTER_POOL_WAIT=10s",
		"ROUTER_POOL_MINIMUM_RESIDENCY=50ms", fmt.Sprintf("ROUTER_POOL_MAX_WORKERS=%d", maxWorkers))...))
}

// furnish makes the workspaces, learns what their workers are called, and spoils the faulty ones.
func (s *scene) furnish() {
	r := s.router.Load()
	for _, name := range s.workspaces {
		var echo struct {
			Workspace string `json:"workspace"`
		}
		response := r.Must(s.t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/echo"})
		if err := response.JSON(&echo); err != nil {
			s.t.Fatal(err)
		}
		s.workerName[name] = echo.Workspace
		s.answers.Store(name, new(atomic.Int64))
		if env := faulty[name]; env != "" {
			if err := os.WriteFile(filepath.Join(s.dir, "workspaces", name, "hostile.env"), []byte(env), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
		if _, stderr, code := r.CLI(s.t, "worker", "evict", name, "--force"); code != 0 {
			s.t.Fatalf("evict %s: exit %d: %s", name, code, stderr)
		}
	}
	seen := map[string]string{}
	for workspace, worker := range s.workerName {
		if other := seen[worker]; other != "" || worker == "" {
			s.t.Fatalf("%s and %s have workers of one name, %q", workspace, other, worker)
		}
		seen[worker] = workspace
	}
}

// replaceRouter kills the router and starts another one on the same data. Whether that one finds workers that were kept
// for it, and whether it leaves its own to the next, changes from one to the other.
func (s *scene) replaceRouter(random *rand.Rand) {
	s.reborn.Lock()
	defer s.reborn.Unlock()
	s.router.Load().Kill()
	s.start("ROUTER_ON_EXIT=" + []string{"stop", "keep"}[random.IntN(2)])
}
