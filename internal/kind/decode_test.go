package kind

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

// minimal is a profile without anything that could be left out.
const minimal = `name: mini
processes: [{program: mini}]
endpoints: {http: {network: unix}}
ready: {path: /health}
`

func TestDecode_FillsInTheDefaults(t *testing.T) {
	t.Parallel()
	k, err := Decode("mini.yaml", []byte(minimal+`busy: {path: /health, pointers: [/busy]}
routes:
  - {path: /a, permission: "query:run"}
  - {path: /b, permission: "query:run", class: never, cold: {body: "{}"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Kind{
		Name:      "mini",
		Processes: []Process{{Name: "mini", Program: "mini", Dir: "{run}"}},
		Endpoints: map[string]Endpoint{"http": {Network: "unix", Host: "localhost"}},
		Ready:     Probe{Path: "/health", Status: 200, Timeout: 120 * time.Second},
		Busy:      &Busy{Path: "/health", Pointers: []string{"/busy"}, Samples: 3, Interval: 100 * time.Millisecond, Bound: time.Hour},
		Routes: []Route{
			{Path: "/a", Permission: workspace.QueryRun, Class: Active},
			{Path: "/b", Permission: workspace.QueryRun, Class: Never, Cold: &Answer{Status: 200, ContentType: "application/json", Body: "{}"}},
		},
		Stop:      Stop{Signal: "TERM", Grace: 10 * time.Second},
		Isolation: Isolation{Landlock: IsolationAuto, Network: NetworkHost, PIDNamespace: IsolationAuto, Processes: 4096},
		Preload:   Preload{Mode: PreloadOff},
	}
	k.matcher = nil
	if diff := cmp.Diff(want, k, cmp.AllowUnexported(Kind{})); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestDecode_ReadsTheShippedKinds(t *testing.T) {
	t.Parallel()
	const folder = "../../configs/kinds/"
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(folder + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(file.Name(), data); err != nil {
			t.Errorf("%s:\n%v", file.Name(), err)
		}
	}
	if len(files) == 0 {
		t.Error("no kinds are shipped")
	}
}

// Each case is put behind the minimal profile, which has four lines, and must give exactly these problems.
func TestDecode_NamesEveryProblemWithLineAndField(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		yaml string
		want []string // how each line begins
	}{
		"unknown key":          {"title: x\n", []string{"k.yaml:5: title: unknown key, want one of name, description,"}},
		"unknown nested key":   {"stop:\n  signal: TERM\n  grase: 3s\n", []string{"k.yaml:7: stop.grase: unknown key, want one of signal, grace"}},
		"empty value":          {"stop:\n", []string{"k.yaml:5: stop: there is no value"}},
		"list for mapping":     {"stop: [1]\n", []string{"k.yaml:5: stop: got a list, want a mapping"}},
		"mapping for list":     {"strip: {a: b}\n", []string{"k.yaml:5: strip: got a mapping, want a list"}},
		"mapping for text":     {"description: {a: b}\n", []string{"k.yaml:5: description: got a mapping, want one value"}},
		"anchor":               {"description: &a text\n", []string{"k.yaml:5: description: got an anchor, want a plain value"}},
		"duration":             {"stop: {grace: 10}\n", []string{`k.yaml:5: stop.grace: got "10", want a duration with a unit`}},
		"duration of zero":     {"stop: {grace: 0s}\n", []string{`k.yaml:5: stop.grace: got "0s", want more than 0`}},
		"negative duration":    {"stop: {grace: -1s}\n", []string{`k.yaml:5: stop.grace: got "-1s", want more than 0`}},
		"size":                 {"max_body: 3MB\n", []string{`k.yaml:5: max_body: got "3MB", want a whole number of bytes`}},
		"number":               {"cost: {files: many}\n", []string{`k.yaml:5: cost.files: got "many", want a whole number`}},
		"negative number":      {"cost: {files: -1}\n", []string{"k.yaml:5: cost.files: got -1, want 0 or more"}},
		"signal":               {"stop: {signal: KILL}\n", []string{`k.yaml:5: stop.signal: got "KILL", want one of TERM, INT,`}},
		"upgrade":              {"upgrades: [websocket, h2c]\n", []string{`k.yaml:5: upgrades[1]: got "h2c", want websocket`}},
		"busy without path":    {"busy: {pointers: [/a]}\n", []string{"k.yaml:5: busy.path: is missing"}},
		"busy without pointer": {"busy: {path: /a}\n", []string{"k.yaml:5: busy.pointers: is missing"}},
		"leftovers of nothing": {"leftovers: {path: /a}\n", []string{"k.yaml:5: leftovers.interrupted: is missing"}},
		"leftovers' pointers":  {"leftovers: {path: /a, interrupted: [a], failed: [/~]}\n", []string{"k.yaml:5: leftovers.interrupted[0]: got \"a\"", "k.yaml:5: leftovers.failed[0]: got \"/~\""}},
		"leftovers read only":  {"leftovers: {path: /a, interrupted: [/a], resume: {method: GET, path: /b}}\n", []string{"k.yaml:5: leftovers.resume.method: got \"GET\", want one of POST, PUT"}},
		"leftovers to nowhere": {"leftovers: {path: /a, interrupted: [/a], resume: {method: PUT}}\n", []string{"k.yaml:5: leftovers.resume.path: is missing"}},
		"busy samples of zero": {"busy: {path: /a, pointers: [/a], samples: 0}\n", []string{"k.yaml:5: busy.samples: got 0"}},
		"pointer":              {"identity: [{pointer: a, equals: b}]\n", []string{`k.yaml:5: identity[0].pointer: got "a", want a JSON pointer: it begins with /`}},
		"pointer's tilde":      {"identity: [{pointer: /a~2, equals: b}]\n", []string{`k.yaml:5: identity[0].pointer: got "/a~2", want a JSON pointer: ~ is`}},
		"identity of nothing":  {"identity: [{pointer: /a}]\n", []string{"k.yaml:5: identity[0].equals: is missing"}},
		"placeholder":          {"inject: {X-Key: \"{secert}\"}\n", []string{"k.yaml:5: inject.X-Key: unknown placeholder {secert}, want one of dir,"}},
		"placeholder's name":   {"inject: {X-Key: \"{dir:x}\"}\n", []string{"k.yaml:5: inject.X-Key: got {dir:x}, but only {port:NAME}"}},
		"header name":          {"strip: [\"a b\"]\n", []string{`k.yaml:5: strip[0]: got "a b", want the name of a header`}},
		"header of HTTP":       {"inject: {host: x}\n", []string{`k.yaml:5: inject.host: got "host", which HTTP itself`}},
		"header value":         {"inject: {X-Key: \"a\\nb\"}\n", []string{"k.yaml:5: inject.X-Key: holds a character"}},
		"directory outside":    {"directories: [/etc]\n", []string{`k.yaml:5: directories[0]: got "/etc", want a path that begins with {dir}/`}},
		"directory upwards":    {"directories: [\"{dir}/../x\"]\n", []string{`k.yaml:5: directories[0]: got "{dir}/../x", want a plain path below {dir}`}},
		"file's secret name":   {"files: [{path: \"{run}/{secret}\", content: x}]\n", []string{"k.yaml:5: files[0].path: unknown placeholder {secret}"}},
		"two at once": {"stop: {signal: X}\nupgrades: [h3]\n", []string{
			`k.yaml:5: stop.signal: got "X"`, `k.yaml:6: upgrades[0]: got "h3"`,
		}},

		"route without permission": {"routes:\n  - path: /a\n", []string{"k.yaml:6: routes[0].permission: is missing, want one such as"}},
		"route's permission":       {"routes: [{path: /a, permission: query}]\n", []string{`k.yaml:5: routes[0].permission: unknown permission "query"`}},
		"route's class":            {"routes: [{path: /a, permission: \"query:run\", class: lazy}]\n", []string{`k.yaml:5: routes[0].class: got "lazy", want active,`}},
		"route's method":           {"routes: [{path: /a, permission: \"query:run\", methods: [get]}]\n", []string{`k.yaml:5: routes[0].methods[0]: got "get", want one of GET,`}},
		"route's path":             {"routes: [{path: a, permission: \"query:run\"}]\n", []string{`k.yaml:5: routes[0].path: got "a", want a path that begins`}},
		"route's dots":             {"routes: [{path: /a/../b, permission: \"query:run\"}]\n", []string{`k.yaml:5: routes[0].path: got "/a/../b", want a plain path`}},
		"route's escape":           {"routes: [{path: /a%20b, permission: \"query:run\"}]\n", []string{`k.yaml:5: routes[0].path: got "/a%20b", want the decoded path`}},
		"star in a segment":        {"routes: [{path: /a*, permission: \"query:run\"}]\n", []string{"k.yaml:5: routes[0].path: got \"/a*\", want `*` and `**` as whole"}},
		"rest in the middle":       {"routes: [{path: /**/a, permission: \"query:run\"}]\n", []string{"k.yaml:5: routes[0].path: got \"/**/a\", want `**` as the last"}},
		"cold of an active route":  {"routes: [{path: /a, permission: \"query:run\", cold: {body: \"{}\"}}]\n", []string{"k.yaml:5: routes[0].cold: is only for class never"}},
		"cold that is no JSON":     {"routes: [{path: /a, permission: \"query:run\", class: never, cold: {body: \"{\"}}]\n", []string{"k.yaml:5: routes[0].cold.body: is not valid JSON"}},
		"cold's placeholder":       {"routes: [{path: /a, permission: \"query:run\", class: never, cold: {body: '\"{secret}\"'}}]\n", []string{"k.yaml:5: routes[0].cold.body: unknown placeholder {secret}"}},
		"route twice": {"routes:\n  - {path: /a, permission: \"query:run\"}\n  - {path: /a, permission: \"query:run\"}\n",
			[]string{`k.yaml:7: routes[1].path: "/a" is never reached: line 6 ("/a") takes its requests`}},
		"route behind a wider one": {"routes:\n  - {path: /a/**, permission: \"query:run\"}\n  - {path: /a/b, methods: [GET], permission: \"query:run\"}\n",
			[]string{`k.yaml:7: routes[1].path: "/a/b" is never reached: line 6 ("/a/**")`}},
		"route behind two that share its methods": {
			"routes:\n  - {path: /a, methods: [GET], permission: \"query:run\"}\n  - {path: \"/*\", methods: [POST], permission: \"query:run\"}\n" +
				"  - {path: /a, methods: [GET, POST], permission: \"query:run\"}\n",
			[]string{`k.yaml:8: routes[2].path: "/a" is never reached: line 7`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode("k.yaml", []byte(minimal+test.yaml))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			got := strings.Split(problems.Error(), "\n")
			if len(got) != len(test.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(got), len(test.want), problems)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got  %s\nwant %s…", got[i], want)
				}
			}
		})
	}
}

// A whole file that cannot be used says why, too.
func TestDecode_RefusesWhatIsNoProfile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ yaml, want string }{
		"nothing":          {"", "k.yaml: the file is empty"},
		"a comment":        {"# nothing\n", "k.yaml: the file is empty"},
		"text":             {"hello\n", `k.yaml:1: got "hello", want a mapping`},
		"two documents":    {minimal + "---\nname: other\n", "k.yaml:6: a second document"},
		"broken YAML":      {"name: x\nstrip: [a,\n", "k.yaml:2: cannot read the YAML: "},
		"a key twice":      {"name: x\nname: y\n", `k.yaml:2: cannot read the YAML: mapping key "name" already defined`},
		"only a name":      {"name: x\n", "k.yaml:1: processes: is missing"},
		"no name":          {strings.TrimPrefix(minimal, "name: mini\n"), "k.yaml:1: name: is missing"},
		"name in capitals": {strings.Replace(minimal, "mini", "Mini", 1), `k.yaml:1: name: got "Mini", want a lower-case letter`},
		"no endpoint":      {strings.Replace(minimal, "http:", "other:", 1), `k.yaml:3: endpoints: there is no "http"`},
		"endpoint's kind":  {strings.Replace(minimal, "unix", "udp", 1), `k.yaml:3: endpoints.http.network: got "udp", want unix or tcp`},
		"no program":       {strings.Replace(minimal, "program: mini", "name: x", 1), "k.yaml:2: processes[0].program: is missing"},
		"relative program": {strings.Replace(minimal, "program: mini", "program: bin/x", 1), "k.yaml:2: processes[0].program: got \"bin/x\", want an absolute path"},
		"secret argument": {strings.Replace(minimal, "program: mini", `program: x, args: ["--key={secret}"]`, 1),
			"k.yaml:2: processes[0].args[0]: unknown placeholder {secret}"},
		"environment name": {strings.Replace(minimal, "program: mini", `program: x, set: {"A-B": c}`, 1),
			`k.yaml:2: processes[0].set.A-B: got "A-B", want an environment name`},
		"everything allowed": {strings.Replace(minimal, "program: mini", `program: x, allow: ["*"]`, 1),
			`k.yaml:2: processes[0].allow[0]: got "*", want a name such as`},
		"set and refused": {strings.Replace(minimal, "program: mini", `program: x, set: {A_WORKSPACE: c}, refuse: ["*_WORKSPACE"]`, 1),
			"k.yaml:2: processes[0].set.A_WORKSPACE: is also refused"},
		"default and set": {strings.Replace(minimal, "program: mini", `program: x, set: {A: b}, default: {A: c}`, 1),
			"k.yaml:2: processes[0].default.A: is also given by `set`"},
		"default's placeholder": {strings.Replace(minimal, "program: mini", `program: x, default: {A: "{whatever}"}`, 1),
			"k.yaml:2: processes[0].default.A: unknown placeholder {whatever}"},
		"requirement of nothing": {strings.Replace(minimal, "program: mini", `program: x, require: [{given: A, because: so}]`, 1),
			"k.yaml:2: processes[0].require[0].needs: is blank"},
		"requirement without a reason": {strings.Replace(minimal, "program: mini", `program: x, require: [{given: A, needs: B}]`, 1),
			"k.yaml:2: processes[0].require[0].because: is missing"},
		"process name twice": {strings.Replace(minimal, "{program: mini}", "{program: a}, {program: b}", 1),
			`k.yaml:2: processes[1].name: got "mini" again`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode("k.yaml", []byte(test.yaml))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s…", err, test.want)
			}
		})
	}
}

func TestKind_ValidateCompletesOneMadeInCode(t *testing.T) {
	t.Parallel()
	k := &Kind{
		Name: "code", Processes: []Process{{Program: "x"}}, Endpoints: map[string]Endpoint{HTTPEndpoint: {Network: NetworkUnix}},
		Ready: Probe{Path: "/health"}, Routes: []Route{{Path: "/a", Permission: workspace.QueryRun}},
	}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	if route, named := k.Match("GET", "/a"); !named || route.Class != Active {
		t.Errorf("got %+v %v, want the route with its default class", route, named)
	}
	k.Upgrades = []string{"h2c"}
	if err := k.Validate(); err == nil || !strings.Contains(err.Error(), `kind "code": upgrades[0]: got "h2c"`) {
		t.Errorf("got %v, want the upgrade refused", err)
	}
	bare := &Kind{Routes: []Route{{Path: "/a"}}}
	if route, named := bare.Match("GET", "/a"); named || route.Permission != workspace.Strictest {
		t.Errorf("a kind that was not validated gave %+v %v, want the strictest", route, named)
	}
}

func TestAnswer_RenderCannotChangeTheShape(t *testing.T) {
	t.Parallel()
	a := &Answer{Body: `{"name":"{workspace}","of":"{tenant}/{kind}/{generation}/{worker_name}","open":{"a":1}}`}
	w := workspace.Workspace{Ref: workspace.Ref{Tenant: "acme", Name: "x", Generation: "g"}, Kind: `k","y":"`, WorkerName: "w"}
	want := `{"name":"acme.x","of":"acme/k\",\"y\":\"/g/w","open":{"a":1}}`
	if got := a.Render(w, ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEnvironmentMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"LLM_MODEL", "LLM_MODEL", true}, {"LLM_MODEL", "LLM_MODEL_X", false}, {"LLM_*", "LLM_MODEL", true}, {"LLM_*", "LLM_", true},
		{"LLM_*", "XLLM_A", false}, {"*_WORKSPACE", "REDIS_WORKSPACE", true}, {"*_WORKSPACE", "REDIS_WORKSPACES", false},
		{"*_LLM_*", "QUERY_LLM_MODEL", true}, {"*_LLM_*", "LLM_MODEL", false},
	} {
		if got := EnvironmentMatch(test.pattern, test.name); got != test.want {
			t.Errorf("%q on %q: got %v", test.pattern, test.name, got)
		}
	}
}

func TestDecode_Isolation(t *testing.T) {
	t.Parallel()
	const head = "name: a\nprocesses: [{program: a}]\nready: {path: /health}\n"
	for isolation, want := range map[string]string{
		"{landlock: off, read: [/opt/a, '{program_dir}/..'], write: ['/srv/{tenant}']}": "",
		"{landlock: on}":                 "isolation.landlock",
		"{landlock: off, network: none}": "isolation.network", "{network: none, landlock: auto}": "",
		"{network: bridge}":                          "isolation.network",
		"{network: own, landlock: off}":              "",
		"{pid_namespace: off}":                       "",
		"{pid_namespace: on}":                        "isolation.pid_namespace",
		"{processes: 300}":                           "isolation.processes",
		"{processes: 0}":                             "isolation.processes",
		"{processes: 301}":                           "",
		"{read: [opt]}":                              "isolation.read[0]",
		"{write: ['{dir}']}":                         "isolation.write[0]",
		"{read: ['/{nobody}']}":                      "isolation.read[0]",
		"{write: ['']}":                              "isolation.write[0]",
		"{runtime: perl}":                            "isolation.runtime",
		"{read_named: [A-B]}":                        "isolation.read_named[0]",
		"{runtime: python, read_named: [CACHE_DIR]}": "",
		"{landlok: off}":                             "landlok",
	} {
		_, err := Decode("a.yaml", []byte(head+"endpoints: {http: {network: unix}}\nisolation: "+isolation+"\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that names %q", isolation, err, want)
		}
	}
	_, err := Decode("a.yaml", []byte(head+"endpoints: {http: {network: tcp}}\nisolation: {network: none}\n"))
	if err == nil || !strings.Contains(err.Error(), "isolation.network") {
		t.Errorf("a TCP endpoint without a network: %v", err)
	}
}
