package process

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// A process that listens where the launch should, and would say all that is asked of it, gets neither the secret nor
// any other byte.
func TestCase1_NoByteToAForeignSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha", set("HOSTILE_SLOW_START=1h"))
	var got foreign
	w, err := r.Start(r.context(), spec, func(p supervisor.Progress) {
		if p.Phase == supervisor.PhaseSpawned {
			listener, err := net.Listen("unix", keeper.Data(r.dir).Socket(string(spec.Launch)))
			if err != nil {
				t.Error(err)
				return
			}
			got.serve(t, listener)
		}
	})
	if w == nil {
		t.Fatal("there is no worker to stop")
	}
	assertCause(t, err, supervisor.CauseWrongIdentity)
	r.stop(w, true)
	got.assertNothing(t)
}

// foreign is a listener that takes note of what it is sent.
type foreign struct {
	mu       sync.Mutex
	received []byte
	accepted int
}

func (f *foreign) serve(t *testing.T, listener net.Listener) {
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.accepted++
			f.mu.Unlock()
			go func() {
				text, _ := io.ReadAll(conn)
				f.mu.Lock()
				f.received = append(f.received, text...)
				f.mu.Unlock()
			}()
		}
	}()
}

func (f *foreign) assertNothing(t *testing.T) {
	t.Helper()
	eventually(t, "it was tried", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.accepted > 0
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.received) > 0 {
		t.Errorf("a foreign process was sent %q", f.received)
	}
}

func assertCause(t testing.TB, err error, cause supervisor.Cause) {
	t.Helper()
	var failed *supervisor.StartError
	if !errors.As(err, &failed) || failed.Cause != cause {
		t.Errorf("got %v, want the cause %q", err, cause)
	}
}

// tcp makes the worker listen on loopback.
func tcp(k *kind.Kind) {
	k.Endpoints["http"] = kind.Endpoint{Network: kind.NetworkTCP, Host: "localhost"}
	delete(k.Processes[0].Set, "WORKER_SOCKET")
	k.Processes[0].Set["HOST"] = "127.0.0.1"
	k.Processes[0].Set["PORT"] = "{port}"
}

func TestStart_OverTCP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var ports []string
	for _, name := range []string{"alpha", "beta"} {
		w := r.start(newSpec(t, name, tcp))
		endpoint, found := w.Endpoint("http")
		if !found {
			t.Fatal("there is no endpoint")
		}
		if status, body := get(t, endpoint, "/echo"); status != http.StatusOK || !strings.Contains(body, w.Spec().WorkerName) {
			t.Errorf("status %d: %s", status, body)
		}
		ports = append(ports, strconv.Itoa(w.(*worker).values.ports["port"]))
		if name == "beta" {
			r.stop(w, false)
		}
	}
	if ports[0] == ports[1] {
		t.Errorf("both workers have port %s", ports[0])
	}
	r.ports.mu.Lock()
	defer r.ports.mu.Unlock()
	if taken := len(r.ports.taken); taken != 1 {
		t.Errorf("%d ports are taken, want that of the living worker", taken)
	}
}

// Whoever takes the port between the choice and the worker's own binding is found out before a byte is sent, and the
// worker gets another port.
func TestCase1_APortTakenByAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha", tcp, set("HOSTILE_SLOW_START=1s"))
	var got foreign
	taken := false
	w, err := r.Start(r.context(), spec, func(p supervisor.Progress) {
		if p.Phase == supervisor.PhaseSpawned && !taken {
			taken = true
			port := r.worker(string(spec.Launch)).values.ports["port"]
			listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
			if err != nil {
				t.Error(err)
				return
			}
			got.serve(t, listener)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got.assertNothing(t)
	endpoint, _ := w.Endpoint("http")
	if status, body := get(t, endpoint, "/echo"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
}

// A worker that finds its port taken before anybody has probed it ends by itself; that is no failure of its own.
func TestStart_PortTakenBeforeTheFirstProbe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := newSpec(t, "alpha", tcp, set("HOSTILE_SLOW_START=1h"))
	spawned, probe := make(chan *worker, 1), make(chan struct{})
	var second *worker
	var failed error
	over := make(chan struct{})
	go func() {
		defer close(over)
		w, err := r.Start(r.context(), spec, func(p supervisor.Progress) {
			if p.Phase == supervisor.PhaseSpawned {
				spawned <- r.worker(string(spec.Launch))
				<-probe
			}
		})
		second, _ = w.(*worker)
		failed = err
	}()
	end := func(w *worker) { // as it would end itself if it could not bind
		if err := unix.Kill(w.spawned.PID, unix.SIGKILL); err != nil {
			t.Error(err)
		}
		<-w.exited
	}
	first := <-spawned
	port := first.values.ports["port"]
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Error(err)
	} else {
		defer listener.Close()
	}
	end(first)
	close(probe)
	eventually(t, "it is tried again", func() bool {
		other := r.worker(string(spec.Launch))
		if other == nil || other == first || !closed(other.settled) {
			return false
		}
		end(other)
		return true
	})
	<-over
	assertCause(t, failed, supervisor.CauseExited)
	if second == nil {
		t.Fatal("there is no worker")
	}
	if other := second.values.ports["port"]; other == port {
		t.Errorf("it was tried with port %d again, want another", port)
	}
	r.stop(second, true)
}

// A worker that has ended has given its port back; a process that takes it is not spoken to.
func TestCase1_APortTakenAfterTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha", tcp))
	endpoint, _ := w.Endpoint("http")
	port := w.(*worker).values.ports["port"]
	if err := w.(*worker).proveListener(port); err != nil {
		t.Errorf("the worker's own port: %v", err)
	}
	r.stop(w, false)
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	var got foreign
	got.serve(t, listener)
	if _, err := endpoint.Dial(r.context()); !errors.Is(err, errWorkerGone) {
		t.Errorf("Dial: %v", err)
	}
	if err := w.(*worker).proveListener(port); !errors.Is(err, errAddressInUse) {
		t.Errorf("the foreign port: %v", err)
	}
}

func TestOwns_NeighboursAndStrangersAreForeign(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.start(newSpec(t, "alpha", set("HOSTILE_FORK_AWAY=1", "HOSTILE_FORK_CLEAN=1"))).(*worker)
	second := r.start(newSpec(t, "beta")).(*worker)
	own := func() []int {
		var pids []int
		for _, stat := range workersOf(t, r.dir, first.spec.Launch) {
			pids = append(pids, stat.PID)
		}
		return pids
	}
	eventually(t, "the orphan runs", func() bool { return len(own()) == 2 })
	for _, pid := range own() {
		if !first.owns(pid) || second.owns(pid) {
			t.Errorf("process %d belongs to the first launch: %v %v", pid, first.owns(pid), second.owns(pid))
		}
	}
	for _, pid := range []int{1, os.Getpid(), second.root().PID, 1 << 22} {
		if first.owns(pid) {
			t.Errorf("process %d belongs to nobody here", pid)
		}
	}
}
