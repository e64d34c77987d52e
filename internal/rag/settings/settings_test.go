package settings_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/rag/settings"
)

func load(args []string, environment map[string]string) (settings.Settings, error) {
	return settings.Load(args, func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
}

func TestLoad_Defaults(t *testing.T) {
	t.Parallel()
	got, err := load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	absolute := func(path string) string {
		a, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	want := settings.Settings{
		Host: "127.0.0.1", Port: 9621, WorkingDir: absolute("rag_storage"), InputDir: absolute("inputs"), ModelName: "lightrag", ModelTag: "latest",
		LLM: settings.Model{Timeout: 180 * time.Second}, Embedding: settings.Model{Timeout: 30 * time.Second},
		MaxUpload: 100 << 20, MaxBody: 32 << 20, TopK: 40, ChunkTopK: 20, ChunkSize: 300, ChunkOverlap: 40, Cosine: 0.2,
		ExtractTimeout: 180 * time.Second, ShutdownGrace: 8 * time.Second, LogLevel: "info",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if got.DataDir() != got.WorkingDir || got.UploadDir() != got.InputDir {
		t.Errorf("without a workspace its directories are %q and %q", got.DataDir(), got.UploadDir())
	}
}

func TestLoad_FlagsBeforeEnvironmentBeforeDefaults(t *testing.T) {
	t.Parallel()
	got, err := load([]string{"--port", "1", "--workspace=flag", "--socket", "/s"}, map[string]string{"PORT": "2", "HOST": "::1", "WORKSPACE": "env", "WORKING_DIR": "/d"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Port != 1 || got.Host != "::1" || got.Workspace != "flag" || got.Socket != "/s" || got.DataDir() != "/d/flag" {
		t.Errorf("got %+v", got)
	}
}

func TestLoad_DecidesWhetherThereIsAModel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environment map[string]string
		want        string // binding, or the variable that the error names
	}{
		"nothing":          {nil, ""},
		"a binding alone":  {map[string]string{"LLM_BINDING": "ollama"}, ""},
		"none":             {map[string]string{"LLM_BINDING": "none", "LLM_BINDING_HOST": "http://h", "LLM_MODEL": "m"}, ""},
		"all":              {map[string]string{"LLM_BINDING": "openai", "LLM_BINDING_HOST": "http://h/v1", "LLM_MODEL": "m"}, "openai"},
		"without binding":  {map[string]string{"LLM_BINDING_HOST": "http://h", "LLM_MODEL": "m"}, "ollama"},
		"without host":     {map[string]string{"LLM_BINDING": "openai", "LLM_MODEL": "m"}, "LLM_BINDING_HOST"},
		"without a model":  {map[string]string{"LLM_BINDING": "openai", "LLM_BINDING_HOST": "http://h"}, "LLM_MODEL"},
		"embedding's host": {map[string]string{"EMBEDDING_BINDING": "openai", "EMBEDDING_MODEL": "m"}, "EMBEDDING_BINDING_HOST"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := load(nil, test.environment)
			if strings.Contains(test.want, "_") {
				if err == nil || !strings.HasPrefix(err.Error(), test.want+": got nothing") {
					t.Errorf("got %v, want an error on %s", err, test.want)
				}
				return
			}
			if err != nil || got.LLM.Binding != test.want {
				t.Errorf("got %q, %v, want %q", got.LLM.Binding, err, test.want)
			}
		})
	}
}

func TestLoad_RefusesBadValues(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{
		"HOST": {"", "http://x", "h:1", "a b"}, "PORT": {"x", "-1", "65536", ""}, "WORKSPACE": {"a/b", "..", "a b", "é", strings.Repeat("x", 129)},
		"WORKER_SOCKET": {"/" + strings.Repeat("x", 107)}, "WORKING_DIR": {""}, "INPUT_DIR": {" "}, "LIGHTRAG_API_PREFIX": {"/a?b", "/a%20b"},
		"LLM_BINDING": {"azure"}, "LLM_BINDING_HOST": {"h", "ftp://h", "http://"}, "LLM_TIMEOUT": {"0", "1s", "86401"}, "EMBEDDING_DIM": {"-1", "x"},
		"MAX_UPLOAD_SIZE": {"0", "1MB"}, "TOP_K": {"0", "1001"}, "CHUNK_SIZE": {"10"}, "CHUNK_OVERLAP_SIZE": {"150", "-1"}, "COSINE_THRESHOLD": {"2", "x", "NaN"},
		"SHUTDOWN_GRACE": {"0"}, "LOG_LEVEL": {"loud"},
	}
	for name, values := range bad {
		for _, value := range values {
			if _, err := load(nil, map[string]string{name: value}); err == nil || !strings.HasPrefix(err.Error(), name+": got ") || !strings.Contains(err.Error(), "want ") {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
	_, err := load(nil, map[string]string{"PORT": "x", "TOP_K": "y"})
	if err == nil || !strings.Contains(err.Error(), "PORT") || !strings.Contains(err.Error(), "TOP_K") {
		t.Errorf("two problems: %v", err)
	}
	for _, args := range [][]string{{"--nothing", "x"}, {"--key", "secret"}, {"port", "1"}, {"--port"}, {"--port=x"}} {
		if _, err := load(args, nil); err == nil {
			t.Errorf("arguments %q were taken", args)
		}
	}
}

func TestWithoutUser_HidesSecrets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://user:secret@h:1/v1": "http://h:1/v1", "ftp://a:b@c@h": "ftp://h", "http://h/a@b": "http://h/a@b", "http://h?x=a@b": "http://h?x=a@b", "plain@text": "plain@text", "": "",
	} {
		if got := settings.WithoutUser(text); got != want {
			t.Errorf("WithoutUser(%q) = %q, want %q", text, got, want)
		}
	}
	if _, err := load(nil, map[string]string{"LLM_BINDING_HOST": "ftp://user:secret@h"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestUsage_NamesEverySetting(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	settings.Usage(&out)
	for _, want := range []string{"LIGHTRAG_API_KEY\n", "PORT, --port\n", "(default 9621)", "WORKER_SOCKET, --socket\n", "NOTIFY_SOCKET\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the usage lacks %q:\n%s", want, out.String())
		}
	}
}
