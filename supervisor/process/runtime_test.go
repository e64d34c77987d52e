package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRuntimePaths uses a folder with an installation, a virtual environment of it, and programs of all forms.
func TestRuntimePaths(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(at("base", "bin", "python3.11"), "\x7fELF")
	put(at("base", "lib", "python3.11", "os.py"), "")
	put(at("venv", "pyvenv.cfg"), "")
	put(at("bare", "bin", "python3"), "\x7fELF")
	if err := os.Mkdir(at("venv", "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("base", "bin", "python3.11"), at("venv", "bin", "python3")); err != nil {
		t.Fatal(err)
	}
	venv, base := at("venv"), at("base")
	python := at("venv", "bin", "python3")
	for name, test := range map[string]struct {
		program string
		want    []string
	}{
		"venv":               {"#!" + python + "\nimport os\n", []string{venv, base}},
		"with an argument":   {"#! " + python + " -I\n", []string{venv, base}},
		"a long path":        {"#!/bin/sh\n'''exec' \"" + python + "\" \"$0\" \"$@\"\n' '''\n", []string{venv, base}},
		"unquoted":           {"#!/bin/sh\n'''exec' " + python + " \"$0\" \"$@\"\n", []string{venv, base}},
		"no venv":            {"#!" + at("base", "bin", "python3.11") + "\n", []string{base}},
		"no installation":    {"#!" + at("bare", "bin", "python3") + "\n", nil},
		"chosen by PATH":     {"#!/usr/bin/env python3\n", nil},
		"a shell script":     {"#!/bin/sh\nexec " + python + "\n", nil},
		"nothing there":      {"#!" + at("gone", "bin", "python3") + "\n", nil},
		"relative":           {"#!bin/python3\n", nil},
		"no script":          {"\x7fELF" + strings.Repeat("x", 2*maxFirstLines), nil},
		"an empty file":      {"", nil},
		"nothing but a mark": {"#!", nil},
	} {
		program := at("programs", strings.ReplaceAll(name, " ", "-"))
		put(program, test.program)
		if diff := cmp.Diff(test.want, runtimePaths("python", program)); diff != "" {
			t.Errorf("%s: want - got +\n%s", name, diff)
		}
		if got := runtimePaths("", program); got != nil {
			t.Errorf("%s: got %q for a kind that names no runtime", name, got)
		}
	}
	if got := runtimePaths("python", at("programs", "missing")); got != nil {
		t.Errorf("got %q for a program that is not there", got)
	}
}
