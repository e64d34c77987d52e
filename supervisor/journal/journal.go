// Package journal keeps the pool's events in files, so that they can be asked for after a restart. It owns one
// directory, whose files are append-only lines of JSON that only their owner may read, bounded in age and in size.
//
// It never holds up the pool: Run reads the pool's events as any other reader does, and is told where it was too slow.
// New starts nothing; Run is one goroutine. What cannot be written is counted, and an event of the type "missed" takes
// its place. A line that is torn by a crash is passed over.
package journal

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// Config says where events are kept, for how long and how many. Start from Defaults.
type Config struct {
	Dir       string        // made where it is missing, for its owner alone
	Keep      time.Duration // older events are not given any more, and removed with their file
	FileSize  int64         // bytes after which another file is begun; so is one every day
	TotalSize int64         // bytes of all files; the oldest are removed first
}

// Defaults keeps events for a week, in at most 64 MiB.
func Defaults(dir string) Config {
	return Config{Dir: dir, Keep: 7 * 24 * time.Hour, FileSize: 4 << 20, TotalSize: 64 << 20}
}

func (c *Config) check() error {
	var problems []error
	if c.Dir == "" {
		problems = append(problems, errors.New("the directory is missing"))
	}
	if c.Keep <= 0 {
		problems = append(problems, fmt.Errorf("the time to keep events: got %v, want more than 0", c.Keep))
	}
	if c.FileSize <= 0 {
		problems = append(problems, fmt.Errorf("the size of a file: got %d, want more than 0", c.FileSize))
	}
	if c.TotalSize < c.FileSize {
		problems = append(problems, fmt.Errorf("the size of all files: got %d, want that of one file, %d, or more", c.TotalSize, c.FileSize))
	}
	return errors.Join(problems...)
}

// Journal writes events and reads them back. Read may be called while Run writes.
type Journal struct {
	cfg Config
	log *zap.Logger
	now func() time.Time

	// Run's own.
	file   *os.File // nil before the first event, and after a failure
	size   int64
	opened time.Time
	torn   bool   // the file may end within a line
	lost   int    // events that could not be written since the last that was
	last   uint64 // the id of the last event that came
}

// New makes the directory. A nil logger logs nothing.
func New(cfg Config, logger *zap.Logger) (*Journal, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cannot make the journal: %w", err)
	}
	if logger == nil {
		logger = zap.NewNop()
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the journal's directory: %w", err)
	}
	return &Journal{cfg: cfg, log: logger, now: time.Now}, nil
}

// record is one line of a file.
type record struct {
	supervisor.Event
	Generation workspace.Generation `json:"generation,omitempty"`
}

// event gives the event back as the pool made it.
func (r *record) event() supervisor.Event {
	e := r.Event
	if r.Generation != "" {
		e.Ref = workspace.Ref{Tenant: workspace.Name(e.Tenant), Name: workspace.Name(e.Workspace), Generation: r.Generation}
	}
	return e
}
