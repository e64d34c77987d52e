package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/configs"
	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor/process"
)

// projects is a placer over a directory of projects, with a catalog.
func projects(t *testing.T) (p placer, c *catalog.Catalog, dir string) {
	t.Helper()
	root := t.TempDir()
	dir = filepath.Join(root, "projects")
	config, _, err := configs.Load(configs.Source{Dir: root, Environ: []string{"WORKSPACE_DIR=" + dir, "ROUTER_DATA=" + filepath.Join(root, "data")}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLive(config)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(root, "catalog.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return placer{func() *live { return l }}, c, dir
}

func ofProject(kind string, name workspace.Name) catalog.NewWorkspace {
	return catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: name, Kind: kind}
}

func TestPlacer_PutsAProjectWhereItsLikeAre(t *testing.T) {
	t.Parallel()
	p, c, dir := projects(t)
	made, created, err := p.create(t.Context(), c, ofProject("chroma", "Alpha"))
	if err != nil || !created {
		t.Fatalf("got created %v, %v", created, err)
	}
	want := map[string]string{"data": filepath.Join(dir, "Alpha", "knowledge-graph")}
	places, err := c.Places(t.Context(), made.Generation)
	if diff := cmp.Diff(want, places); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if info, err := os.Stat(want["data"]); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v", info, err)
	}
	again, created, err := p.create(t.Context(), c, ofProject("chroma", "alpha"))
	if err != nil || created || again.Generation != made.Generation {
		t.Errorf("again: got %v, created %v, %v", again.Ref, created, err)
	}
	other, _, err := p.create(t.Context(), c, ofProject("embedded", "beta"))
	if err != nil {
		t.Fatal(err)
	}
	if places, err := c.Places(t.Context(), other.Generation); err != nil || len(places) > 0 {
		t.Errorf("a workspace of another kind lies in %v (%v)", places, err)
	}
}

func TestPlacer_RefusesWhatIsNotFree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string)
		says string
	}{
		"another workspace's": {func(t *testing.T, dir string) {
			claim(t, filepath.Join(dir, "alpha", "knowledge-graph"), "11111111-1111-4111-8111-111111111111")
		}, `file ".workspace-router"`},
		"a twin in another case": {func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "ALPHA")) }, "differs from"},
		"a file": {func(t *testing.T, dir string) {
			mkdir(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "alpha"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, dir := projects(t)
			tc.make(t, dir)
			_, _, err := p.create(t.Context(), c, ofProject("chroma", "alpha"))
			if !errors.Is(err, workspace.ErrUnavailable) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want one that says %q", err, tc.says)
			}
			if _, err := c.Lookup(t.Context(), workspace.DefaultTenant, "alpha"); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("the workspace is there: %v", err)
			}
		})
	}
}

// Where nobody may be, nothing is made on disk either.
func TestPlacer_MakesNothingForATenantThatIsNotThere(t *testing.T) {
	t.Parallel()
	p, c, dir := projects(t)
	wanted := ofProject("chroma", "alpha")
	wanted.Tenant = "acme"
	if _, _, err := p.create(t.Context(), c, wanted); !errors.Is(err, workspace.ErrTenantNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of projects is there: %v", err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, path string, generation workspace.Generation) {
	t.Helper()
	mkdir(t, path)
	if err := process.ClaimPlace(path, generation); err != nil {
		t.Fatal(err)
	}
}
