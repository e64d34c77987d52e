package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"workspace-router/auth"
	"workspace-router/configs"
)

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// run runs one command line in an environment of its own.
func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	a := &app{out: &out, err: &err, environ: environ}
	code := a.run(t.Context(), args)
	return result{code, out.String(), err.String()}
}

// router is a server that answers as the operator API does: by method and path.
type router struct {
	*httptest.Server
	mu       sync.Mutex // guards requests
	requests []string   // "METHOD PATH BODY", in order
}

// answers are what a router answers to "METHOD PATH": a status and a body.
type answers map[string]struct {
	status int
	body   string
}

func newRouter(t *testing.T, to answers) *router {
	t.Helper()
	r := &router{}
	r.Server = httptest.NewServer(r.handler(to))
	t.Cleanup(r.Close)
	return r
}

func (r *router) handler(to answers) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		r.requests = append(r.requests, strings.TrimSpace(request.Method+" "+request.URL.RequestURI()+" "+string(body)))
		r.mu.Unlock()
		answer, found := to[request.Method+" "+request.URL.Path]
		switch {
		case request.Header.Get("Authorization") != "Bearer sk-test":
			answer.status, answer.body = 401, `{"code": "unauthenticated", "detail": "A valid credential is needed."}`
		case !found:
			answer.status, answer.body = 404, `{"code": "workspace_not_found", "detail": "no such workspace"}`
		}
		w.WriteHeader(answer.status)
		io.WriteString(w, answer.body)
	}
}

func (r *router) environ() []string { return []string{"ROUTER_URL=" + r.URL, "ROUTER_KEY=sk-test"} }

const oneWorker = `{"workspace":"alpha","tenant":"acme","kind":"embedded","state":"ready","pid":7,"launch":"abcd1234","started_at":null,` +
	`"ready_ms":12.4,"leases":2,"idle_seconds":0,"busy":true,"pinned":false,"pss_bytes":20971520,"fds":9,"requests":5,"node":"n"}`

const oneWorkspace = `{"workspace":"alpha","tenant":"default","generation":"g","display_name":"Alpha","kind":"embedded","worker_name":"w",` +
	`"state":"active","created_at":"2026-01-02T03:04:05Z"}`

// walk visits every command.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, child := range c.Commands() {
		walk(child, visit)
	}
}

func TestCommands_AreDescribedAndHaveAnExample(t *testing.T) {
	t.Parallel()
	walk((&app{out: io.Discard, err: io.Discard}).newRootCommand(), func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, "router") {
			t.Errorf("%q lacks a description or an example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(strings.TrimSpace(line))
			for i, word := range words {
				if word != "router" || i+1 == len(words) {
					continue
				}
				if found, _, err := c.Root().Find(words[i+1 : i+2]); err != nil || found == c.Root() {
					t.Errorf("%q: the example %q names no command", c.CommandPath(), line)
				}
			}
		}
	})
}

func TestUsage_WrongUseExitsWithTwoAndAHint(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"nothing":               {nil, "a command is missing"},
		"an unknown command":    {[]string{"wroker"}, `did you mean "worker"?`},
		"an unknown verb":       {[]string{"worker", "lst"}, `did you mean "list"?`},
		"a missing verb":        {[]string{"worker"}, "a command is missing"},
		"a missing argument":    {[]string{"worker", "evict"}, "W, the workspace, is missing"},
		"an argument too many":  {[]string{"worker", "list", "alpha"}, `unexpected argument "alpha"`},
		"all and one":           {[]string{"worker", "restart", "--all", "alpha"}, `unexpected argument "alpha"`},
		"an unknown flag":       {[]string{"worker", "list", "--nothing"}, "unknown flag: --nothing"},
		"a flag without value":  {[]string{"worker", "list", "-o"}, "flag needs an argument"},
		"an unknown form":       {[]string{"worker", "list", "-o", "xml"}, `got "xml", want table, json or yaml`},
		"two routers":           {[]string{"worker", "list", "--server", "http://x", "--data", "y"}, "want one"},
		"a server without key":  {[]string{"worker", "list", "--server", "http://x"}, "needs a key"},
		"no URL":                {[]string{"worker", "list", "--server", "localhost:9622", "--key", "k"}, `got "localhost:9622"`},
		"a shell that is none":  {[]string{"completion", "cmd"}, `got "cmd"`},
		"a shell that lacks":    {[]string{"completion"}, "SHELL"},
		"nothing to update":     {[]string{"workspace", "update", "a"}, "nothing to change"},
		"no workspace":          {[]string{"workspace", "env"}, "W, the workspace, is missing"},
		"no variable":           {[]string{"workspace", "env", "a", "KEY"}, "want NAME=VALUE"},
		"one twice":             {[]string{"workspace", "env", "a", "KEY=1", "KEY-"}, "KEY is given twice"},
		"a relative file":       {[]string{"workspace", "env", "a", "--from-file", "KEY=key"}, "with an absolute path"},
		"a flag of another one": {[]string{"whoami", "--force"}, "unknown flag: --force"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, nil, tc.args...)
			if got.code != exitUsage || !strings.Contains(got.err, tc.want) || !strings.Contains(got.err, "--help") || got.out != "" {
				t.Errorf("exit code %d, said %q and %q; want 2, %q and a hint", got.code, got.out, got.err, tc.want)
			}
		})
	}
}

func TestExitCodes_FollowTheAnswer(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{200: 0, 400: 2, 401: 4, 403: 4, 404: 3, 409: 4, 410: 3, 500: 1, 502: 1, 503: 1, 504: 1, 302: 1} {
		r := newRouter(t, answers{"POST /api/v1/workers/alpha/evict": {status, oneWorker}})
		if got := run(t, r.environ(), "worker", "evict", "alpha"); got.code != want {
			t.Errorf("status %d exits with %d, want %d: %s", status, got.code, want, got.err)
		}
	}
	gone := newRouter(t, nil)
	gone.Close()
	if got := run(t, gone.environ(), "worker", "list"); got.code != exitFailed || !strings.Contains(got.err, "cannot reach the router") {
		t.Errorf("without a server: %+v", got)
	}
}

func TestErrors_SayWhatTheRouterSaid(t *testing.T) {
	t.Parallel()
	r := newRouter(t, answers{
		"POST /api/v1/workers/alpha/evict": {409, `{"code": "refused", "detail": "2 requests are open", "request_id": "r1"}`},
		"GET /api/v1/workers":              {500, `{"code": "internal", "detail": "failed", "request_id": "r2"}`},
		"GET /api/v1/workspaces":           {502, "<html>no JSON</html>"},
	})
	for args, want := range map[string]string{
		"worker evict alpha": "router: 2 requests are open (refused)\n",
		"worker list":        "router: failed (internal), request r2\n",
		"workspace list":     "router: the router answered with status 502\n",
	} {
		if got := run(t, r.environ(), strings.Fields(args)...); got.err != want {
			t.Errorf("%s says %q, want %q", args, got.err, want)
		}
	}
}

func TestRequests_AreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"worker list":                           "GET /api/v1/workers",
		"worker show acme.alpha":                "GET /api/v1/workers/acme.alpha",
		"worker explain alpha":                  "GET /api/v1/workers/alpha/explain",
		"worker start alpha":                    `POST /api/v1/workers/alpha/start {"reset":false}`,
		"worker start alpha --reset":            `POST /api/v1/workers/alpha/start {"reset":true}`,
		"worker evict alpha":                    `POST /api/v1/workers/alpha/evict {"force":false}`,
		"worker evict alpha --force":            `POST /api/v1/workers/alpha/evict {"force":true}`,
		"worker restart alpha --force":          `POST /api/v1/workers/alpha/restart {"force":true}`,
		"worker pin alpha":                      "POST /api/v1/workers/alpha/pin",
		"worker unpin alpha":                    "POST /api/v1/workers/alpha/unpin",
		"worker logs alpha":                     "GET /api/v1/workers/alpha/logs?follow=false&tail=200",
		"worker logs alpha -f --tail 5":         "GET /api/v1/workers/alpha/logs?follow=true&tail=5",
		"worker show a/../b":                    "GET /api/v1/workers/a%2F..%2Fb",
		"workspace list":                        "GET /api/v1/workspaces",
		"workspace show alpha":                  "GET /api/v1/workspaces/alpha",
		"workspace create alpha --kind k":       `POST /api/v1/workspaces {"display_name":"","kind":"k","name":"alpha"}`,
		"workspace create a --display-name One": `POST /api/v1/workspaces {"display_name":"One","kind":"","name":"a"}`,
		"workspace create a --idle-timeout 10m": `POST /api/v1/workspaces {"display_name":"","idle_timeout":"10m","kind":"","name":"a"}`,
		"workspace update a --display-name One": `PATCH /api/v1/workspaces/a {"display_name":"One"}`,
		"workspace update a --idle-timeout=":    `PATCH /api/v1/workspaces/a {"idle_timeout":""}`,
		"workspace create a --resume all":       `POST /api/v1/workspaces {"display_name":"","kind":"","name":"a","resume":"all"}`,
		"workspace update a --resume pending":   `PATCH /api/v1/workspaces/a {"resume":"pending"}`,
		"workspace env a":                       "GET /api/v1/workspaces/a/env",
		"workspace env a A=1 B- C=x=y":          `PATCH /api/v1/workspaces/a/env {"variables":{"A":"1","B":null,"C":"x=y"}}`,
		"workspace env a --from-file K=/etc/k":  `PATCH /api/v1/workspaces/a/env {"variables":{"K":{"file":"/etc/k"}}}`,
		"workspace env a A= --replace":          `PUT /api/v1/workspaces/a/env {"variables":{"A":""}}`,
		"workspace env a --replace":             `PUT /api/v1/workspaces/a/env {"variables":{}}`,
		"events --since 3":                      "GET /api/v1/events?since=3",
		"events -f --since 3":                   "GET /api/v1/events?since=3&follow=true",
		"whoami":                                "GET /api/v1/whoami",
	} {
		r := newRouter(t, nil)
		if got := run(t, r.environ(), strings.Fields(args)...); got.code != exitNotFound {
			t.Errorf("%s: exit code %d, want 3: %s", args, got.code, got.err)
		}
		if diff := cmp.Diff([]string{want}, r.requests); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

func TestOutput_Forms(t *testing.T) {
	t.Parallel()
	r := newRouter(t, answers{
		"GET /api/v1/workers":               {200, "[" + oneWorker + "]"},
		"GET /api/v1/workspaces":            {200, "[" + oneWorkspace + "]"},
		"GET /api/v1/workers/alpha":         {200, `{"workspace":"alpha","tenant":"default","state":"failed","failure":"exit status 3","failures":2,"retry_after_seconds":4}`},
		"GET /api/v1/workers/alpha/explain": {200, `{"workspace":"alpha","tenant":"default","state":"cold","sentences":["It was stopped.","Nobody asked."]}`},
		"GET /api/v1/workspaces/alpha/env":  {200, `{"variables":[{"name":"A","value":"********"},{"name":"B","file":"/etc/b"}],"applies":"with the next launch"}`},
		"GET /api/v1/whoami":                {200, `{"type":"local","id":"local","grants":[{"tenant":"*","workspaces":null,"permissions":["cluster:admin"]}]}`},
		"GET /api/v1/events":                {200, `[{"id":1,"time":"2026-01-02T03:04:05Z","type":"stopped","workspace":"alpha","tenant":"default","launch":"abcd1234","reason":"room","for":"beta","idle_ms":1500}]`},
	})
	for args, wants := range map[string][]string{
		"worker list":                {"WORKSPACE   KIND      STATE  PID  LAUNCH    AGE  READY IN  LEASES  IDLE  BUSY  PINNED  MEMORY    REQUESTS\n", "acme.alpha  embedded  ready  7    abcd1234  -    12 ms     2       0s    yes   -       20.0 MiB  5\n"},
		"worker list -o yaml":        {"- workspace: alpha\n", "  pss_bytes: 20971520\n"},
		"worker show alpha":          {"failed 2 times in a row, tried again in 4 s: exit status 3"},
		"worker show alpha -o json":  {`"failures": 2`},
		"worker explain alpha":       {"alpha is cold.\nIt was stopped.\nNobody asked.\n"},
		"workspace list":             {"WORKSPACE  DISPLAY NAME  KIND", "alpha      Alpha         embedded  active  -             g"},
		"workspace list -o yaml":     {"- workspace: alpha\n  tenant: default\n"},
		"workspace env alpha":        {"NAME  VALUE     FROM FILE\nA     ********  -\nB     -         /etc/b\n\nChanges count with the next launch\n"},
		"whoami":                     {"local  *       *           cluster:admin"},
		"events":                     {"stopped       alpha                     abcd1234  room, for beta, idle 1.5 s"},
		"version":                    {"workspace-router "},
		"version -o json":            {`"version": "`},
		"completion bash":            {"__start_router"},
		"completion fish":            {"complete -c router"},
		"config reference":           {"# Configuration"},
		"config show":                {"pool.max_workers                50               default"},
		"config show -o yaml":        {"pool:\n  max_workers: 50\n"},
		"config check --listen :999": {"The configuration is valid.\n"},
	} {
		got := run(t, r.environ(), strings.Fields(args)...)
		for _, want := range wants {
			if got.code != exitDone || !strings.Contains(got.out, want) || got.err != "" {
				t.Errorf("%s: exit code %d, %s\n%s\nwant\n%s", args, got.code, got.err, got.out, want)
			}
		}
	}
}

// shownKeys are the keys with one value; those of each kind have one for each.
func shownKeys() []configs.Key {
	return slices.DeleteFunc(configs.Keys(), func(k configs.Key) bool { return strings.Contains(k.Name, "*") })
}

func TestOutput_JSONOfAListIsOneArray(t *testing.T) {
	t.Parallel()
	r := newRouter(t, answers{
		"GET /api/v1/workers": {200, "[" + oneWorker + "]"}, "GET /api/v1/workspaces": {200, "[]"}, "GET /api/v1/events": {200, `[{"id": 1, "new": 2}]`},
	})
	for args, want := range map[string]int{"worker list": 1, "workspace list": 0, "events": 1, "config show": len(shownKeys())} {
		got := run(t, r.environ(), append(strings.Fields(args), "-o", "json")...)
		var list []map[string]any
		if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) != want || list == nil {
			t.Errorf("%s -o json: %v, %d elements, want %d:\n%s", args, err, len(list), want, got.out)
		}
		if args == "events" && list[0]["new"] != 2.0 {
			t.Error("a field that this program does not know is lost")
		}
	}
}

func TestRestartAll_GoesOnAfterARefusal(t *testing.T) {
	t.Parallel()
	worker := func(name, state string) string {
		return strings.NewReplacer(`"alpha"`, `"`+name+`"`, `"ready"`, `"`+state+`"`).Replace(oneWorker)
	}
	r := newRouter(t, answers{
		"GET /api/v1/workers":                    {200, "[" + worker("one", "ready") + "," + worker("two", "ready") + "," + worker("three", "starting") + "]"},
		"POST /api/v1/workers/acme.one/restart":  {409, `{"code": "refused", "detail": "it is leased"}`},
		"POST /api/v1/workers/acme.two/restart":  {200, worker("two", "ready")},
		"POST /api/v1/workers/acme.four/restart": {500, ""},
	})
	got := run(t, r.environ(), "worker", "restart", "--all")
	if got.code != exitRefused || !strings.Contains(got.err, "acme.one: it is leased (refused)") || !strings.Contains(got.out, "acme.two") || strings.Contains(got.out, "acme.one") {
		t.Errorf("got %+v", got)
	}
	if len(r.requests) != 3 {
		t.Errorf("the requests were %q, want the list and two restarts", r.requests)
	}
}

// stream serves one answer piece by piece and then waits for its reader, or ends.
func stream(t *testing.T, hang bool, pieces ...string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, piece := range pieces {
			io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
		if hang {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// writerFunc is a writer that ends the command when it has seen enough.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestFollow_EndsInOrderWhenTheUserEndsIt(t *testing.T) {
	t.Parallel()
	event := "id: 1\nevent: ready\ndata: {\"id\":1,\"type\":\"ready\",\"workspace\":\"alpha\"}\n\n"
	for args, want := range map[string]string{
		"events -f":            "alpha",
		"events -f -o json":    `{"id":1,"type":"ready","workspace":"alpha"}` + "\n",
		"events -f -o yaml":    "workspace: alpha",
		"worker logs alpha -f": "data: ",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			server := stream(t, true, ": open\n\n", event)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var seen, errs bytes.Buffer
			a := &app{err: &errs, environ: []string{"ROUTER_URL=" + server.URL, "ROUTER_KEY=k"}, out: writerFunc(func(p []byte) (int, error) {
				if seen.Write(p); strings.Contains(seen.String(), want) {
					cancel() // as Ctrl-C does
				}
				return len(p), nil
			})}
			if code := a.run(ctx, strings.Fields(args)); code != exitDone || !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("exit code %d (%v), wrote %q, said %q", code, ctx.Err(), seen.String(), errs.String())
			}
		})
	}
}

func TestFollow_FailsWhenTheRouterEndsIt(t *testing.T) {
	t.Parallel()
	server := stream(t, false, ": open\n\n")
	got := run(t, []string{"ROUTER_URL=" + server.URL, "ROUTER_KEY=k"}, "events", "-f")
	if got.code != exitFailed || !strings.Contains(got.err, "shutting down") {
		t.Errorf("got %+v", got)
	}
}

func TestRemote_SendsTheKeyNowhereElse(t *testing.T) {
	t.Parallel()
	var stolen string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = r.Header.Get("Authorization") }))
	defer thief.Close()
	server := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	got := run(t, nil, "whoami", "--server", server.URL, "--key", "sk-secret")
	if got.code != exitFailed || stolen != "" {
		t.Errorf("the redirect gets %q: %+v", stolen, got)
	}
	if strings.Contains(got.out+got.err, "sk-secret") {
		t.Errorf("the key is shown: %+v", got)
	}
}

// serveLocal is a router's local socket over a data directory.
func serveLocal(t *testing.T, dir string) {
	t.Helper()
	local, err := auth.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listenLocal(dir, &given{})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := local.Authenticate(r); err != nil {
			w.WriteHeader(401)
			return
		}
		io.WriteString(w, "[]")
	})}}
	server.Start()
	t.Cleanup(server.Close)
}

func TestLocal_ReachesTheRouterOfADataDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := run(t, nil, "worker", "list", "--data", dir)
	if missing.code != exitFailed || !strings.Contains(missing.err, "no router serves") {
		t.Errorf("without a router: %+v", missing)
	}
	serveLocal(t, dir)
	info, err := os.Stat(filepath.Join(dir, auth.LocalSocket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want mode 0600", info, err)
	}
	remote := newRouter(t, answers{"GET /api/v1/workers": {200, "[" + oneWorker + "]"}})
	file := filepath.Join(t.TempDir(), "router.yaml")
	if err := os.WriteFile(file, []byte("data: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		environ []string
		args    []string
		local   bool
	}{
		"--data":                 {nil, []string{"--data", dir}, true},
		"--data over ROUTER_URL": {remote.environ(), []string{"--data", dir}, true},
		"ROUTER_DATA":            {[]string{"ROUTER_DATA=" + dir}, nil, true},
		"the configuration file": {[]string{"ROUTER_CONFIG=" + file}, nil, true},
		"ROUTER_URL":             {append(remote.environ(), "ROUTER_DATA="+dir), nil, false},
		"--server":               {[]string{"ROUTER_DATA=" + dir}, []string{"--server", remote.URL, "--key", "sk-test"}, false},
	}
	for name, tc := range cases {
		got := run(t, tc.environ, append([]string{"worker", "list", "-o", "json"}, tc.args...)...)
		if local := strings.TrimSpace(got.out) == "[]"; got.code != exitDone || local != tc.local {
			t.Errorf("%s: local %v, want %v: %+v", name, local, tc.local, got)
		}
	}
}

func TestLocal_ASocketThatAKilledRouterLeftIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, auth.LocalSocket), nil, 0o600), os.WriteFile(filepath.Join(dir, auth.LocalTokenFile), []byte("old"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := run(t, nil, "worker", "list", "--data", dir); got.code != exitFailed || !strings.Contains(got.err, "no router serves") {
		t.Errorf("with what a killed router left: %+v", got)
	}
	serveLocal(t, dir)
	if got := run(t, nil, "worker", "list", "--data", dir); got.code != exitDone {
		t.Errorf("after the next start: %+v", got)
	}
}

func TestConfig_CheckSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "router.yaml")
	if err := os.WriteFile(file, []byte("pool:\n  max_workers: none\nwhat: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, []string{"ROUTER_WHAT=1"}, "config", "check", "--config", file, "--listen", "here")
	if got.code != exitFailed || got.out != "" {
		t.Errorf("exit code %d, wrote %q", got.code, got.out)
	}
	for _, want := range []string{
		"router: warning: ENV ROUTER_WHAT: has no effect", file + `:2: pool.max_workers: got "none"`, file + ":3: what: unknown key", `--listen: listen: got "here"`,
	} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q is not said:\n%s", want, got.err)
		}
	}
}

func TestConfig_ShowMasksSecretsAndNamesPlaces(t *testing.T) {
	t.Parallel()
	environ := []string{"LIGHTRAG_API_KEY=s3cret", "ROUTER_POOL_WAIT=7s"}
	for _, form := range []string{"table", "json", "yaml"} {
		got := run(t, environ, "config", "show", "--data", "/d", "-o", form)
		if got.code != exitDone || strings.Contains(got.out+got.err, "s3cret") || !strings.Contains(got.out, "7s") {
			t.Errorf("-o %s: %+v", form, got)
		}
		if form == "table" && (!strings.Contains(got.out, "ENV ROUTER_POOL_WAIT") || !strings.Contains(got.out, "--data") || !strings.Contains(got.out, "ENV LIGHTRAG_API_KEY")) {
			t.Errorf("the places are not named:\n%s", got.out)
		}
	}
}

func TestCompletion_KnowsTheWorkspaces(t *testing.T) {
	t.Parallel()
	r := newRouter(t, answers{"GET /api/v1/workspaces": {200, "[" + oneWorkspace + "," + strings.Replace(oneWorkspace, `"default"`, `"acme"`, 1) + "]"}})
	got := run(t, r.environ(), "__complete", "worker", "evict", "")
	if !strings.Contains(got.out, "alpha\nacme.alpha\n") {
		t.Errorf("it offers %q", got.out)
	}
}
