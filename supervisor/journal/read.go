package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"workspace-router/supervisor"
)

const suffix = ".jsonl"

// file is one file of events.
type file struct {
	path    string
	first   uint64 // the id of its first event
	size    int64
	changed time.Time
}

// files lists the files, the oldest first. Others that lie beside them are not the journal's.
func (j *Journal) files() ([]file, error) {
	entries, err := os.ReadDir(j.cfg.Dir) // sorted by name, and so by id
	if err != nil {
		return nil, err
	}
	var list []file
	for _, entry := range entries {
		digits, found := strings.CutSuffix(entry.Name(), suffix)
		first, err := strconv.ParseUint(digits, 10, 64)
		if !found || err != nil || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, file{filepath.Join(j.cfg.Dir, entry.Name()), first, info.Size(), info.ModTime()})
	}
	return list, nil
}

// Read gives the newest events that the query names, oldest first. What it holds in memory is what it gives, and one
// file. Events that could be read are given even with an error.
func (j *Journal) Read(query supervisor.EventQuery) ([]supervisor.Event, error) {
	files, err := j.files()
	if err != nil {
		return nil, fmt.Errorf("cannot list the files of events: %w", err)
	}
	var newest [][]supervisor.Event // by file, the newest first
	missing := query.Limit
	for i := len(files) - 1; i >= 0 && missing > 0; i-- {
		if files[i].first >= query.Before {
			continue
		}
		list, failure := j.readFile(files[i].path, query)
		err = errors.Join(err, failure)
		if len(list) > missing {
			list = list[len(list)-missing:]
		}
		missing -= len(list)
		newest = append(newest, list)
		if files[i].first <= query.After {
			break
		}
	}
	slices.Reverse(newest)
	return slices.Concat(newest...), err
}

func (j *Journal) readFile(path string, query supervisor.EventQuery) ([]supervisor.Event, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read events: %w", err)
	}
	oldest := j.now().Add(-j.cfg.Keep)
	var list []supervisor.Event
	for line := range bytes.Lines(content) {
		if !bytes.Contains(line, []byte(query.Generation)) { // most are of others, and parsing is what takes time
			continue
		}
		var r record
		if json.Unmarshal(line, &r) != nil {
			continue // torn
		}
		other := query.Generation != "" && r.Generation != query.Generation
		if other || r.ID <= query.After || r.ID >= query.Before || r.Time.Before(oldest) {
			continue
		}
		list = append(list, r.event())
	}
	return list, nil
}
