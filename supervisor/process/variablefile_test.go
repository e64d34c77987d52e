package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

func TestReadVariable_TrustsOnlyWhatOthersCannotTouch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(name, to string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.MkdirAll(filepath.Join(data, "workspaces"), 0o700); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	good := file("good", "pl4nted\r\n\n", 0o600)
	for name, test := range map[string]struct{ path, want, says string }{
		"the router's own":    {path: good, want: "pl4nted"},
		"its group reads it":  {path: file("group", "pl4nted = \"x\" ", 0o440), want: "pl4nted = \"x\" "},
		"several lines":       {path: file("lines", "pl4nted\nb\n", 0o600), want: "pl4nted\nb"},
		"behind a link":       {path: link("link", good), want: "pl4nted"},
		"empty":               {path: file("empty", "", 0o600)},
		"open to others":      {path: file("open", "pl4nted", 0o604), says: "its mode is 0604"},
		"its group writes":    {path: file("group-writes", "pl4nted", 0o660), says: "want 0600 or 0640"},
		"not there":           {path: filepath.Join(dir, "none"), says: "no such file"},
		"a relative path":     {path: "good", says: "want an absolute path"},
		"a directory":         {path: dir, says: "no regular file"},
		"a pipe":              {path: pipe, says: "no regular file"},
		"the router's secret": {path: file("data/admin.key", "pl4nted", 0o600), says: "lies in the data directory"},
		"a way around":        {path: link("round", filepath.Join(data, "admin.key")), says: "lies in the data directory"},
		"too long":            {path: file("long", strings.Repeat("pl4nted ", MaxVariable/8)+"x", 0o600), says: "more than 65536 bytes"},
		"no text":             {path: file("binary", "pl4nted\x00", 0o600), says: "something else than text"},
	} {
		got, err := ReadVariable(test.path, data)
		switch {
		case test.says == "" && err == nil && got == test.want:
		case test.says == "" || err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), test.path) || strings.Contains(err.Error(), "pl4nted"):
			t.Errorf("%s: got %q, %v; want %q, %q", name, got, err, test.want, test.says)
		}
	}
	if os.Getuid() == 0 {
		foreign := file("foreign", "pl4nted", 0o600)
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadVariable(foreign, data); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("another user's file: %v", err)
		}
	}
}

// seen starts a shell in the workspace's place and gives the variables that it finds, each as a line.
func seen(t *testing.T, r *rig, name string, own ...workspace.Variable) string {
	t.Helper()
	spec := newSpec(t, name, func(k *kind.Kind) {
		k.Processes[0].Program = "/bin/sh"
		k.Processes[0].Args = []string{"-c", "env; echo that is all; exec sleep 1h"}
		k.Ready.Timeout = 1
	})
	spec.Environment = own
	w, err := r.Start(r.context(), spec, nil)
	assertCause(t, err, "never_ready")
	var text []byte
	eventually(t, "it has said all", func() bool {
		text, _ = os.ReadFile(keeper.Data(r.dir).Log(name))
		return strings.Contains(string(text), "that is all")
	})
	r.stop(w, true)
	return string(text)
}

// A workspace's own variables override the common ones for its worker alone, as they are written; a file is read with
// each launch.
func TestStart_GivesTheWorkspacesOwnVariables(t *testing.T) {
	t.Parallel()
	r := newRig(t, "HOSTILE_ONE=common", "HOSTILE_TWO=common")
	file := filepath.Join(t.TempDir(), "two")
	for name, content := range map[string]string{"alpha": "first", "beta": "second"} {
		if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := seen(t, r, name, workspace.NewVariable("HOSTILE_ONE", "{dir} own"), workspace.VariableFromFile("HOSTILE_TWO", file))
		if !strings.Contains(got, "HOSTILE_ONE={dir} own\n") || !strings.Contains(got, "HOSTILE_TWO="+content+"\n") {
			t.Errorf("the worker found:\n%s", got)
		}
	}
	if got := seen(t, r, "gamma"); !strings.Contains(got, "HOSTILE_ONE=common\n") || !strings.Contains(got, "HOSTILE_TWO=common\n") {
		t.Errorf("another workspace's worker found:\n%s", got)
	}
}

func TestStart_RefusesTheWorkspacesOwnVariables(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		variable workspace.Variable
		says     string
	}{
		"not taken":     {workspace.NewVariable("LD_PRELOAD", "pl4nted"), "LD_PRELOAD: the kind"},
		"set by itself": {workspace.NewVariable("WORKSPACE", "pl4nted"), "WORKSPACE: the kind"},
		"no such file":  {workspace.VariableFromFile("HOSTILE_ONE", "/nowhere"), `HOSTILE_ONE: cannot read the file "/nowhere"`},
		"no text":       {workspace.NewVariable("HOSTILE_ONE", "pl4nted\xff"), `"HOSTILE_ONE"`},
		"a NUL":         {workspace.NewVariable("HOSTILE_ONE", "pl4nted\x00"), "HOSTILE_ONE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := newSpec(t, "alpha")
			spec.Environment = []workspace.Variable{test.variable}
			failed := newRig(t).fail(spec)
			if failed.Cause != supervisor.CauseEnvironment || !strings.Contains(failed.Error(), test.says) || strings.Contains(failed.Error(), "pl4nted") {
				t.Errorf("got cause %q: %v, want %q", failed.Cause, failed, test.says)
			}
		})
	}
}
