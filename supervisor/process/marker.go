package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

const (
	// markerName is the file that says whose data a directory holds: the workspace's generation. A name that is used
	// again has another one, so that it can never serve what the old workspace left.
	markerName = ".generation"
	markerTemp = ".generation.new"
	// maxMarker bounds what is read of it, in bytes. The directory is the worker's to write, and so is the file.
	maxMarker = 128
)

// claims knows which workspaces' directories are being made, and which markers may not be on the disk yet.
type claims struct {
	mu    sync.Mutex // guards what follows
	begun map[workspace.Generation]bool
	loose map[workspace.Generation]bool
}

func newClaims() *claims {
	return &claims{begun: map[workspace.Generation]bool{}, loose: map[workspace.Generation]bool{}}
}

// begin is false while an earlier preparation of the same generation has not returned, as where its disk hangs: each
// that waited as well would cost a goroutine, without end.
func (c *claims) begin(g workspace.Generation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun[g] {
		return false
	}
	c.begun[g] = true
	return true
}

func (c *claims) end(g workspace.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.begun, g)
}

func (c *claims) loosen(g workspace.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loose[g] = true
}

func (c *claims) isLoose(g workspace.Generation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loose[g]
}

func (c *claims) fasten(g workspace.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loose, g)
}

// claim checks the marker, and writes it where the directory holds nothing yet. A marker that it gives is open, and must
// be on the disk before the workspace serves; nil is there already.
func (d *Driver) claim(dir *os.Root, generation workspace.Generation) (*os.File, error) {
	marker, found, err := d.readMarker(dir)
	switch {
	case err == nil && found == generation && d.claims.isLoose(generation):
		return marker, nil
	case err == nil && found == generation:
		return nil, marker.Close()
	case err == nil && found == "":
		marker.Close()
		return nil, mismatch(fmt.Errorf("the marker %q in %q is empty: the machine went down while the workspace was started for the first time, "+
			"and nothing was served from it; remove the directory", markerName, dir.Name()))
	case err == nil:
		marker.Close()
		return nil, mismatch(fmt.Errorf("the directory %q belongs to generation %q, not to %q", dir.Name(), found, generation))
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("cannot read the workspace's marker: %w", err)
	}
	empty, err := d.isEmpty(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the workspace's directory: %w", err)
	}
	if !empty {
		return nil, mismatch(fmt.Errorf("the directory %q holds data, but no marker %q that says whose", dir.Name(), markerName))
	}
	d.claims.loosen(generation)
	if marker, err = d.writeMarker(dir, generation); err != nil {
		return nil, fmt.Errorf("cannot mark the workspace's directory: %w", err)
	}
	return marker, nil
}

func mismatch(err error) error { return &causeError{supervisor.CauseDirectoryMismatch, err} }

// readMarker reads the marker, which is empty where a crash came before it was on the disk. The file is open without an
// error only.
func (d *Driver) readMarker(dir *os.Root) (file *os.File, generation workspace.Generation, err error) {
	file, err = d.disk.openFile(dir, markerName)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	generation, err = readGeneration(file, 0)
	return file, generation, err
}

// readGeneration reads what a marker says. A worker may have put anything in its place: the file was opened without
// waiting for anybody, and no more is read of it than a generation's length.
func readGeneration(file *os.File, least int64) (workspace.Generation, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() > maxMarker || info.Size() < least:
		return "", mismatch(fmt.Errorf("%q is no marker: its mode is %v, its size %d bytes", file.Name(), info.Mode(), info.Size()))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxMarker))
	return workspace.Generation(strings.TrimSpace(string(text))), err
}

// isEmpty passes over the marker that a crash left half written.
func (d *Driver) isEmpty(dir *os.Root) (bool, error) {
	list, err := d.disk.openFile(dir, ".")
	if err != nil {
		return false, err
	}
	defer list.Close()
	const enough = 2 // of which one at most is passed over
	names, err := list.Readdirnames(enough)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return !slices.ContainsFunc(names, func(name string) bool { return name != markerTemp }), nil
}

// writeMarker puts the marker in place whole.
func (d *Driver) writeMarker(dir *os.Root, generation workspace.Generation) (file *os.File, err error) {
	if err := d.disk.clear(dir, markerTemp); err != nil { // whatever it is: opening a pipe would wait for its reader
		return nil, err
	}
	if file, err = d.disk.create(dir, markerTemp); err != nil {
		return nil, err
	}
	if err = d.disk.write(file, string(generation)+"\n"); err == nil {
		err = d.disk.rename(dir, markerTemp, markerName)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// hardening is a claim that is not on the disk yet, with what has to be synced for it: the marker, its directory and that
// directory's own entry.
type hardening struct {
	driver     *Driver
	generation workspace.Generation
	files      []*os.File
	begun      bool
}

// hardening opens what begin syncs.
func (d *Driver) hardening(generation workspace.Generation, marker *os.File, dir *os.Root, above string) (h *hardening, err error) {
	h = &hardening{driver: d, generation: generation, files: []*os.File{marker}}
	defer func() {
		if err != nil {
			h.drop()
			h, err = nil, fmt.Errorf("cannot mark the workspace's directory: %w", err)
		}
	}()
	parent, err := d.disk.openDir(above)
	if err != nil {
		return h, err
	}
	defer parent.Close()
	for _, holds := range []*os.Root{dir, parent} {
		file, err := d.disk.openFile(holds, ".")
		if err != nil {
			return h, err
		}
		h.files = append(h.files, file)
	}
	return h, nil
}

// begin syncs beside, while the worker starts; the channel gives one error, or nil. It is not done before the keeper has
// made its own files: while a file system writes out what it was told to, it lets others wait.
func (h *hardening) begin() <-chan error {
	if h == nil {
		return nil
	}
	done := make(chan error, 1)
	h.begun = true
	go func() { done <- h.sync() }()
	return done
}

func (h *hardening) sync() error {
	defer h.shut()
	for _, file := range h.files {
		if err := h.driver.disk.sync(file); err != nil {
			return fmt.Errorf("cannot mark the workspace's directory: %w", err)
		}
	}
	h.driver.claims.fasten(h.generation)
	return nil
}

// drop gives up what was not begun; the next start takes it up.
func (h *hardening) drop() {
	if h != nil && !h.begun {
		h.shut()
	}
}

func (h *hardening) shut() {
	for _, file := range h.files {
		file.Close()
	}
}
