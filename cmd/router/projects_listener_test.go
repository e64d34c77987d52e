package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestChromaVersion_IsThePackages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	mkdir(t, filepath.Join(root, "lib", "python3.11", "site-packages", "chromadb-1.5.9.dist-info"))
	mkdir(t, filepath.Join(root, "bin"))
	program := filepath.Join(root, "bin", "chroma")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := chromaVersion(program); got != "1.5.9" {
		t.Errorf("got %q", got)
	}
	if got := chromaVersion("chroma"); got != "1.0.0" {
		t.Errorf("of an unknown one: got %q", got)
	}
}

// What was a deleted workspace's is not the next one's of its name, and is not lost.
func TestPlacer_PutsTheDirectoryOfADeletedWorkspaceAside(t *testing.T) {
	t.Parallel()
	p, c, dir := projects(t)
	before, _, err := p.create(t.Context(), c, ofProject("chroma", "alpha"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "alpha", "knowledge-graph")
	claim(t, path, before.Generation)
	if err := os.WriteFile(filepath.Join(path, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.MarkDeleted(t.Context(), before.Generation); err != nil {
		t.Fatal(err)
	}
	after, created, err := p.create(t.Context(), c, ofProject("chroma", "alpha"))
	if err != nil || !created || after.Generation == before.Generation {
		t.Fatalf("got %v, created %v, %v", after.Ref, created, err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
		t.Errorf("it begins with %v (%v)", entries, err)
	}
	if _, err := os.Stat(filepath.Join(path+".deleted-"+string(before.Generation), "data")); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
}
