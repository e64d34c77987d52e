package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"workspace-router/internal/keeper"
	"workspace-router/internal/workspace"
)

// PutAway moves the directory of a deleted workspace below the trash, under its name and generation, from where only an
// operator takes it. It reports whether there was something to move. A directory of another generation, which has the
// name by now, is left alone, and so are places that lie elsewhere. A workspace whose worker may live is refused.
func PutAway(data string, ref workspace.Ref) (moved bool, err error) {
	from := filepath.Join(data, "workspaces", ref.String())
	owner, err := markedOwner(from)
	if errors.Is(err, fs.ErrNotExist) || err == nil && owner != ref.Generation {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot put the workspace %q away: %w", ref, err)
	}
	lock, err := keeper.Lock(keeper.Data(data).GenerationLock(string(ref.Generation)))
	if err != nil { // the keeper has it while anything of the workspace's lives
		return false, fmt.Errorf("cannot put the workspace %q away: %w", ref, err)
	}
	defer lock.Close()
	trash := filepath.Join(data, "trash")
	if err := os.Mkdir(trash, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("cannot put the workspace %q away: %w", ref, err)
	}
	// A rename is whole or not at all: after a crash the directory is in one of the two places.
	if err := os.Rename(from, filepath.Join(trash, ref.String()+"."+string(ref.Generation))); err != nil {
		return false, fmt.Errorf("cannot put the workspace %q away: %w", ref, err)
	}
	return true, errors.Join(syncDir(trash), syncDir(filepath.Dir(from)))
}

// HasData reports whether PutAway would find something to move.
func HasData(data string, ref workspace.Ref) bool {
	owner, err := markedOwner(filepath.Join(data, "workspaces", ref.String()))
	return err == nil && owner == ref.Generation
}

// markedOwner reads whose data a workspace's directory holds; one without a marker is nobody's.
func markedOwner(path string) (workspace.Generation, error) {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	file, err := machine{}.openFile(dir, markerName)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	return readGeneration(file, 0)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
