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

// longestDataPath leaves room for the longest socket below the directory, run/{launch}/s, within the 107 bytes that the
// address of a Unix socket can hold.
const longestDataPath = 107 - len("/run/01234567/s")

// dataDir is a data directory that this process alone may serve, until it is closed or the process ends.
type dataDir struct {
	path string // absolute
	lock *os.File
}

// openDataDir makes the directory where it is missing and takes its lock. Where another router holds it, the error names
// that router's pid.
func openDataDir(path string) (*dataDir, error) {
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
	// A directory that others may enter would show them the sockets and the workspaces below it.
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("cannot close the data directory %q to others: %w", path, err)
	}
	file, err := os.OpenFile(filepath.Join(path, "locks", "router"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the data directory's lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot serve %q: the router with pid %s serves it already; stop that one, or give another --data", path, holder(file))
		}
		return nil, fmt.Errorf("cannot lock the data directory %q: %w", path, err)
	}
	if err := writeHolder(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot write the data directory's lock: %w", err)
	}
	return &dataDir{path: path, lock: file}, nil
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
