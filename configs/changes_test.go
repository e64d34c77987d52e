package configs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// other gives for each key that a file may hold another value than its default.
var other = map[string]string{
	"data": "elsewhere", "listen": "127.0.0.1:1", "operator_listen": "127.0.0.1:2", "bound_listeners": "127.0.0.1:3=alpha", "base_domain": "rag.example", "origins": "shared", "session_ttl": "1h", "shutdown_grace": "1s", "keep_for": "7m",
	"api_key": "one-key", "log.level": "debug", "log.format": "console",
	"default_workspace": "main", "allow_default_workspace": "false", "auto_create": "off",
	"pool.max_workers": "7", "pool.waiters_per_workspace": "8", "pool.waiters_total": "900", "pool.wait": "9s", "pool.patience": "3s",
	"pool.memory": "77MiB", "pool.files": "777", "pool.tenant_max_workers": "2", "pool.tenant_max_streams": "3",
	"pool.minimum_residency": "4s", "pool.start_concurrency": "99", "pool.idle_timeout": "5m", "pool.drain_timeout": "6s",
	"pool.resume_at_once": "4", "kind.lightrag.resume": "pending",
	"limits.header_bytes": "1KiB", "limits.body": "2KiB", "limits.header_timeout": "3s", "limits.idle_timeout": "4s",
	"limits.body_timeout": "5s", "limits.unread_timeout": "6s", "limits.connections": "99", "limits.in_flight": "4000", "limits.in_flight_per_workspace": "9",
	"proxy_protocol": "10.0.0.0/8", "trusted_proxies": "127.0.0.1",
	"isolation.uids": "300000-300099", "isolation.cgroup": "off", "transport": "standard",
	"projects.listen": "127.0.0.1:5", "projects.anonymous": "default_tenant", "projects.cors_origins": "https://app.example", "projects.select_by_tenant": "true", "projects.dir": "/srv/projects", "projects.subdir": "chroma",
	"anonymous":             "default_workspace",
	"kind.embedded.program": "another", "kind.embedded.environment.TOP_K": "3", "kind.embedded.ready_timeout": "7s",
	"kind.embedded.stop_signal": "INT", "kind.embedded.stop_grace": "8s", "kind.embedded.idle_timeout": "9s", "kind.embedded.max_body": "10KiB", "kind.embedded.memory_limit": "300MiB", "kind.lightrag.preload": "on",
}

// single are the keys that cannot be given alone, or have but one value.
var single = []string{"api_key_file", "kind_files", "default_kind", "on_exit", "tls.certificates", "tls.operator"}

// environ gives a value to a key through the environment.
func environ(key, value string) []string {
	name := environmentName(key)
	if before, variable, found := strings.Cut(key, ".environment."); found {
		name = environmentName(before+".environment") + "_" + variable
	}
	return []string{name + "=" + value}
}

func TestChanges_NameTheKeyThatDiffersAndWhenItCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := mustLoad(t, Source{Dir: dir})
	for key, value := range other {
		after := mustLoad(t, Source{Dir: dir, Environ: environ(key, value)})
		changes := before.Changes(&after)
		if len(changes) != 1 || changes[0].Key != key || !strings.HasPrefix(changes[0].From, "ENV ROUTER_") {
			t.Errorf("%s: got %+v, want this key alone", key, changes)
			continue
		}
		k, _ := find(Keys(), key)
		if changes[0].Applies != k.Applies {
			t.Errorf("%s: counts %s, want %s", key, changes[0].Applies, k.Applies)
		}
		adopted := before.Adopt(after)
		inForce := cmp.Diff(flat(after), flat(adopted)) == ""
		if want := k.Applies != AtNextStart; inForce != want {
			t.Errorf("%s: adopted %v, want %v", key, inForce, want)
		}
		// What waits for the next start is told again, and nothing else is.
		again := adopted.Changes(&after)
		if want := map[bool]int{true: 0, false: 1}[k.Applies != AtNextStart]; len(again) != want {
			t.Errorf("%s: after it was adopted %+v differs", key, again)
		}
	}
	for _, k := range Keys() {
		covered := slices.Contains(single, k.Name)
		for key := range other {
			covered = covered || matches(strings.Split(k.Name, "."), strings.Split(key, "."))
		}
		if !covered {
			t.Errorf("%s is in no case", k.Name)
		}
	}
}

func TestChanges_ShowNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := mustLoad(t, Source{Dir: dir, Environ: []string{"ROUTER_API_KEY=first-secret", "LLM_BINDING_API_KEY=third-secret"}})
	after := mustLoad(t, Source{Dir: dir, Environ: []string{
		"ROUTER_API_KEY=second-secret", "LLM_BINDING_API_KEY=fourth-secret", "ROUTER_KIND_EMBEDDED_ENVIRONMENT_TOKEN=fifth-secret",
	}})
	changes := before.Changes(&after)
	content, err := json.Marshal(changes)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "secret") {
		t.Errorf("a secret is shown: %s", content)
	}
	var keys []string
	for _, change := range changes {
		keys = append(keys, change.Key)
	}
	if diff := cmp.Diff([]string{"api_key", "kind.embedded.environment.TOKEN", "environment.LLM_BINDING_API_KEY"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestChanges_SeeAProfileThatChangedInItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shipped, err := kindFiles.ReadFile("kinds/embedded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "own.yaml")
	load := func(content string) Config {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return mustLoad(t, Source{Dir: dir, Environ: []string{"ROUTER_KIND_FILES=" + path}})
	}
	own := strings.Replace(string(shipped), "name: embedded", "name: own", 1)
	before := load(own)
	same := load(own + "\n# a remark\n")
	if changes := before.Changes(&same); len(changes) != 0 {
		t.Errorf("a remark is a change: %+v", changes)
	}
	if adopted := before.Adopt(same); adopted.Profiles["own"] != before.Profiles["own"] {
		t.Error("a profile that is the same is not the very same")
	}
	after := load(strings.Replace(own, "grace: 10s", "grace: 11s", 1))
	want := []Change{{Key: "kind.own", Old: "a profile", New: "another profile", Applies: AtNextLaunch}}
	if diff := cmp.Diff(want, before.Changes(&after)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if adopted := before.Adopt(after); adopted.Profiles["own"] != after.Profiles["own"] || adopted.Profiles["embedded"] != before.Profiles["embedded"] {
		t.Error("the profile that changed is not the new one, or another is")
	}
}

func TestLoad_NamesTheFilesThatItLookedAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, key := filepath.Join(dir, "router.yaml"), filepath.Join(dir, "key")
	kind := filepath.Join(dir, "kind.yaml")
	content := "api_key_file: " + key + "\nkind_files: [" + kind + "]\n"
	for path, text := range map[string]string{file: content, key: "k\n", kind: "name: broken\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, _, err := Load(Source{File: file, Dir: t.TempDir()})
	if err == nil {
		t.Fatal("a broken kind was taken")
	}
	for _, path := range []string{file, filepath.Join(dir, ".env"), kind} {
		if !slices.Contains(config.Files, path) {
			t.Errorf("%q is not among %q", path, config.Files)
		}
	}
	if err := os.WriteFile(file, []byte("api_key_file: "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if config = mustLoad(t, Source{File: file, Dir: dir}); !slices.Contains(config.Files, key) {
		t.Errorf("%q is not among %q", key, config.Files)
	}
}
