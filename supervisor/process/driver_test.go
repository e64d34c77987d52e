package process

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/supervisor"
)

func TestDriver_StartServeStop(t *testing.T) {
	t.Parallel()
	for proof, settings := range proofs() {
		t.Run(proof, func(t *testing.T) {
			t.Parallel()
			startServeStop(t, proof, settings)
		})
	}
}

func startServeStop(t *testing.T, proof string, settings []string) {
	r := newRig(t)
	spec := newSpec(t, "alpha", set(settings...))
	var seen phases
	w, err := r.Start(r.context(), spec, seen.report)
	if err != nil {
		t.Fatal(err, workerLog(r.dir, spec))
	}
	want := []supervisor.Phase{supervisor.PhaseLocked, supervisor.PhaseSpawned, supervisor.PhaseReady, supervisor.PhaseProven}
	if diff := cmp.Diff(want, seen.list); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	endpoint, found := w.Endpoint("http")
	if !found {
		t.Fatal("there is no endpoint")
	}
	if status, body := get(t, endpoint, "/echo"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	r.stop(w, false)
	exit := w.Exit()
	if exit.Code != 0 || !exit.Expected || exit.Proof != proof {
		t.Errorf("exit: %+v", exit)
	}
	if _, err := endpoint.Dial(r.context()); err == nil {
		t.Error("an endpoint of a worker that is gone gave a connection")
	}
}

func get(t testing.TB, endpoint supervisor.Endpoint, path string) (int, string) {
	t.Helper()
	transport := transportTo(endpoint)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://worker"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = endpoint.Header.Clone()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func transportTo(endpoint supervisor.Endpoint) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.Dial(ctx) }}
}
