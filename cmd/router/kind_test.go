package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKind_Commands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	profile := "name: other\nprocesses:\n  - program: other-server\nendpoints:\n  http: {network: tcp}\nready: {path: /health}\nroutes:\n  - {path: /**, permission: \"query:run\"}\n"
	for path, content := range map[string]string{good: profile, bad: strings.Replace(strings.Replace(profile, "tcp", "udp", 1), "query:run", "query:ran", 1)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args string
		code int
		says []string
	}{
		{"kind list", 0, []string{"KIND      DEFAULT", "chroma    -", "TERM, 10s", "lightrag"}},
		{"kind list -o json", 0, []string{`"kind": "chroma"`}},
		{"kind show chroma", 0, []string{"POST     /api/v2/reset", "workspace:operate", "never"}},
		{"kind show nothing", 1, []string{`there is no kind "nothing", want one of chroma, embedded`}},
		{"kind check " + good, 0, []string{`The kind "other" is valid: 1 routes`}},
		{"kind check " + bad, 1, []string{bad + ":5: endpoints.http.network: got \"udp\", want unix or tcp", bad + ":8: routes[0].permission: unknown permission \"query:ran\""}},
		{"kind check " + dir, 1, []string{"cannot read"}},
		{"kind check", 2, []string{"FILE, the profile, is missing"}},
	} {
		var out bytes.Buffer
		a := &app{out: &out, err: &out}
		if code := a.run(t.Context(), strings.Fields(tc.args)); code != tc.code {
			t.Errorf("%s: exit %d, want %d: %s", tc.args, code, tc.code, out.String())
		}
		for _, want := range tc.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in:\n%s", tc.args, want, out.String())
			}
		}
	}
}
