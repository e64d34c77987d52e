package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"workspace-router/supervisor"
)

// fileAge is after how long another file is begun, so that old events go with their files.
const fileAge = 24 * time.Hour

// Source gives events in order, as a supervisor.Subscription does.
type Source interface {
	Next(ctx context.Context) (supervisor.Event, error)
}

// Run writes what the source gives until ctx ends, and then what the source gives without waiting. Let the pool end
// first, so that its last events are kept.
func (j *Journal) Run(ctx context.Context, source Source) error {
	defer j.close()
	j.prune()
	for {
		event, err := source.Next(ctx)
		if err != nil {
			<-ctx.Done() // where the pool has ended before
			return nil
		}
		j.keep(event)
	}
}

// keep writes one event, after a marker for those that could not be written before it.
func (j *Journal) keep(event supervisor.Event) {
	if j.lost > 0 {
		marker := supervisor.Event{ID: j.last, Time: event.Time, Type: supervisor.EventMissed, Count: j.lost}
		if j.write(marker) != nil {
			j.lost, j.last = j.lost+1, event.ID
			return
		}
		j.log.Info("events can be kept again", zap.Int("missed", j.lost))
		j.lost = 0
	}
	if err := j.write(event); err != nil {
		j.log.Error("cannot keep events", zap.Error(err)) // once, until it works again
		j.lost = 1
	}
	j.last = event.ID
}

// write appends one line.
func (j *Journal) write(event supervisor.Event) error {
	line, err := json.Marshal(record{Event: event, Generation: event.Ref.Generation})
	if err != nil {
		return err
	}
	if err := j.ready(event.ID); err != nil {
		return err
	}
	if j.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := j.file.Write(append(line, '\n'))
	j.size += int64(n)
	j.torn = err != nil
	if err != nil {
		j.close()
	}
	return err
}

// ready opens the file that the event with the id belongs into.
func (j *Journal) ready(id uint64) error {
	if j.file != nil && j.size < j.cfg.FileSize && j.now().Sub(j.opened) < fileAge {
		return nil
	}
	j.close()
	// Names sort as the events do. After a restart a new file is begun, so that a torn line stays where it is.
	name := filepath.Join(j.cfg.Dir, fmt.Sprintf("%020d%s", id, suffix))
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open a file for events: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("cannot open a file for events: %w", err)
	}
	j.file, j.size, j.opened = file, info.Size(), j.now()
	j.torn = info.Size() > 0
	j.prune()
	return nil
}

// close ends the file. What it holds survives the end of the process; a crash of the machine may take its last lines.
func (j *Journal) close() {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

// prune removes files whose events are too old, then the oldest ones until the rest may stay.
func (j *Journal) prune() {
	files, err := j.files()
	if err != nil {
		j.log.Warn("cannot list the files of events", zap.Error(err))
		return
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	for i, f := range files {
		current := j.file != nil && i == len(files)-1
		if current || total <= j.cfg.TotalSize && !f.changed.Before(j.now().Add(-j.cfg.Keep)) {
			return
		}
		if err := os.Remove(f.path); err != nil {
			j.log.Warn("cannot remove a file of events", zap.Error(err))
			return
		}
		total -= f.size
	}
}
