package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

const (
	ownerOnly = 0o700
	fileMode  = 0o600
)

// layout is what a launch finds on disk.
type layout struct {
	working string
	user    sandbox.User
	claim   *hardening // of the workspace's directory; nil where it is on the disk already
}

// layOut makes the workspace's directory, the launch's run directory and what the kind wants in them. It holds the
// generation's lock meanwhile: whatever of an earlier launch still lived would be written over otherwise.
func (d *Driver) layOut(k *kind.Kind, v values, r reach) (made layout, err error) {
	lock, err := d.disk.lock(d.data.GenerationLock(string(v.spec.Ref.Generation)))
	if err != nil {
		var locked *keeper.LockedError
		if errors.As(err, &locked) {
			return layout{}, &causeError{supervisor.CauseLocked, err}
		}
		return layout{}, err
	}
	defer lock.Close()
	dir, claim, err := d.openWorkspace(v)
	if err != nil {
		return layout{}, err
	}
	defer dir.Close()
	defer func() {
		if err != nil {
			claim.drop()
		}
	}()
	user, err := d.settle(k, v, r)
	if err != nil {
		return layout{}, err
	}
	run, err := d.openRun(v.run, user.ID)
	if err != nil {
		return layout{}, err
	}
	defer run.Close()
	working, err := d.furnish(k, v, place{roots: map[string]*os.Root{v.dir: dir, v.run: run}, user: user.ID})
	return layout{working: working, user: user, claim: claim}, err
}

// openWorkspace makes the workspace's data directory, or checks that the one that is there is this generation's.
func (d *Driver) openWorkspace(v values) (dir *os.Root, claim *hardening, err error) {
	above := filepath.Dir(v.dir)
	if err := d.disk.mkdir(above); err != nil {
		return nil, nil, fmt.Errorf("cannot make the directory of workspaces: %w", err)
	}
	if err := d.disk.mkdir(v.dir); err != nil {
		return nil, nil, fmt.Errorf("cannot make the workspace's directory: %w", err)
	}
	if dir, err = d.disk.openDir(v.dir); err != nil {
		return nil, nil, fmt.Errorf("cannot open the workspace's directory: %w", err)
	}
	defer func() {
		if err != nil {
			dir.Close()
		}
	}()
	marker, err := d.claim(dir, v.spec.Ref.Generation)
	if marker == nil || err != nil {
		return dir, nil, err
	}
	claim, err = d.hardening(v.spec.Ref.Generation, marker, dir, above)
	return dir, claim, err
}

// openRun makes the launch's own directory. One that is there is a leftover: no live launch has this id.
func (d *Driver) openRun(path string, user int) (*os.Root, error) {
	if err := d.disk.remove(path); err != nil {
		return nil, fmt.Errorf("cannot clear the run directory: %w", err)
	}
	for _, dir := range []string{filepath.Dir(path), path, temporary(path)} {
		if err := d.disk.mkdir(dir); err != nil {
			return nil, fmt.Errorf("cannot make the run directory: %w", err)
		}
	}
	root, err := d.disk.openDir(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the run directory: %w", err)
	}
	if user == 0 {
		return root, nil
	}
	err = d.disk.give(root, filepath.Base(temporary(path)), user)
	if err == nil {
		err = d.disk.give(root, ".", user)
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("cannot give the run directory to user %d: %w", user, err)
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
// What is made there belongs to the user; 0 is this process's.
type place struct {
	roots map[string]*os.Root
	user  int
}

// in finds the directory that holds path, and the rest of it.
func (p place) in(path string) (*os.Root, string, error) {
	for base, root := range p.roots {
		if rest, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rest) {
			return root, rest, nil
		}
	}
	return nil, "", fmt.Errorf("cannot use %q: it is neither in the workspace's directory nor in the launch's", path)
}

// furnish makes the directories and files of a kind, and gives the working directory.
func (d *Driver) furnish(k *kind.Kind, v values, p place) (working string, err error) {
	working = v.run
	if dir := k.Processes[0].Dir; dir != "" {
		if working, err = v.expand(dir); err != nil {
			return "", err
		}
	}
	directories, err := v.expandAll(v.directories())
	if err != nil {
		return "", err
	}
	for _, path := range append(directories, working) {
		root, rest, err := p.in(path)
		if err != nil {
			return "", err
		}
		if err := d.makeFor(p.user, root, rest); err != nil {
			return "", fmt.Errorf("cannot make a directory of the kind %q: %w", k.Name, err)
		}
	}
	for _, file := range k.Files {
		if err := d.furnishFile(file, v, p); err != nil {
			return "", fmt.Errorf("cannot write a file of the kind %q: %w", k.Name, err)
		}
	}
	return working, nil
}

func (d *Driver) furnishFile(file kind.File, v values, p place) error {
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
	if err := d.makeFor(p.user, root, filepath.Dir(rest)); err != nil {
		return err
	}
	if err := d.disk.unlink(root, rest); err != nil { // so that the mode is ours, and no other name of the old file changes
		return err
	}
	made, err := d.disk.create(root, rest)
	if err != nil {
		return err
	}
	err = errors.Join(d.disk.write(made, content), made.Close())
	if err == nil && p.user != 0 {
		err = d.disk.give(root, rest, p.user)
	}
	return err
}

// makeFor makes a directory and those above it, as the user's.
func (d *Driver) makeFor(user int, root *os.Root, name string) error {
	if err := d.disk.mkdirs(root, name); err != nil || user == 0 {
		return err
	}
	for ; name != "."; name = filepath.Dir(name) {
		if err := d.disk.give(root, name, user); err != nil {
			return err
		}
	}
	return nil
}
