package process

import (
	"os"
	"path/filepath"
	"testing"

	"workspace-router/internal/keeper"
	"workspace-router/internal/workspace"
)

func TestPutAway_MovesOnlyTheGenerationsOwn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	ref := workspace.Ref{Tenant: "acme", Name: "alpha", Generation: "g-old"}
	dir := filepath.Join(data, "workspaces", "acme.alpha")
	lay := func(owner string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"document": "of " + owner, markerName: owner + "\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(want bool) {
		t.Helper()
		if moved, err := PutAway(data, ref); err != nil || moved != want {
			t.Errorf("moved %v, %v; want %v", moved, err, want)
		}
	}
	put(false) // nothing is there
	lay("g-old")
	lock, err := keeper.Lock(keeper.Data(data).GenerationLock("g-old"))
	if err != nil {
		t.Fatal(err)
	}
	if moved, err := PutAway(data, ref); err == nil || moved {
		t.Errorf("while its worker may live: moved %v, %v", moved, err)
	}
	lock.Close()
	put(true)
	text, err := os.ReadFile(filepath.Join(data, "trash", "acme.alpha.g-old", "document"))
	if err != nil || string(text) != "of g-old" {
		t.Errorf("in the trash: %q %v", text, err)
	}
	put(false)
	lay("g-new") // the name is used again
	put(false)
	if _, err := os.Stat(filepath.Join(dir, "document")); err != nil {
		t.Error(err)
	}
	// What a worker may have put into the marker's place is no reason to move or to wait.
	if err := os.Remove(filepath.Join(dir, markerName)); err != nil {
		t.Fatal(err)
	}
	put(false)
	if err := os.Mkdir(filepath.Join(dir, markerName), 0o700); err != nil {
		t.Fatal(err)
	}
	if moved, err := PutAway(data, ref); err == nil || moved {
		t.Errorf("a directory as the marker: moved %v, %v", moved, err)
	}
}
