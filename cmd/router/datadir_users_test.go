package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A data directory that users of workspaces may pass shows them nothing but what is theirs, whatever its files' modes were.
func TestOpenDataDir_ForUsersOfWorkspaces(t *testing.T) { //nolint:paralleltest // it changes the process's umask
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	path := filepath.Join(shortDir(t), "data")
	if err := errors.Join(os.MkdirAll(filepath.Join(path, "trash"), 0o755), os.MkdirAll(filepath.Join(path, "workspaces/alpha"), 0o700),
		os.WriteFile(filepath.Join(path, "catalog.db"), nil, 0o644), os.Symlink("/etc/passwd", filepath.Join(path, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, enterable := range []bool{true, false, true} { // workers of before may still run where it is no more
		d, err := openDataDir(path, nil, enterable)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		want := map[string]fs.FileMode{"": passable, "trash": closed, "workspaces/alpha": closed, "catalog.db": 0o600, "locks": closed, "locks/router": 0o600, "logs": closed}
		if os.Geteuid() != 0 {
			want[""] = closed // nobody else's can be there
			delete(want, "trash")
			delete(want, "catalog.db")
		}
		for name, mode := range want {
			if info, err := os.Stat(filepath.Join(path, name)); err != nil || info.Mode().Perm() != mode {
				t.Errorf("enterable %v: %q has %v, %v, want %v", enterable, name, info.Mode(), err, mode)
			}
		}
	}
	if info, err := os.Stat("/etc/passwd"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a link was followed: %v %v", info.Mode(), err)
	}
	fresh, err := openDataDir(filepath.Join(shortDir(t), "data"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if info, err := os.Stat(fresh.path); err != nil || info.Mode().Perm() != closed {
		t.Errorf("a directory that nobody is to pass: %v %v", info.Mode(), err)
	}
}
