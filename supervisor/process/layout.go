package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

const (
	ownerOnly = 0o700
	fileMode  = 0o600
	// markerName is the file that says whose data a directory holds: the workspace's generation. A name that is used
	// again has another one, so that it can never serve what the old workspace left.
	markerName = ".generation"
	markerTemp = ".generation.new"
	// maxMarker bounds what is read of it, in bytes. The directory is the worker's to write, and so is the file.
	maxMarker = 128
)

// layout is what a launch finds on disk.
type layout struct {
	working string
}

// layOut makes the workspace's directory, the launch's run directory and what the kind wants in them. It holds the
// generation's lock meanwhile: whatever of an earlier launch still lived would be written over otherwise.
func (d *Driver) layOut(k *kind.Kind, v values) (layout, error) {
	lock, err := keeper.Lock(d.data.GenerationLock(string(v.spec.Ref.Generation)))
	if err != nil {
		var locked *keeper.LockedError
		if errors.As(err, &locked) {
			return layout{}, &causeError{supervisor.CauseLocked, err}
		}
		return layout{}, err
	}
	defer lock.Close()
	dir, err := d.openWorkspace(v)
	if err != nil {
		return layout{}, err
	}
	defer dir.Close()
	run, err := openRun(v.run)
	if err != nil {
		return layout{}, err
	}
	defer run.Close()
	return furnish(k, v, place{v.dir: dir, v.run: run})
}

// openWorkspace makes the workspace's data directory, or checks that the one that is there is this generation's.
func (d *Driver) openWorkspace(v values) (*os.Root, error) {
	if err := makeDirectory(d.config.Data, "workspaces"); err != nil {
		return nil, err
	}
	err := os.Mkdir(v.dir, ownerOnly)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make the workspace's directory: %w", err)
	}
	root, err := os.OpenRoot(v.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the workspace's directory: %w", err)
	}
	if err := claim(root, string(v.spec.Ref.Generation)); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// claim checks the marker, and writes it where the directory holds nothing yet.
func claim(root *os.Root, generation string) error {
	found, err := readMarker(root)
	if err == nil {
		if found != generation {
			return mismatch(fmt.Errorf("the directory %q belongs to generation %q, not to %q", root.Name(), found, generation))
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot read the workspace's marker: %w", err)
	}
	empty, err := isEmpty(root)
	if err != nil {
		return fmt.Errorf("cannot read the workspace's directory: %w", err)
	}
	if !empty {
		return mismatch(fmt.Errorf("the directory %q holds data, but no marker %q that says whose", root.Name(), markerName))
	}
	if err := writeMarker(root, generation); err != nil {
		return fmt.Errorf("cannot mark the workspace's directory: %w", err)
	}
	return nil
}

// readMarker reads the marker as something that a worker may have put there: it waits for nobody at a pipe, and reads
// no more than a generation's length.
func readMarker(root *os.Root) (generation string, err error) {
	file, err := root.OpenFile(markerName, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() > maxMarker:
		return "", mismatch(fmt.Errorf("%q is no marker: its mode is %v, its size %d bytes", file.Name(), info.Mode(), info.Size()))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxMarker))
	return strings.TrimSpace(string(text)), err
}

func mismatch(err error) error { return &causeError{supervisor.CauseDirectoryMismatch, err} }

// isEmpty passes over the marker that a crash left half written.
func isEmpty(root *os.Root) (bool, error) {
	dir, err := root.Open(".")
	if err != nil {
		return false, err
	}
	defer dir.Close()
	const enough = 2 // of which one at most is passed over
	names, err := dir.Readdirnames(enough)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return !slices.ContainsFunc(names, func(name string) bool { return name != markerTemp }), nil
}

// writeMarker puts the marker in place whole and makes it, and the directory's own entry, last.
func writeMarker(root *os.Root, generation string) error {
	if err := root.RemoveAll(markerTemp); err != nil { // whatever it is: opening a pipe would wait for its reader
		return err
	}
	file, err := root.OpenFile(markerTemp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(generation + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := root.Rename(markerTemp, markerName); err != nil {
		return err
	}
	return errors.Join(syncDirectory(root.Name()), syncDirectory(filepath.Dir(root.Name())))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// openRun makes the launch's own directory. One that is there is a leftover: no live launch has this id.
func openRun(path string) (*os.Root, error) {
	if err := keeper.RemoveAll(path); err != nil {
		return nil, fmt.Errorf("cannot clear the run directory: %w", err)
	}
	if err := os.MkdirAll(temporary(path), ownerOnly); err != nil {
		return nil, fmt.Errorf("cannot make the run directory: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the run directory: %w", err)
	}
	return root, nil
}

// makeDirectory makes a directory below the data directory.
func makeDirectory(data, name string) error {
	if err := os.MkdirAll(filepath.Join(data, name), ownerOnly); err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	return nil
}

// place maps the path of each directory that a kind may write to, to the directory itself, which no link leads out of.
type place map[string]*os.Root

// in finds the directory that holds path, and the rest of it.
func (p place) in(path string) (*os.Root, string, error) {
	for base, root := range p {
		if rest, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rest) {
			return root, rest, nil
		}
	}
	return nil, "", fmt.Errorf("cannot use %q: it is neither in the workspace's directory nor in the launch's", path)
}

// furnish makes the directories and files of a kind.
func furnish(k *kind.Kind, v values, p place) (layout, error) {
	working := v.run
	if dir := k.Processes[0].Dir; dir != "" {
		var err error
		if working, err = v.expand(dir); err != nil {
			return layout{}, err
		}
	}
	directories, err := v.expandAll(k.Directories)
	if err != nil {
		return layout{}, err
	}
	for _, path := range append(directories, working) {
		root, rest, err := p.in(path)
		if err != nil {
			return layout{}, err
		}
		if err := root.MkdirAll(rest, ownerOnly); err != nil {
			return layout{}, fmt.Errorf("cannot make a directory of the kind %q: %w", k.Name, err)
		}
	}
	for _, file := range k.Files {
		if err := furnishFile(file, v, p); err != nil {
			return layout{}, fmt.Errorf("cannot write a file of the kind %q: %w", k.Name, err)
		}
	}
	return layout{working: working}, nil
}

func furnishFile(file kind.File, v values, p place) error {
	path, err := v.expand(file.Path)
	if err != nil {
		return err
	}
	content, err := v.expand(file.Content)
	if err != nil {
		return err
	}
	root, rest, err := p.in(path)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(rest), ownerOnly); err != nil {
		return err
	}
	_ = root.Remove(rest) // so that the mode is ours, and no other name of the old file changes
	return root.WriteFile(rest, []byte(content), fileMode)
}
