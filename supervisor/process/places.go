package process

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"workspace-router/internal/workspace"
)

// PlaceMarker is the file in a directory outside of the data directory that says whose it is, as the marker in a
// workspace's own directory does. Its name says to a stranger who put it there.
const PlaceMarker = ".workspace-router"

// place gives the path of one of the kind's places, wherever it lies.
func (v values) place(name string) (string, bool) {
	if path := v.spec.Places[name]; path != "" {
		return path, true
	}
	template, found := v.spec.Kind.Places[name]
	if !found {
		return "", false
	}
	path, err := v.expand(template.Path)
	return path, err == nil
}

// elsewhere gives the places that lie outside of the workspace's directory.
func (v values) elsewhere() []string { return slices.Sorted(maps.Values(v.spec.Places)) }

// directories gives the templates of what has to be made in the workspace's directory: the kind's directories and the
// places that lie there.
func (v values) directories() []string {
	list := slices.Clone(v.spec.Kind.Directories)
	for _, name := range slices.Sorted(maps.Keys(v.spec.Kind.Places)) {
		if v.spec.Places[name] == "" {
			list = append(list, v.spec.Kind.Places[name].Path)
		}
	}
	return list
}

// claimPlaces marks the places that lie elsewhere, or refuses those that are marked as another workspace's.
func (d *Driver) claimPlaces(v values) error {
	for _, path := range v.elsewhere() {
		if err := ClaimPlace(path, v.spec.Ref.Generation); err != nil {
			return err
		}
	}
	return nil
}

// PlaceOwner says whose a directory is by its marker; empty is nobody's, or that it is not there.
func PlaceOwner(path string) (workspace.Generation, error) {
	dir, err := os.OpenRoot(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot open the directory %q: %w", path, err)
	}
	defer dir.Close()
	return readPlace(dir)
}

// readPlace reads the marker of such a directory, which is put there whole.
func readPlace(dir *os.Root) (workspace.Generation, error) {
	file, err := machine{}.openFile(dir, PlaceMarker)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the marker in %q: %w", dir.Name(), err)
	}
	defer file.Close()
	return readGeneration(file, 1)
}

// ClaimPlace marks a directory that is there as the generation's, whatever is in it. One that is marked as another's is
// refused: of any number who claim it at once, one gets it.
func ClaimPlace(path string, generation workspace.Generation) error {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return mismatch(fmt.Errorf("cannot open the workspace's directory %q: %w", path, err))
	}
	defer dir.Close()
	owner, err := readPlace(dir)
	if err == nil && owner == "" {
		if err = markPlace(dir, generation); err == nil {
			owner, err = readPlace(dir)
		}
	}
	if err != nil {
		return err
	}
	if owner != generation {
		return mismatch(fmt.Errorf("the directory %q belongs to generation %q, not to %q; where nothing uses it any more, remove the file %q in it",
			path, owner, generation, PlaceMarker))
	}
	return nil
}

// markPlace puts the marker in place whole, unless there is one by now.
func markPlace(dir *os.Root, generation workspace.Generation) error {
	temporary := PlaceMarker + "." + string(generation)
	if err := dir.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot mark %q: %w", dir.Name(), err)
	}
	file, err := machine{}.create(dir, temporary)
	if err != nil {
		return fmt.Errorf("cannot mark %q: %w", dir.Name(), err)
	}
	_, err = file.WriteString(string(generation) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = dir.Link(temporary, PlaceMarker)
	}
	if errors.Is(err, os.ErrExist) {
		err = nil // the other one is read after this
	}
	err = errors.Join(err, dir.Remove(temporary))
	if err == nil {
		err = syncDirectory(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot mark %q: %w", filepath.Clean(dir.Name()), err)
	}
	return nil
}

func syncDirectory(dir *os.Root) error {
	file, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
