// Package store keeps a workspace's documents, chunks and index in one SQLite file. It owns that file and the lock
// beside it; it never reads a document's original and never calls a model. It starts no goroutine.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	fileName     = "rag.db"
	lockName     = "rag.lock"
	readers      = 4
	busyTimeout  = 5 * time.Second
	writerCache  = -1024 // KiB, by SQLite's sign convention
	readerCache  = -512
	walSizeLimit = 4 << 20
)

// Store is an open workspace. It is safe for concurrent use.
type Store struct {
	dir     string
	lock    *os.File
	writer  *sql.DB // one connection: writers queue here instead of meeting SQLITE_BUSY
	reader  *sql.DB
	segment func(string) string
}

// Open takes the exclusive lock on dir and opens the database in it, both made if they are missing. segment rewrites a
// text before it is indexed; it must not change between two openings of one file. The error is ErrLocked when another
// process has the directory.
func Open(ctx context.Context, dir string, segment func(string) string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the working directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, lock: lock, segment: segment}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path := filepath.Join(s.dir, fileName)
	var err error
	if s.writer, err = sql.Open("sqlite", dsn(path, writerCache, "journal_mode(WAL)", "synchronous(FULL)",
		fmt.Sprintf("journal_size_limit(%d)", walSizeLimit))+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("cannot prepare %q: %w", path, err)
	}
	if s.reader, err = sql.Open("sqlite", dsn(path, readerCache, "query_only(true)")); err != nil {
		return fmt.Errorf("cannot open %q for reading: %w", path, err)
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(1)
	return nil
}

// Close writes the log back into the file and gives up the lock. The store is not used afterwards.
func (s *Store) Close() error {
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot close the store: %w", err)
	}
	return nil
}

// Release gives memory back that connections hold for later: those that are idle are closed. The next use opens them
// anew, in about a millisecond.
func (s *Store) Release() {
	for _, pool := range []*sql.DB{s.reader, s.writer} {
		pool.SetMaxIdleConns(0)
		pool.SetMaxIdleConns(1)
	}
}

// write runs f in a transaction that holds the database's only write lock. It is durable when write returns nil.
func (s *Store) write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot begin: %w", err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("cannot commit: %w", err)
	}
	return nil
}

func dsn(path string, cache int, pragmas ...string) string {
	values := url.Values{}
	values.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	values.Add("_pragma", fmt.Sprintf("cache_size(%d)", cache))
	values.Add("_pragma", "foreign_keys(true)")
	for _, p := range pragmas {
		values.Add("_pragma", p)
	}
	// A path may hold characters that mean something in a URI.
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: values.Encode()}).String()
}
