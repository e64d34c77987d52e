package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// How often files are looked at, for how long a changed one must be left alone before it is read, and for how long at
// most that is waited for. Looking works where a notification does not: on bind mounts and network file systems, and
// where a directory's link is replaced, as Kubernetes does with the files of a ConfigMap.
const (
	watchEvery  = 2 * time.Second
	settleFor   = 500 * time.Millisecond
	settleBound = 10 * time.Second
)

// watcher decides when files that changed should be read. It belongs to one goroutine.
type watcher struct {
	look    func(path string) string // what is seen of a file; another text is another file
	known   map[string]string        // as it was when the files were last read
	seen    map[string]string        // as it was at the last look; nil while nothing has changed
	changed time.Time                // when the change was first seen
}

// read notes that the files are being read now.
func (w *watcher) read(files []string) { w.known, w.seen = w.lookAll(files), nil }

func (w *watcher) lookAll(files []string) map[string]string {
	sight := make(map[string]string, len(files))
	for _, path := range files {
		sight[path] = w.look(path)
	}
	return sight
}

// files are those that are watched.
func (w *watcher) files() []string { return slices.Sorted(maps.Keys(w.known)) }

// forget stops watching all but these.
func (w *watcher) forget(but []string) {
	maps.DeleteFunc(w.known, func(path, _ string) bool { return !slices.Contains(but, path) })
}

// check looks. It reports whether the files should be read now, and when to look again.
func (w *watcher) check(now time.Time) (due bool, again time.Duration) {
	sight := make(map[string]string, len(w.known))
	for path := range w.known {
		sight[path] = w.look(path)
	}
	switch {
	case maps.Equal(sight, w.known): // also when a change was taken back
		w.seen = nil
		return false, watchEvery
	case w.seen == nil:
		w.seen, w.changed = sight, now
		return false, settleFor
	case !maps.Equal(sight, w.seen) && now.Sub(w.changed) < settleBound:
		w.seen = sight
		return false, settleFor
	}
	return true, watchEvery
}

// sight is what tells a file from what it was: where it is after all links, and when it was last written.
func sight(path string) string {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return (&os.PathError{Op: "stat", Path: path, Err: err}).Error()
	}
	return fmt.Sprint(stat.Dev, stat.Ino, stat.Size, stat.Mtim.Nano(), stat.Ctim.Nano())
}
