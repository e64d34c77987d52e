package process

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"workspace-router/internal/keeper/proc"
	"workspace-router/supervisor"
)

func TestS6_StopPaths(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults   []string
		force    bool
		code     int
		signal   string
		atLeast  time.Duration
		atMost   time.Duration
		orderly  bool // it had its say before it ended
		children int  // that live beside the root
	}{
		"asked":                       {orderly: true, atMost: 900 * time.Millisecond},
		"asked, takes its time":       {faults: []string{"HOSTILE_SLOW_STOP=300ms"}, orderly: true, atLeast: 300 * time.Millisecond},
		"asked, takes too long":       {faults: []string{"HOSTILE_SLOW_STOP=1h"}, code: -1, signal: "SIGKILL", atLeast: time.Second},
		"deaf":                        {faults: []string{"HOSTILE_IGNORE_TERM=1"}, code: -1, signal: "SIGKILL", atLeast: time.Second},
		"forced":                      {force: true, code: -1, signal: "SIGKILL", atMost: 900 * time.Millisecond},
		"forced, deaf":                {faults: []string{"HOSTILE_IGNORE_TERM=1"}, force: true, code: -1, signal: "SIGKILL", atMost: 900 * time.Millisecond},
		"orphans":                     {faults: []string{"HOSTILE_FORK_AWAY=3"}, orderly: true, children: 3},
		"orphans without environment": {faults: []string{"HOSTILE_FORK_AWAY=3", "HOSTILE_FORK_CLEAN=1"}, orderly: true, children: 3},
		"process groups":              {faults: []string{"HOSTILE_FORK_GROUP=3", "HOSTILE_FORK_CLEAN=1"}, orderly: true, children: 3},
		"a storm of forks":            {faults: []string{"HOSTILE_FORK_STORM=150"}, orderly: true, children: 150},
		"output closed":               {faults: []string{"HOSTILE_CLOSE_OUTPUT=1", "HOSTILE_FORK_AWAY=1"}, orderly: true, children: 1},
	}
	for proof, settings := range proofs() {
		for name, test := range tests {
			t.Run(proof+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				witness := witness(t)
				spec := newSpec(t, "alpha", set(append(slices.Concat(settings, test.faults), "HOSTILE_WITNESS="+witness)...))
				w := r.start(spec)
				eventually(t, "all children run", func() bool { return len(workersOf(t, r.dir, spec.Launch)) > test.children })
				began := time.Now()
				r.stop(w, test.force)
				took := time.Since(began)
				if took < test.atLeast || test.atMost > 0 && took > test.atMost {
					t.Errorf("the stop took %v, want %v to %v", took, test.atLeast, test.atMost)
				}
				exit := w.Exit()
				if exit.Code != test.code || exit.Signal != test.signal || !exit.Expected || exit.Proof != proof {
					t.Errorf("exit: %+v", exit)
				}
				text, _ := os.ReadFile(witness)
				if orderly := strings.Contains(string(text), "stop "); orderly != test.orderly {
					t.Errorf("orderly: %v, want %v; witness: %q", orderly, test.orderly, text)
				}
				assertNone(t, r.dir, spec)
			})
		}
	}
}

// assertNone fails if a launch has a process.
func assertNone(t testing.TB, dir string, spec supervisor.Spec) {
	t.Helper()
	if left := processes(t, dir)[string(spec.Launch)]; len(left) > 0 {
		t.Errorf("launch %s is gone, but %d of its processes run: %+v", spec.Launch, len(left), left)
	}
}

// A process that is never the same for long escapes every list of pids.
func TestS8_ChainOfForksIsCaught(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run(proof, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			spec := newSpec(t, "alpha", set(append(settings, "HOSTILE_FORK_CHAIN=1", "HOSTILE_FORK_CLEAN=1")...))
			w := r.start(spec)
			eventually(t, "the chain runs", func() bool { return len(workersOf(t, r.dir, spec.Launch)) > 1 })
			began := time.Now()
			r.stop(w, true)
			t.Logf("caught after %v", time.Since(began))
			assertNone(t, r.dir, spec)
		})
	}
}

func TestS6_ForceCutsTheGraceShort(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha", set("HOSTILE_IGNORE_TERM=1"))
	spec.Kind.Stop.Grace = time.Hour
	w := r.start(spec)
	gentle := make(chan error, 1)
	go func() { gentle <- w.Stop(r.context(), false) }()
	eventually(t, "the gentle stop is under way", func() bool {
		select {
		case err := <-gentle:
			t.Errorf("the gentle stop ended: %v", err)
			return true
		default:
			return w.(*worker).stopAsked()
		}
	})
	r.stop(w, true)
	if err := <-gentle; err != nil {
		t.Errorf("the gentle stop: %v", err)
	}
}

func (w *worker) stopAsked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

func TestWorker_StopAgainIsNil(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha"))
	for range 3 {
		r.stop(w, false)
	}
}

// Whatever a worker leaves running when it ends has no one to serve.
func TestS8_LeftoversOfAWorkerThatEndsAreKilled(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		signal syscall.Signal
		code   int
		name   string
	}{
		"exit":  {code: 7},
		"crash": {signal: syscall.SIGSEGV, code: -1, name: "SIGSEGV"},
		"kill":  {signal: syscall.SIGKILL, code: -1, name: "SIGKILL"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			spec := newSpec(t, "alpha", set("HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=2"))
			w := r.start(spec)
			endpoint, _ := w.Endpoint("http")
			if test.signal != 0 {
				// Go's runtime turns a SIGSEGV from outside into a crash of its own; the default action needs SIGKILL's way.
				if err := syscall.Kill(w.(*worker).root().PID, test.signal); err != nil {
					t.Fatal(err)
				}
			} else {
				post(endpoint, "/exit?code=7")
			}
			awaitGone(t, w)
			exit := w.Exit()
			if test.name != "SIGSEGV" && (exit.Code != test.code || exit.Signal != test.name) || exit.Expected {
				t.Errorf("exit: %+v", exit)
			}
			assertNone(t, r.dir, spec)
			if _, err := endpoint.Dial(r.context()); !errors.Is(err, errWorkerGone) {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}

// post sends a request whose answer does not matter.
func post(endpoint supervisor.Endpoint, path string) {
	client := &http.Client{Transport: transportTo(endpoint), Timeout: patience}
	request, err := http.NewRequest(http.MethodPost, "http://worker"+path, nil)
	if err != nil {
		return
	}
	request.Header = endpoint.Header.Clone()
	if response, err := client.Do(request); err == nil {
		response.Body.Close()
	}
	client.CloseIdleConnections()
}

// Hostile neighbours die alone: whatever one does to get lost, only its own processes are killed with it.
func TestS8_NeighboursLive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	faults := []string{swept, "HOSTILE_FORK_AWAY=2", "HOSTILE_FORK_CLEAN=1", "HOSTILE_FORK_GROUP=2"}
	victim := newSpec(t, "victim", set(append(faults, "HOSTILE_FORK_STORM=50")...))
	alike := newSpec(t, "alike", set(faults...))
	marked := newSpec(t, "marked", set(swept, "HOSTILE_FORK_AWAY=2"))
	plain := newSpec(t, "plain", set(swept))
	want := map[supervisor.LaunchID]int{alike.Launch: 5, marked.Launch: 3, plain.Launch: 1}
	first := r.start(victim)
	for _, spec := range []supervisor.Spec{alike, marked, plain} {
		r.start(spec)
	}
	before := map[supervisor.LaunchID]map[proc.ID]bool{}
	eventually(t, "all run", func() bool {
		now := processes(t, r.dir)
		for launch, count := range want {
			if len(now[string(launch)]) < count {
				return false
			}
			before[launch] = ids(now[string(launch)])
		}
		return len(now[string(victim.Launch)]) > 54
	})
	r.stop(first, true)
	assertNone(t, r.dir, victim)
	now := processes(t, r.dir)
	for launch := range want {
		after := ids(now[string(launch)])
		for id := range before[launch] {
			if !after[id] {
				t.Errorf("process %d of the neighbour %s was killed", id.PID, launch)
			}
		}
	}
}

func ids(stats []proc.Stat) map[proc.ID]bool {
	set := map[proc.ID]bool{}
	for _, stat := range stats {
		set[stat.ID] = true
	}
	return set
}
