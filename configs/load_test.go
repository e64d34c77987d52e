package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// load loads with a working directory of its own, so that no .env of the tree is read.
func load(t *testing.T, source Source) (Config, []Warning, error) {
	t.Helper()
	if source.Dir == "" {
		source.Dir = t.TempDir()
	}
	return Load(source)
}

func mustLoad(t *testing.T, source Source) Config {
	t.Helper()
	config, warnings, err := load(t, source)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("cannot load: %v, warnings %v", err, warnings)
	}
	return config
}

// write puts a file into a fresh directory and gives its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_GivesTheDefaults(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, Source{})
	if diff := cmp.Diff(flat(Defaults()), flat(got)); diff != "" {
		t.Errorf("without anything given (-want +got):\n%s", diff)
	}
	if got.Profiles[got.DefaultKind] == nil {
		t.Errorf("the default kind %q has no profile", got.DefaultKind)
	}
}

func flat(c Config) map[string]any {
	values := map[string]any{}
	for _, setting := range c.Settings() {
		values[setting.Key] = setting.Value
	}
	return values
}

func TestLoad_FlagsOverEnvironmentOverFileOverDefaults(t *testing.T) {
	t.Parallel()
	const inFile, inEnvironment, inFlag = "./file", "./environment", "./flag"
	cases := map[string]struct {
		file, environment, flag bool
		want                    string
	}{
		"default":                     {want: "./data"},
		"file":                        {file: true, want: inFile},
		"environment":                 {environment: true, want: inEnvironment},
		"environment over file":       {file: true, environment: true, want: inEnvironment},
		"flag":                        {flag: true, want: inFlag},
		"flag over file":              {file: true, flag: true, want: inFlag},
		"flag over environment":       {environment: true, flag: true, want: inFlag},
		"flag over all of the others": {file: true, environment: true, flag: true, want: inFlag},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var source Source
			if tc.file {
				source.File = write(t, "router.yaml", "data: "+inFile)
			}
			if tc.environment {
				source.Environ = []string{"ROUTER_DATA=" + inEnvironment}
			}
			if tc.flag {
				source.Flags = map[string]string{"data": inFlag}
			}
			if got := mustLoad(t, source); got.Data != tc.want {
				t.Errorf("data is %q, want %q", got.Data, tc.want)
			}
		})
	}
}

func TestLoad_ReadsEveryKeyFromTheFile(t *testing.T) {
	t.Parallel()
	keyFile := write(t, "key", "  a-key-of-some-length\n")
	pair := write(t, "both.pem", testkit.Certificate(t, time.Hour*1000, "rag.example"))
	got := mustLoad(t, Source{File: write(t, "router.yaml", `
data: /var/lib/router
listen: ":80"
operator_listen: "[::1]:81"
bound_listeners: ["127.0.0.1:82=alpha", "[::1]:83=acme.beta"]
base_domain: RAG.Example.com.
origins: shared
session_ttl: 1h
on_exit: stop
transport: standard
shutdown_grace: 1m
api_key_file: `+keyFile+`
log: {level: debug, format: console}
default_workspace: Main
allow_default_workspace: false
anonymous: default_workspace
auto_create: off
default_kind: embedded
kind_files: []
pool:
  max_workers: 3
  memory: 5GiB
  files: 6000
  tenant_max_workers: 2
  tenant_max_streams: 20
  waiters_per_workspace: 4
  waiters_total: 5
  wait: 6s
  patience: 700ms
  minimum_residency: 0s
  start_concurrency: 8
  resume_at_once: 2
  idle_timeout: 9m
  drain_timeout: 10s
limits:
  header_bytes: 11KiB
  body: 12MiB
  header_timeout: 13s
  idle_timeout: 14s
  body_timeout: 15s
  unread_timeout: 16s
  connections: 17
  in_flight: 19
  in_flight_per_workspace: 18
tls: {certificates: ["`+pair+`"], operator: true}
proxy_protocol: [10.0.0.0/8, "::1"]
trusted_proxies: 192.0.2.0/24
isolation: {uids: 200000 - 265535, cgroup: /sys/fs/cgroup/router}
projects: {listen: "127.0.0.1:5", anonymous: default_tenant, cors_origins: ["https://app.example", "https://b.example"], select_by_tenant: true, dir: /srv/projects, subdir: chroma}
kind:
  embedded:
    program: /opt/worker
    environment:
      TOP_K: 7
      LLM_API_KEY: " secret "
    ready_timeout: 15s
    stop_grace: 16s
    max_body: 17MiB
    memory_limit: 18GiB
`)})
	want := map[string]any{
		"data": "/var/lib/router", "listen": ":80", "operator_listen": "[::1]:81", "bound_listeners": []string{"127.0.0.1:82=alpha", "[::1]:83=acme.beta"}, "base_domain": "rag.example.com", "origins": "shared", "session_ttl": "1h0m0s",
		"on_exit": "stop", "keep_for": "10m0s", "shutdown_grace": "1m0s", "transport": "standard",
		"api_key": masked, "api_key_file": keyFile, "log.level": "debug", "log.format": "console", "default_workspace": "Main",
		"allow_default_workspace": false, "anonymous": "default_workspace", "auto_create": "off", "default_kind": "embedded", "kind_files": []string(nil),
		"pool.max_workers": 3, "pool.memory": "5GiB", "pool.files": 6000, "pool.tenant_max_workers": 2, "pool.tenant_max_streams": 20,
		"pool.waiters_per_workspace": 4, "pool.waiters_total": 5, "pool.wait": "6s", "pool.patience": "700ms",
		"pool.minimum_residency": "0s", "pool.start_concurrency": 8, "pool.resume_at_once": 2, "pool.idle_timeout": "9m0s", "pool.drain_timeout": "10s",
		"limits.header_bytes": "11KiB", "limits.body": "12MiB", "limits.header_timeout": "13s", "limits.idle_timeout": "14s",
		"limits.body_timeout": "15s", "limits.unread_timeout": "16s", "limits.connections": 17, "limits.in_flight": 19, "limits.in_flight_per_workspace": 18,
		"tls.certificates": []string{pair}, "tls.operator": true,
		"proxy_protocol": []string{"10.0.0.0/8", "::1"}, "trusted_proxies": []string{"192.0.2.0/24"},
		"isolation.uids":            "200000-265535",
		"isolation.cgroup":          "/sys/fs/cgroup/router",
		"projects.dir":              "/srv/projects",
		"projects.subdir":           "chroma",
		"projects.listen":           "127.0.0.1:5",
		"projects.anonymous":        "default_tenant",
		"projects.cors_origins":     []string{"https://app.example", "https://b.example"},
		"projects.select_by_tenant": true,
		"kind.embedded.program":     "/opt/worker", "kind.embedded.environment.TOP_K": masked, "kind.embedded.environment.LLM_API_KEY": masked,
		"kind.embedded.ready_timeout": "15s", "kind.embedded.stop_grace": "16s", "kind.embedded.max_body": "17MiB", "kind.embedded.memory_limit": "18GiB",
	}
	values := flat(got)
	if values["kind_files"] == nil {
		values["kind_files"] = []string(nil)
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.APIKey.Reveal() != "a-key-of-some-length" {
		t.Errorf("the API key is %q", got.APIKey.Reveal())
	}
	profile := got.Profiles["embedded"]
	process := profile.Processes[0]
	if process.Program != "/opt/worker" || process.Given["TOP_K"] != "7" || process.Given["LLM_API_KEY"] != " secret " ||
		profile.Ready.Timeout != 15*time.Second || profile.Stop.Grace != 16*time.Second || profile.MaxBody != 17<<20 || profile.Limits.Memory != 18<<30 {
		t.Errorf("the overrides are not in the profile: %+v", profile)
	}
	if _, named := profile.Match("POST", "/query"); !named {
		t.Error("the changed profile does not know its routes")
	}
}

func TestLoad_TakesNamesOfOtherPrograms(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		environ []string
		want    func(Config) (got, want any)
	}{
		"LIGHTRAG_DEFAULT_WORKSPACE": {[]string{"LIGHTRAG_DEFAULT_WORKSPACE=a", "WORKSPACE=b"}, func(c Config) (any, any) { return c.DefaultWorkspace, "a" }},
		"WORKSPACE":                  {[]string{"WORKSPACE=b"}, func(c Config) (any, any) { return c.DefaultWorkspace, "b" }},
		"an empty name does not count": {[]string{"LIGHTRAG_DEFAULT_WORKSPACE=", "WORKSPACE=b"},
			func(c Config) (any, any) { return c.DefaultWorkspace, "b" }},
		"ROUTER_ wins": {[]string{"WORKSPACE=b", "ROUTER_DEFAULT_WORKSPACE=c"}, func(c Config) (any, any) { return c.DefaultWorkspace, "c" }},
		"LIGHTRAG_ALLOW_DEFAULT_WORKSPACE": {[]string{"LIGHTRAG_ALLOW_DEFAULT_WORKSPACE=False"},
			func(c Config) (any, any) { return c.AllowDefaultWorkspace, false }},
		"LIGHTRAG_MAX_WORKSPACES_IN_POOL": {[]string{"LIGHTRAG_MAX_WORKSPACES_IN_POOL=7", "MAX_CACHED_INSTANCES=8"},
			func(c Config) (any, any) { return c.Pool.MaxWorkers, 7 }},
		"MAX_CACHED_INSTANCES": {[]string{"MAX_CACHED_INSTANCES=8"}, func(c Config) (any, any) { return c.Pool.MaxWorkers, 8 }},
		"LIGHTRAG_API_KEY":     {[]string{"LIGHTRAG_API_KEY=k"}, func(c Config) (any, any) { return c.APIKey.Reveal(), "k" }},
		"LOG_LEVEL":            {[]string{"LOG_LEVEL=WARNING"}, func(c Config) (any, any) { return c.Log.Level, "warn" }},
		"HOST":                 {[]string{"HOST=0.0.0.0"}, func(c Config) (any, any) { return c.Listen, "0.0.0.0:9621" }},
		"HOST, IPv6":           {[]string{"HOST=::1"}, func(c Config) (any, any) { return c.Listen, "[::1]:9621" }},
		"PORT":                 {[]string{"PORT=8080"}, func(c Config) (any, any) { return c.Listen, "127.0.0.1:8080" }},
		"HOST and PORT":        {[]string{"HOST=0.0.0.0", "PORT=8080"}, func(c Config) (any, any) { return c.Listen, "0.0.0.0:8080" }},
		"ROUTER_LISTEN over them": {[]string{"HOST=0.0.0.0", "PORT=8080", "ROUTER_LISTEN=:1"},
			func(c Config) (any, any) { return c.Listen, ":1" }},
		"a kind's program": {[]string{"ROUTER_KIND_EMBEDDED_PROGRAM=/x"},
			func(c Config) (any, any) { return c.Profiles["embedded"].Processes[0].Program, "/x" }},
		"a kind's variable": {[]string{"ROUTER_KIND_EMBEDDED_ENVIRONMENT_Top_K=7"},
			func(c Config) (any, any) { return c.Profiles["embedded"].Processes[0].Given["Top_K"], "7" }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := tc.want(mustLoad(t, Source{Environ: tc.environ})); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestLoad_ReadsTheDotEnvFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "router.yaml")
	for path, content := range map[string]string{
		file:                       "data: ./file\n",
		filepath.Join(dir, ".env"): "ROUTER_DATA=./beside\nLLM_MODEL='a model'\nLOG_LEVEL=debug\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	working := t.TempDir()
	if err := os.WriteFile(filepath.Join(working, ".env"), []byte("ROUTER_DATA=./working\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	beside := mustLoad(t, Source{File: file, Dir: working, Environ: []string{"LOG_LEVEL=error"}})
	if beside.Data != "./beside" {
		t.Errorf("data is %q, want that of the .env beside the file", beside.Data)
	}
	if beside.Log.Level != "error" {
		t.Errorf("the level is %q, want that of the process's environment", beside.Log.Level)
	}
	if model, _ := beside.Environment.Lookup("LLM_MODEL"); model != "a model" {
		t.Errorf("kinds see LLM_MODEL as %q", model)
	}
	if byName := mustLoad(t, Source{Dir: working, Environ: []string{"ROUTER_CONFIG=" + file}}); byName.Data != "./beside" {
		t.Errorf("with ROUTER_CONFIG data is %q, want that of the .env beside the file", byName.Data)
	}
	if alone := mustLoad(t, Source{Dir: working}); alone.Data != "./working" {
		t.Errorf("without a file data is %q, want that of the .env in the working directory", alone.Data)
	}
}

func TestLoad_WarnsOfUnknownVariables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("ROUTER_URL=http://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := load(t, Source{Dir: dir, Environ: []string{
		"ROUTER_PORT_9621_TCP=tcp://10.0.0.1", "ROUTER_LISTE=:1", "ROUTER_KIND_OTHER_PROGRAM=/x", "ROUTER_KEY=sk-x", "OTHER=1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ENV ROUTER_KIND_OTHER_PROGRAM: has no effect: there is no such configuration key",
		"ENV ROUTER_LISTE: has no effect: there is no such configuration key, did you mean ROUTER_LISTEN?",
		"ENV ROUTER_PORT_9621_TCP: has no effect: there is no such configuration key",
		"ENV ROUTER_URL (" + filepath.Join(dir, ".env") + "): has no effect here: it is read from the process's environment only",
	}
	var got []string
	for _, warning := range warnings {
		got = append(got, warning.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// problems loads what must be wrong, and gives the lines without the file's directory.
func problems(t *testing.T, source Source) []string {
	t.Helper()
	config, _, err := load(t, source)
	var list Problems
	if !errors.As(err, &list) {
		t.Fatalf("the error is %v (%T), want Problems", err, err)
	}
	if diff := cmp.Diff(flat(Config{}), flat(config)); diff != "" {
		t.Errorf("a configuration comes with the error:\n%s", diff)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(source.File)+"/", ""), "\n")
}

func TestLoad_ReportsAllThatIsWrongWithItsPlace(t *testing.T) {
	t.Parallel()
	const durationForm = `want a duration above 0 with its unit, such as "250ms", "25s" or "2m"`
	cases := map[string]struct {
		file    string
		environ []string
		flags   map[string]string
		want    []string
	}{
		"unknown key": {
			file: "data: x\ndatas: y\n",
			want: []string{`router.yaml:2: datas: unknown key, did you mean "data"?`},
		},
		"unknown nested key": {
			file: "pool:\n  max_worker: 3\n  whatever: 1\n",
			want: []string{`router.yaml:2: pool.max_worker: unknown key, did you mean "pool.max_workers"?`, `router.yaml:3: pool.whatever: unknown key, see docs/configuration.md`},
		},
		"bad values": {
			file: "pool:\n  max_workers: many\n  wait: 25\nlimits: {body: 0}\nlisten: 9621\nlog:\n  format: xml\n",
			want: []string{
				`router.yaml:2: pool.max_workers: got "many", want a whole number, at least 1`,
				`router.yaml:3: pool.wait: got "25", ` + durationForm,
				`router.yaml:4: limits.body: got "0", want a size above 0 in bytes, with a unit such as "64KiB" or "128MiB"`,
				`router.yaml:5: listen: got "9621", want HOST:PORT, such as "127.0.0.1:9621" or ":9621" for all addresses`,
				`router.yaml:7: log.format: got "xml", want json or console`,
			},
		},
		"an unlimited pool": {
			file: "pool: {max_workers: 0}\n",
			want: []string{`router.yaml:1: pool.max_workers: got "0", want a whole number, at least 1`},
		},
		"bad bound listeners": {
			file: "listen: 127.0.0.1:1\nbound_listeners: [\"127.0.0.1:1=a\", \"127.0.0.1:2=a\", \"127.0.0.1:2=b\", \"127.0.0.1:3\", \"x=a\", \"127.0.0.1:4=a b\", \"127.0.0.1:0=a\", \"127.0.0.1:0=b\"]\n",
			want: []string{
				`router.yaml:2: bound_listeners: "127.0.0.1:1" is the address of another listener`,
				`router.yaml:2: bound_listeners: "127.0.0.1:2" is the address of another listener`,
				`router.yaml:2: bound_listeners: got "127.0.0.1:3", want HOST:PORT=WORKSPACE, such as "127.0.0.1:9701=alpha"`,
				`router.yaml:2: bound_listeners: got "x=a", want HOST:PORT=WORKSPACE, such as "127.0.0.1:9701=alpha"`,
				`router.yaml:2: bound_listeners: got "127.0.0.1:4=a b", want HOST:PORT=WORKSPACE, such as "127.0.0.1:9701=alpha"`,
			},
		},
		"bad base domains": {
			file:    "base_domain: 10.0.0.1\n",
			environ: []string{"ROUTER_BASE_DOMAIN=rag"},
			want: []string{
				`router.yaml:1: base_domain: got "10.0.0.1", want a domain such as "rag.example.com", without a port`,
				`ENV ROUTER_BASE_DOMAIN: base_domain: got "rag", want a domain such as "rag.example.com", without a port`,
			},
		},
		"bad users": {
			file:    "isolation: {uids: 1000-2000}\n",
			environ: []string{"ROUTER_ISOLATION_UIDS=300000-299999"},
			want: []string{
				`router.yaml:1: isolation.uids: got "1000-2000", want a range of 65536 to 2147483647, such as "200000-265535"`,
				`ENV ROUTER_ISOLATION_UIDS: isolation.uids: got "300000-299999", want a range of 65536 to 2147483647, such as "200000-265535"`,
			},
		},
		"wrong shapes": {
			file: "pool: 3\ndata: [a]\nlog:\n  level: {a: b}\nkind_files: {a: b}\nauto_create:\n",
			want: []string{
				`router.yaml:1: pool: got "3", want keys with values`,
				`router.yaml:2: data: got a list, want a directory`,
				`router.yaml:4: log.level: got keys with values, want debug, info, warn or error`,
				`router.yaml:5: kind_files: got keys with values, want a list of paths; in the environment with commas between them`,
				`router.yaml:6: auto_create: got nothing, want authorized or off`,
			},
		},
		"no keys at all": {file: "- a\n", want: []string{`router.yaml:1: got a list, want keys with values`}},
		"two documents":  {file: "data: a\n---\ndata: b\n", want: []string{`router.yaml:3: got a second document, want one`}},
		"a kind that does not exist": {
			file: "kind:\n  other:\n    program: /x\n",
			want: []string{`router.yaml:3: kind.other.program: got the kind "other", want one of chroma, embedded, lightrag`},
		},
		"environment and flags": {
			file:    "data: x\n",
			environ: []string{"ROUTER_POOL_WAIT=soon", "MAX_CACHED_INSTANCES=-1", "PORT=http"},
			flags:   map[string]string{"listen": "here"},
			want: []string{
				`--listen: listen: got "here", want HOST:PORT, such as "127.0.0.1:9621" or ":9621" for all addresses`,
				`ENV MAX_CACHED_INSTANCES: pool.max_workers: got "-1", want a whole number, at least 1`,
				`ENV ROUTER_POOL_WAIT: pool.wait: got "soon", ` + durationForm,
				`ENV PORT: listen: got "127.0.0.1:http", want HOST:PORT, such as "127.0.0.1:9621" or ":9621" for all addresses`,
			},
		},
		"file and environment together": {
			file:    "pool: {wait: x}\n",
			environ: []string{"ROUTER_LISTEN=x"},
			want: []string{
				`router.yaml:1: pool.wait: got "x", ` + durationForm,
				`ENV ROUTER_LISTEN: listen: got "x", want HOST:PORT, such as "127.0.0.1:9621" or ":9621" for all addresses`,
			},
		},
		"two listeners on one address": {
			file: "listen: 127.0.0.1:1\noperator_listen: 127.0.0.1:1\n",
			want: []string{`router.yaml:1: listen: got "127.0.0.1:1" for both listen and operator_listen, want two addresses`},
		},
		"the later place is named": {
			file: "listen: 127.0.0.1:1\n", environ: []string{"ROUTER_OPERATOR_LISTEN=127.0.0.1:1"},
			want: []string{`ENV ROUTER_OPERATOR_LISTEN: operator_listen: got "127.0.0.1:1" for both listen and operator_listen, want two addresses`},
		},
		"combinations of the pool": {
			file: "pool:\n  waiters_total: 10\n  patience: 1m\n",
			want: []string{
				`router.yaml:2: pool.waiters_total: pool.waiters_per_workspace is 256, want at most pool.waiters_total, which is 10`,
				`router.yaml:3: pool.patience: pool.patience is 1m0s, want at most pool.wait, which is 25s`,
			},
		},
		"an unknown default kind": {
			environ: []string{"ROUTER_DEFAULT_KIND=other"},
			want:    []string{`ENV ROUTER_DEFAULT_KIND: default_kind: got "other", want one of chroma, embedded, lightrag`},
		},
		"variables that the kind owns": {
			environ: []string{"ROUTER_KIND_EMBEDDED_ENVIRONMENT_WORKSPACE=x", "ROUTER_KIND_EMBEDDED_ENVIRONMENT_NEO4J_WORKSPACE=x"},
			want: []string{
				`ENV ROUTER_KIND_EMBEDDED_ENVIRONMENT_NEO4J_WORKSPACE: kind.embedded.environment.NEO4J_WORKSPACE: the kind refuses this variable`,
				`ENV ROUTER_KIND_EMBEDDED_ENVIRONMENT_WORKSPACE: kind.embedded.environment.WORKSPACE: the kind sets this variable itself; it cannot be given`,
			},
		},
		"two API keys": {
			environ: []string{"LIGHTRAG_API_KEY=s3cret", "ROUTER_API_KEY_FILE=/nowhere"},
			want:    []string{`ENV ROUTER_API_KEY_FILE: api_key_file: api_key is given as well (ENV LIGHTRAG_API_KEY), want one of the two`},
		},
		"a missing file of a key": {
			environ: []string{"ROUTER_API_KEY_FILE=/nowhere/key"},
			want:    []string{`ENV ROUTER_API_KEY_FILE: api_key_file: cannot read "/nowhere/key": no such file or directory`},
		},
		"an unknown flag": {flags: map[string]string{"nothing": "x"}, want: []string{`--nothing: unknown flag`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := Source{Environ: tc.environ, Flags: tc.flags}
			source.File = write(t, "router.yaml", tc.file)
			if diff := cmp.Diff(tc.want, problems(t, source)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_NamesTheLineOfASyntaxError(t *testing.T) {
	t.Parallel()
	got := problems(t, Source{File: write(t, "router.yaml", "data: x\npool: [\n")})
	if len(got) != 1 || !strings.HasPrefix(got[0], "router.yaml:2: ") {
		t.Errorf("got %q, want one problem of line 2", got)
	}
	got = problems(t, Source{File: write(t, "router.yaml", "data: x\nlisten: :1\ndata: y\n")})
	if len(got) != 1 || !strings.HasPrefix(got[0], "router.yaml:3: ") {
		t.Errorf("a key given twice: got %q, want one problem of line 3", got)
	}
}

func TestLoad_NamesAFileThatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := problems(t, Source{File: filepath.Join(dir, "no.yaml")}); !cmp.Equal(got, []string{"no.yaml: cannot read: no such file or directory"}) {
		t.Errorf("got %q", got)
	}
}

func TestLoad_FollowsAnchors(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, Source{File: write(t, "router.yaml", "pool:\n  wait: &time 7s\n  drain_timeout: *time\n")})
	if got.Pool.Wait != 7*time.Second || got.Pool.DrainTimeout != 7*time.Second {
		t.Errorf("wait is %v and drain_timeout %v, want 7s for both", got.Pool.Wait, got.Pool.DrainTimeout)
	}
}

func TestLoad_ShowsNoSecretInProblems(t *testing.T) {
	t.Parallel()
	dotEnv := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(dotEnv, []byte("GOOD=1\nLIGHTRAG_API_KEY 's3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := load(t, Source{Dir: filepath.Dir(dotEnv), File: write(t, "router.yaml", "kind: {embedded: {environment: {KEY: [s3cret]}}}\napi_key: {s3cret: 1}")})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error is %v, want one without the secret", err)
	}
}
