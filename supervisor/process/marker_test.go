package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/supervisor"
)

// A worker may write to its directory, so the marker there can be anything by the time of the next start. None of it
// may hold the start up, which holds a place in the pool, or cost the router its memory.
func TestClaim_SurvivesWhatAWorkerMakesOfTheMarker(t *testing.T) {
	t.Parallel()
	const generation = "11111111-2222-3333-4444-555555555555"
	cases := map[string]struct {
		prepare func(dir string) error
		refused bool
	}{
		"a pipe": {func(dir string) error { return unix.Mkfifo(filepath.Join(dir, markerName), fileMode) }, true},
		"a link to a pipe": {func(dir string) error {
			return errors.Join(unix.Mkfifo(filepath.Join(dir, "pipe"), fileMode), os.Symlink("pipe", filepath.Join(dir, markerName)))
		}, true},
		"a directory": {func(dir string) error { return os.Mkdir(filepath.Join(dir, markerName), ownerOnly) }, true},
		"a file beyond all memory": {func(dir string) error {
			path := filepath.Join(dir, markerName)
			return errors.Join(os.WriteFile(path, []byte(generation), fileMode), os.Truncate(path, 1<<42))
		}, true},
		"a pipe in the temporary's place":      {func(dir string) error { return unix.Mkfifo(filepath.Join(dir, markerTemp), fileMode) }, false},
		"a directory in the temporary's place": {func(dir string) error { return os.Mkdir(filepath.Join(dir, markerTemp), ownerOnly) }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := tc.prepare(dir); err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			d := &Driver{disk: machine{}, claims: newClaims()}
			claimed := make(chan error, 1)
			go func() {
				marker, err := d.claim(root, generation)
				if marker != nil {
					marker.Close()
				}
				claimed <- err
			}()
			select {
			case err = <-claimed:
			case <-time.After(10 * time.Second):
				t.Fatal("the claim hangs")
			}
			var cause *causeError
			if mismatched := errors.As(err, &cause) && cause.cause == supervisor.CauseDirectoryMismatch; mismatched != tc.refused {
				t.Fatalf("got %v, want a mismatch: %v", err, tc.refused)
			}
			if !tc.refused {
				marker, found, err := d.readMarker(root)
				if err != nil || found != generation {
					t.Fatalf("the marker holds %q, %v", found, err)
				}
				marker.Close()
			}
		})
	}
}
