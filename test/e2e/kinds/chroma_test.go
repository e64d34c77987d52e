package kinds

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// plainChroma runs Chroma's server by itself, without the router, and gives its address.
func plainChroma(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	folder := testkit.ShortDir(t)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(chroma, "bin", "chroma"), "run", "--path", folder, "--port", port(address))
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	testkit.Eventually(t, "Chroma to answer", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v2/heartbeat", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
		}
		return err
	})
	return "http://" + address
}

// TestChroma_ItsClientsSeeNoDifference has Chroma's client use a server of its own and workspaces behind the router, and
// compares all that it was told. What has to be said to reach a workspace is a host, a port or headers.
func TestChroma_ItsClientsSeeNoDifference(t *testing.T) {
	t.Parallel()
	want := map[bool]map[string]any{false: {}, true: {}} // by whether it is the asynchronous client
	for async, told := range want {
		r := rig{Router: &testkit.Router{}}
		r.python(t, "chroma_client.py", append([]string{"BASE=" + plainChroma(t), "HEADERS={}"}, asynchronous(async)...), &told)
		want[async] = told
	}
	// By the command that its package installs; the others use the one that begins sooner.
	r := newRig(t, "ROUTER_BOUND_LISTENERS=127.0.0.1:0=bound", "ROUTER_KIND_CHROMA_PROGRAM="+filepath.Join(chroma, "bin", "chroma"))
	for _, way := range []struct {
		name, workspace, base, port string
		headers                     map[string]string
		async                       bool
	}{
		{"path", "path", r.URL + "/w/path", "1", map[string]string{"X-Chroma-Token": r.Key}, false},
		{"header", "header", "127.0.0.1", port(r.URL), map[string]string{"X-Chroma-Token": r.Key, "X-Workspace-ID": "header"}, false},
		{"bearer", "bearer", r.URL, "1", map[string]string{"Authorization": "Bearer " + r.Key, "LIGHTRAG-WORKSPACE": "bearer"}, false},
		{"listener", "bound", "127.0.0.1", port(r.says(t, "bound")), map[string]string{"X-API-Key": r.Key}, false},
		{"async", "async", r.URL + "/w/async", "1", map[string]string{"X-Chroma-Token": r.Key}, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			headers, err := json.Marshal(way.headers)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			r.python(t, "chroma_client.py", append([]string{"BASE=" + way.base, "PORT=" + way.port, "HEADERS=" + string(headers)}, asynchronous(way.async)...), &got)
			if diff := cmp.Diff(want[way.async], got); diff != "" || len(got) < 10 {
				t.Errorf("what the client was told by Chroma itself (-) and through the router (+):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(r.folder, "projects", way.workspace, "knowledge-graph", "chroma.sqlite3")); err != nil {
				t.Errorf("the data are not where those of projects are: %v", err)
			}
		})
	}
}

// port is that of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func asynchronous(yes bool) []string {
	if yes {
		return []string{"ASYNC=1"}
	}
	return nil
}

// TestChroma_IsolationUnderEviction lets clients of two workspaces that contradict each other work at the same time, where
// there is room for one worker.
func TestChroma_IsolationUnderEviction(t *testing.T) {
	t.Parallel()
	r := newRig(t, "ROUTER_POOL_MAX_WORKERS=1")
	var got struct {
		Wrong  [][]any
		Looked int
	}
	r.python(t, "chroma_load.py", []string{"BASE=" + r.URL, "WORKSPACES=astrid duarte", "CLIENTS=2", "ROUNDS=5"}, &got)
	if len(got.Wrong) > 0 || got.Looked != 2*2*5*2 {
		t.Errorf("%d answers of 40, wrong: %v", got.Looked, got.Wrong)
	}
	evicted := strings.Count(r.Output(), `"message":"worker stopped"`)
	t.Logf("%d answers, %d evictions", got.Looked, evicted)
	if evicted < 4 {
		t.Errorf("%d workers made room, want a constant change", evicted)
	}
	if code := r.Terminate(t); code != 0 {
		t.Errorf("the router ended with status %d", code)
	}
	testkit.NothingLeft(t, r.DataDir)
	testkit.LocksFree(t, r.DataDir)
	for workspace, foreign := range map[string]string{"astrid": "duarte says", "duarte": "astrid says"} {
		content, err := os.ReadFile(filepath.Join(r.folder, "projects", workspace, "knowledge-graph", "chroma.sqlite3"))
		if err != nil || strings.Contains(string(content), foreign) || !strings.Contains(string(content), workspace+" says") {
			t.Errorf("the file of %s (%v) holds what the other one says, or not its own", workspace, err)
		}
	}
}

// TestChroma_WhatWasAcknowledgedIsKept kills workers and routers while documents are added, and then looks for each that
// was acknowledged, by its id and in the index.
func TestChroma_WhatWasAcknowledgedIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const name, deaths, between = "astrid", 4, 25
	acknowledged, sent := []string{}, 0
	add := func(collection string) bool {
		sent++
		id := "doc-" + strconv.Itoa(sent)
		body := fmt.Sprintf(`{"ids":[%q],"embeddings":[[%d.0,1.0,0.5]],"documents":["%s"]}`, id, sent, id)
		response, err := r.try(t, testkit.Request{Method: http.MethodPost, Path: collection + "/add", Body: body})
		if err != nil || response.Status != http.StatusCreated {
			return false
		}
		acknowledged = append(acknowledged, id)
		return true
	}
	for death := range deaths {
		collection := r.collection(t, name, "facts")
		for range between {
			add(collection)
		}
		gone := make(chan struct{})
		pid := r.worker(t, name).PID
		go func() { // in the middle of a write, with luck
			defer close(gone)
			if death%2 == 0 {
				kill(t, pid)
			} else {
				r.Kill()
			}
		}()
		for add(collection) && len(acknowledged) < sent+1 {
			select {
			case <-gone:
			default:
				continue
			}
			break
		}
		<-gone
		if death%2 == 1 {
			testkit.NothingLeft(t, r.DataDir)
			testkit.LocksFree(t, r.DataDir)
			r.start(t)
		}
	}
	collection := r.collection(t, name, "facts")
	var kept struct{ IDs []string }
	if err := r.must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: collection + "/get", Body: `{"include":[]}`}).JSON(&kept); err != nil {
		t.Fatal(err)
	}
	var indexed struct{ IDs [][]string }
	query := fmt.Sprintf(`{"query_embeddings":[[1.0,1.0,0.5]],"n_results":%d,"include":[]}`, len(kept.IDs))
	if err := r.must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: collection + "/query", Body: query}).JSON(&indexed); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sent, %d acknowledged, %d kept", sent, len(acknowledged), len(kept.IDs))
	for place, ids := range map[string][]string{"kept": kept.IDs, "indexed": indexed.IDs[0]} {
		there := map[string]bool{}
		for _, id := range ids {
			there[id] = true
		}
		for _, id := range acknowledged {
			if !there[id] {
				t.Errorf("%s was acknowledged and is not %s", id, place)
			}
		}
	}
}

// TestChroma_NobodyElseReachesIt looks for the port that the worker listens on: from here it is not there, because the
// worker's network is its own.
func TestChroma_NobodyElseReachesIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"astrid", "duarte"} {
		r.must(t, http.StatusOK, testkit.Request{Path: "/w/" + name + "/api/v2/tenants/default_tenant"})
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	networks := map[string]bool{own: true}
	for _, name := range []string{"astrid", "duarte"} {
		pid := r.worker(t, name).PID
		network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil || networks[network] {
			t.Errorf("the worker of %s is in the network %s of somebody else (%v)", name, network, err)
		}
		networks[network] = true
		ports := listening(t, pid)
		if len(ports) != 1 {
			t.Fatalf("the worker of %s listens on %v, want one port", name, ports)
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", ports[0])); err == nil {
			t.Errorf("the worker of %s is reached at %s", name, conn.RemoteAddr())
			conn.Close()
		}
		// Nor is there a way from inside of it to anywhere: its loopback is all that it has.
		devices, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
		if lines := strings.Count(string(devices), ":"); err != nil || lines != 1 || !strings.Contains(string(devices), "lo:") {
			t.Errorf("the worker of %s has the devices %s (%v)", name, devices, err)
		}
	}
}

// listening gives the ports on which somebody listens in the network of a process.
func listening(t *testing.T, pid int) (ports []string) {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, strconv.FormatUint(port, 10))
	}
	return ports
}

// TestChroma_WhatTakesRights asks by a key that has the data of its tenant and no more.
func TestChroma_WhatTakesRights(t *testing.T) {
	t.Parallel()
	r := newRig(t, "LIGHTRAG_API_KEY=a-key-for-data-only")
	header := http.Header{"X-Chroma-Token": {"a-key-for-data-only"}}
	facts := r.collection(t, "astrid", "facts")
	for _, tc := range []struct {
		status  int
		request testkit.Request
	}{
		{http.StatusOK, testkit.Request{Path: facts + "/count", Header: header}},
		{http.StatusForbidden, testkit.Request{Method: http.MethodPost, Path: "/w/astrid/api/v2/reset", Header: header}},
		{http.StatusForbidden, testkit.Request{Method: http.MethodPatch, Path: "/w/astrid/api/v2/tenants/default_tenant", Header: header, Body: `{"resource_name":"x"}`}},
		{http.StatusUnauthorized, testkit.Request{Path: facts + "/count"}},
		{http.StatusUnauthorized, testkit.Request{Path: facts + "/count", Header: http.Header{"X-Chroma-Token": {"wrong"}}}},
		{http.StatusBadRequest, testkit.Request{Path: "/w/astrid" + "/api/v2/tenants/..%2Fx", Header: header}},
	} {
		tc.request.NoKey = true
		r.must(t, tc.status, tc.request)
	}
	r.must(t, http.StatusOK, testkit.Request{Path: facts + "/count"})
	if got := r.must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: "/w/astrid/api/v2/reset"}).Body; got != "true" {
		t.Errorf("who operates the workspace empties it: got %s", got)
	}
	r.must(t, http.StatusNotFound, testkit.Request{Path: facts})
}

// TestChroma_ColdAnswers asks what needs no data; no worker may start for it.
func TestChroma_ColdAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	paths := []string{"/api/v2/heartbeat", "/api/v2", "/api/v2/version", "/api/v2/pre-flight-checks", "/api/v2/healthcheck", "/api/v2/auth/identity"}
	cold := map[string]testkit.Response{}
	for _, path := range paths {
		cold[path] = r.must(t, http.StatusOK, testkit.Request{Path: "/w/astrid" + path})
	}
	r.must(t, http.StatusGone, testkit.Request{Path: "/w/astrid/api/v1/collections"})
	if w := r.worker(t, "astrid"); w.PID != 0 {
		t.Fatalf("worker %d was started for what needs none", w.PID)
	}
	r.must(t, http.StatusOK, testkit.Request{Path: "/w/astrid/api/v2/tenants/default_tenant"})
	for _, path := range paths {
		warm := r.must(t, http.StatusOK, testkit.Request{Path: "/w/astrid" + path})
		if strings.Contains(warm.Body, "heartbeat") {
			warm.Body, cold[path] = warm.Body[:24], testkit.Response{Body: cold[path].Body[:24], Header: cold[path].Header}
		}
		if warm.Body != cold[path].Body || warm.Header.Get("Content-Type") != cold[path].Header.Get("Content-Type") {
			t.Errorf("%s: got %s cold, %s warm", path, cold[path].Body, warm.Body)
		}
	}
}
