package process

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// ownNetworkOnly makes the worker listen on a port of a network of its own, and ask nobody for a key.
func ownNetworkOnly(k *kind.Kind) {
	tcp(k)
	k.Isolation.Network = kind.NetworkOwn
	k.Processes[0].Set["WORKER_KEY"] = ""
}

// A worker that listens on TCP without a key is reached by the router and by nobody else, and reaches nobody. Where the
// machine gives it no network of its own that is named, and it is served all the same.
func TestS7_OwnNetwork(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha", ownNetworkOnly)).(*worker)
	other := &scene{attacker: r.start(newSpec(t, "beta"))}
	endpoint, _ := w.Endpoint(kind.HTTPEndpoint)
	if status, body := get(t, endpoint, "/echo"); status != http.StatusOK || !strings.Contains(body, w.spec.WorkerName) {
		t.Errorf("status %d: %s", status, body)
	}
	held := w.spawned.Isolation
	if os.Getuid() != 0 {
		if w.apart() || !slices.ContainsFunc(held.Missing, func(s string) bool { return strings.HasPrefix(s, sandbox.MeansNetwork+" (") }) {
			t.Errorf("the fallback is not named: %v", held)
		}
		return
	}
	if !w.apart() {
		t.Fatalf("there is no network namespace: %v", held)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.values.ports["port"]))
	if got := other.try(t, "connect", address, false); got == "" {
		t.Error("another worker reaches its port")
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("any process of the machine reaches its port")
	}
	assertReachesNobody(t, w)
	r.stop(w, false)
	if _, err := endpoint.Dial(r.context()); !errors.Is(err, errWorkerGone) {
		t.Errorf("after its end: %v", err)
	}
	t.Run("as nobody", func(t *testing.T) { againAsNobody(t, "TestS7_OwnNetwork") })
}

func assertReachesNobody(t *testing.T, w supervisor.Worker) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	abstract, err := net.Listen("unix", "@"+string(w.Spec().Launch))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	s := &scene{attacker: w}
	for what, on := range map[string]string{"connect": tcp.Addr().String(), "abstract": string(w.Spec().Launch), "udp": "192.0.2.1:9"} {
		if got := s.try(t, what, on, false); got == "" {
			t.Errorf("%s %s succeeds from within", what, on)
		}
	}
}

// Whoever has the port on the machine is in nobody's way: it is another port.
func TestS7_OwnNetworkHasItsOwnPorts(t *testing.T) {
	t.Parallel()
	if !mayContain() {
		t.Log("this user may not make networks")
		return
	}
	r := newRig(t)
	spec := newSpec(t, "alpha", ownNetworkOnly)
	var got foreign
	var ports []int
	w, err := r.Start(r.context(), spec, func(p supervisor.Progress) {
		if p.Phase != supervisor.PhaseLocked {
			return
		}
		port := r.worker(string(spec.Launch)).values.ports["port"]
		ports = append(ports, port)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Error(err)
			return
		}
		got.serve(t, listener)
	})
	if err != nil {
		t.Fatal(err)
	}
	if port := w.(*worker).values.ports["port"]; len(ports) != 1 || ports[0] != port {
		t.Errorf("it was started with the ports %v, and has %d", ports, port)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if got.accepted > 0 {
		t.Error("the other process was spoken to")
	}
}

// A wait for a connection ends with its context, and a thread that was inside is home again.
func TestDialInside_Ends(t *testing.T) {
	t.Parallel()
	if !mayContain() {
		t.Log("this user may not make networks")
		return
	}
	r := newRig(t)
	w := r.start(newSpec(t, "alpha", ownNetworkOnly)).(*worker)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := w.dialInside(ctx, w.values.ports["port"]); !errors.Is(err, cause) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if _, err := w.dialInside(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("where nobody listens: %v", err)
	}
	root := w.root()
	root.Start++
	if socket, err := socketIn(root); !errors.Is(err, errWorkerGone) {
		socket.Close()
		t.Errorf("of another process with its pid: %v", err)
	}
	shared := r.start(newSpec(t, "beta", tcp)).(*worker)
	if socket, err := socketIn(shared.root()); err == nil {
		socket.Close()
		t.Error("the machine's network was taken for the launch's own")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 50 {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatalf("a thread has stayed in the launch's network: %v", err)
		}
		conn.Close()
	}
}
