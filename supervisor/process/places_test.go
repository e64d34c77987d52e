package process

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

const someone, another workspace.Generation = "0190b5a4-7d1e-7c3a-9b1f-0123456789ab", "0190b5a4-7d1e-7c3a-9b1f-ba9876543210"

func TestClaimPlace_IsForOneWorkspaceWhateverIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kv_store_full_docs.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also at each later start
		if err := ClaimPlace(dir, someone); err != nil {
			t.Fatal(err)
		}
	}
	if owner, err := PlaceOwner(dir); err != nil || owner != someone {
		t.Errorf("its owner is %q, %v, want %q", owner, err, someone)
	}
	err := ClaimPlace(dir, another)
	if causeOf(t.Context(), err) != supervisor.CauseDirectoryMismatch || !strings.Contains(err.Error(), PlaceMarker) {
		t.Errorf("another workspace got %v, want a mismatch that names the marker", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v, want what was there and the marker", entries, err)
	}
}

func TestClaimPlace_OfManyAtOnceOneGetsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var group sync.WaitGroup
	var got atomic.Int32
	for i := range 16 {
		group.Go(func() {
			generation := workspace.Generation(strings.Replace(string(someone), "0190", string(rune('a'+i))+"190", 1))
			if ClaimPlace(dir, generation) == nil {
				got.Add(1)
			}
		})
	}
	group.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got it, want 1", got.Load())
	}
}

func TestClaimPlace_RefusesWhatIsNoMarkerOrNotThere(t *testing.T) {
	t.Parallel()
	cases := map[string]func(dir string) error{
		"empty":     func(dir string) error { return os.WriteFile(filepath.Join(dir, PlaceMarker), nil, 0o600) },
		"a link":    func(dir string) error { return os.Symlink("/etc/hostname", filepath.Join(dir, PlaceMarker)) },
		"directory": func(dir string) error { return os.Mkdir(filepath.Join(dir, PlaceMarker), 0o700) },
		"too large": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, PlaceMarker), make([]byte, maxMarker+1), 0o600)
		},
		"not there": os.Remove,
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			if err := ClaimPlace(dir, someone); err == nil {
				t.Error("it was claimed")
			}
		})
	}
}

func TestValues_PlacesLieInTheWorkspaceUnlessTheyLieElsewhere(t *testing.T) {
	t.Parallel()
	k := &kind.Kind{
		Name: "k", Directories: []string{"{dir}/logs"},
		Places: map[string]kind.Place{"storage": {Path: "{dir}/rag_storage"}, "inputs": {Path: "{dir}/inputs"}},
	}
	v := values{dir: "/data/workspaces/alpha", spec: supervisor.Spec{Kind: k, Places: map[string]string{"storage": "/srv/storage"}}}
	for template, want := range map[string]string{
		"{place:storage}": "/srv/storage", "{place:inputs}/x": "/data/workspaces/alpha/inputs/x",
	} {
		if got, err := v.expand(template); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", template, got, err, want)
		}
	}
	if _, err := v.expand("{place:other}"); err == nil {
		t.Error("a place that there is not has a path")
	}
	if got := strings.Join(v.directories(), " "); got != "{dir}/logs {dir}/inputs" {
		t.Errorf("the directories %s are made", got)
	}
}
