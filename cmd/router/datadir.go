package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// longestDataPath leaves room for the longest socket below the directory, the keeper's, within the 107 bytes that the
// address of a Unix socket can hold.
const longestDataPath = 107 - len("/run/keeper.sock")

// dataDir is a data directory that this process alone may serve, until it is closed or the process ends.
type dataDir struct {
	path string // absolute
	lock *os.File
}

// openDataDir makes the directory where it is missing and takes its lock. Where another router holds it, the error names
// that router's pid. The lock of a router that hands itself over is inherited: both hold the same one, so that nobody
// else gets it in between, and it is free when both are gone. An enterable one lets the users of workspaces pass to their
// own.
func openDataDir(path string, inherited *os.File, enterable bool) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot find the data directory %q: %w", path, err)
	}
	if len(path) > longestDataPath {
		return nil, fmt.Errorf("data: the path %q has %d bytes, and the sockets below it allow %d; use a shorter --data", path, len(path), longestDataPath)
	}
	for _, dir := range []string{path, filepath.Join(path, "locks"), filepath.Join(path, "run"), filepath.Join(path, "logs"), filepath.Join(path, "workspaces")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the data directory %q: %w", path, err)
		}
	}
	if err := closeDataDir(path, enterable); err != nil {
		return nil, fmt.Errorf("cannot close the data directory %q to others: %w", path, err)
	}
	d := &dataDir{path: path}
	if d.lock, err = lockFile(path, inherited); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer d.lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot serve %q: the router with pid %s serves it already; stop that one, or give another --data", path, holder(d.lock))
		}
		return nil, fmt.Errorf("cannot lock the data directory %q: %w", path, err)
	}
	if inherited != nil {
		return d, nil // until the other one has given way, it is the one that serves
	}
	if err := d.claim(); err != nil {
		d.lock.Close()
		return nil, err
	}
	return d, nil
}

// lockFile opens the lock's file, or makes sure that the inherited one is it.
func lockFile(path string, inherited *os.File) (*os.File, error) {
	name := filepath.Join(path, "locks", "router")
	if inherited == nil {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot open the data directory's lock: %w", err)
		}
		return file, nil
	}
	want, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open the data directory's lock: %w", err)
	}
	got, err := inherited.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot use the lock of the router before: %w", err)
	}
	if !os.SameFile(want, got) {
		return nil, fmt.Errorf("data: cannot take %q over: the router before serves another directory; stop it first", path)
	}
	return inherited, nil
}

// claim writes into the lock's file who serves the directory.
func (d *dataDir) claim() error {
	if err := writeHolder(d.lock); err != nil {
		return fmt.Errorf("cannot write the data directory's lock: %w", err)
	}
	return nil
}

// join gives a path below the data directory.
func (d *dataDir) join(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// Close gives the lock back.
func (d *dataDir) Close() error { return d.lock.Close() }

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func holder(file io.ReaderAt) string {
	content, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if err != nil || len(content) == 0 {
		return "unknown"
	}
	return strings.TrimSpace(string(content))
}
