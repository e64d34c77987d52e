package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"workspace-router/configs"
	"workspace-router/supervisor/process"
)

const (
	closed    fs.FileMode = 0o700
	passable  fs.FileMode = 0o711 // by whoever knows what it looks for, and may read that
	forOthers fs.FileMode = 0o077
)

// ownUsers are those that workspaces get one each of. Only root can give them.
func ownUsers(config configs.Config) process.UIDs {
	first, last := config.Isolation.Range()
	return process.UIDs{First: first, Last: last}
}

// closeDataDir keeps others out of the data directory, whatever was there before. Where it is to be passed by the users of
// workspaces, or was until now, as workers of theirs may still run, each thing in it is closed by itself: they may pass to
// the directories of workspaces and launches, and to nothing else.
func closeDataDir(path string, enterable bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 || !enterable && info.Mode().Perm() != passable {
		return os.Chmod(path, closed)
	}
	unix.Umask(int(forOthers)) // what this process makes from now on is closed, too
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		mode := fs.FileMode(0)
		if name := entry.Name(); name == "workspaces" || name == "run" {
			mode = passable
		}
		if err := closeTo(filepath.Join(path, entry.Name()), mode); err != nil {
			return err
		}
	}
	return os.Chmod(path, passable)
}

// closeTo takes from a path what others may do beyond the given mode. Nothing is followed, and what has just gone is as
// good.
func closeTo(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode()&fs.ModeSymlink != 0 || info.Mode()&forOthers&^mode == 0 {
		return err
	}
	if err := os.Chmod(path, info.Mode().Perm()&^(forOthers&^mode)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
