package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// A launch is forked only where no module has read, when it was imported, what the launch has otherwise.
func TestPreloadClass_Unfit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		profile     kind.Preload
		reads       []string
		environment []string
		want        string
	}{
		"nothing read":                  {kind.Preload{}, nil, []string{"A=1"}, ""},
		"read, and the launch has none": {kind.Preload{}, []string{"A"}, []string{"B=1"}, ""},
		"read, and the launch has it":   {kind.Preload{}, []string{"A"}, []string{"A=1"}, "asks for A"},
		"of the class":                  {kind.Preload{Environment: []string{"A*"}}, []string{"AB"}, []string{"AB=1"}, ""},
		"of every class":                {kind.Preload{}, []string{"PYTHONHASHSEED", "LC_ALL"}, []string{"PYTHONHASHSEED=1", "LC_ALL=C"}, ""},
		"may differ":                    {kind.Preload{Ignore: []string{"HOME"}}, []string{"HOME"}, []string{"HOME=/x"}, ""},
		"all are listed":                {kind.Preload{}, []string{"*"}, nil, "lists all variables"},
		"all may be listed":             {kind.Preload{Ignore: []string{"*"}}, []string{"*"}, []string{"A=1"}, ""},
	} {
		got := preloadClass{profile: test.profile}.unfit(test.reads, test.environment)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Landlock adds up: what is closed to a preloader is closed to all that is forked from it.
func TestCovers(t *testing.T) {
	t.Parallel()
	outer := &sandbox.Policy{Read: []string{"/usr", "/opt/x"}, Write: []string{"/data/run", "/data/workspaces"}, Connect: true, AnyPort: true}
	for name, test := range map[string]struct {
		outer, inner *sandbox.Policy
		want         bool
	}{
		"none at all":         {nil, nil, true},
		"none without":        {nil, outer, true},
		"none within":         {outer, nil, false},
		"within":              {outer, &sandbox.Policy{Read: []string{"/usr/lib"}, Write: []string{"/data/workspaces/a"}, Bind: []int{1}}, true},
		"reads elsewhere":     {outer, &sandbox.Policy{Read: []string{"/opt/y"}}, false},
		"similar by name":     {outer, &sandbox.Policy{Read: []string{"/opt/xy"}}, false},
		"writes elsewhere":    {outer, &sandbox.Policy{Write: []string{"/srv/rag_storage"}}, false},
		"writes what is read": {outer, &sandbox.Policy{Write: []string{"/usr/lib"}}, false},
		"connects":            {&sandbox.Policy{}, &sandbox.Policy{Connect: true}, false},
		"binds":               {&sandbox.Policy{}, &sandbox.Policy{Bind: []int{1}}, false},
	} {
		if got := covers(test.outer, test.inner); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The self-test's verdict names each place at which the two processes differ.
func TestDifferences(t *testing.T) {
	t.Parallel()
	executed := map[string]any{"same": 1.0, "limits": map[string]any{"a": []any{1.0, 2.0}}, "gone": "x"}
	forked := map[string]any{"same": 1.0, "limits": map[string]any{"a": []any{1.0, 3.0}}, "new": true}
	want := []string{"gone is <nil>, executed it is x", "limits.a is [1 3], executed it is [1 2]", "new is true, executed it is <nil>"}
	if diff := cmp.Diff(want, differences("", executed, forked)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if found := differences("", executed, executed); len(found) > 0 {
		t.Errorf("got %v", found)
	}
}

// Each step of an upgrade shows: of a package, of the virtual environment, of the program, of the interpreter.
func TestPreloadClass_FingerprintSeesUpgrades(t *testing.T) {
	t.Parallel()
	root := dataDir(t)
	files := []string{"bin/python3", "bin/program", "pyvenv.cfg", "lib/python3.11/site-packages/a-1.dist-info/RECORD", "lib/python3.11/site-packages/x.pth"}
	for _, name := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := preloadClass{program: filepath.Join(root, "bin/program"), interpreter: filepath.Join(root, "bin/python3")}
	var seen []string
	note := func(what string) {
		got, err := c.fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(seen, got) {
			t.Errorf("%s is not seen", what)
		}
		seen = append(seen, got)
	}
	note("the first state")
	if again, _ := c.fingerprint(); again != seen[0] {
		t.Error("two looks at one state differ")
	}
	for i, name := range files {
		later := time.Now().Add(time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(filepath.Join(root, name), later, later); err != nil {
			t.Fatal(err)
		}
		note(name)
	}
	if err := os.MkdirAll(filepath.Join(root, "lib/python3.11/site-packages/b-1.dist-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	note("another package")
	if err := os.Remove(c.interpreter); err != nil {
		t.Fatal(err)
	}
	if _, err := c.fingerprint(); err == nil {
		t.Error("an interpreter that is gone is no error")
	}
}

// The options of a script's interpreter count: they are the preloader's, too.
func TestInterpreterOf_Options(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"#!/opt/v/bin/python3\n":     {"/opt/v/bin/python3"},
		"#!/opt/v/bin/python3 -sE\n": {"/opt/v/bin/python3", "-sE"},
		"#!/bin/sh\n'''exec' \"/opt/a b/bin/python3\" \"$0\" \"$@\"\n' '''\n": {"/opt/a b/bin/python3"},
		"#!/bin/sh\n'''exec' /opt/v/bin/python3 -I \"$0\" \"$@\"\n' '''\n":    {"/opt/v/bin/python3", "-I"},
		"#!/usr/bin/env python3\n": {""},
		"\x7fELF":                  {""},
	} {
		path := filepath.Join(dataDir(t), "program")
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		interpreter, options := interpreterOf(path)
		if diff := cmp.Diff(want, append([]string{interpreter}, options...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// No more preloaders than allowed; one that nobody has used for long makes room, and one that failed is not tried at once.
func TestPreloads_Begins(t *testing.T) {
	t.Parallel()
	table := newPreloads()
	for _, key := range []string{"a", "b", "c", "d"} {
		if begins, out := table.begins(key); !begins || out != nil {
			t.Fatalf("%s does not begin", key)
		}
		if begins, _ := table.begins(key); begins {
			t.Errorf("%s begins twice", key)
		}
		table.group.Done()
		table.came(key, &preloader{class: preloadClass{key: key}})
	}
	if begins, _ := table.begins("e"); begins {
		t.Error("one more than allowed")
	}
	table.ready["b"].used = time.Now().Add(-time.Hour)
	begins, out := table.begins("e")
	if !begins || out == nil || out.class.key != "b" {
		t.Errorf("got %v, %v, want that b makes room", begins, out)
	}
	table.group.Done()
	table.came("e", nil)
	if begins, _ := table.begins("e"); begins {
		t.Error("what failed is tried again at once")
	}
	table.end()
	if begins, _ := table.begins("f"); begins {
		t.Error("one begins at the end")
	}
}
