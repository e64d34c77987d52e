// Package catalog is the durable truth about tenants, workspaces and keys: an SQLite database with versioned
// migrations, one file per table. Of keys it keeps hashes only; the values of workspaces' environments, which an operator
// gives, are the one secret in it. It decides nothing about rights, and starts no goroutine of its own. Resolving a name that was resolved before costs a cache look-up; what the catalog changes
// itself is never served stale.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"workspace-router/internal/workspace"
)

// defaultCacheSize is how many resolved workspaces are kept; one takes about 300 bytes.
const defaultCacheSize = 16384

// Config says where the catalog is.
type Config struct {
	Path      string // the database file; made with mode 0600 where it is missing, its directory must exist
	CacheSize int    // resolved workspaces kept in memory; 0 is 16,384
}

// Catalog is safe for concurrent use.
type Catalog struct {
	writer      *sql.DB // one connection: writers queue here rather than in SQLite's busy handler
	reader      *sql.DB
	resolved    *resolver
	keysVersion atomic.Uint64
}

// Open opens the database, brings it to the current schema and makes sure of the tenant "default". It refuses a
// database that a newer version wrote. The caller closes the catalog.
func Open(ctx context.Context, config Config) (*Catalog, error) {
	if config.CacheSize == 0 {
		config.CacheSize = defaultCacheSize
	}
	resolved, err := newResolver(config.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open the catalog: %w", err)
	}
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the catalog %q: %w", config.Path, err)
	}
	// SQLite gives its -wal and -shm files the mode of the database itself.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the catalog: %w", err)
	}
	file.Close()
	c := &Catalog{resolved: resolved}
	if c.writer, err = connect(path, 1); err == nil {
		c.reader, err = connect(path, 4)
	}
	if err == nil {
		err = migrate(ctx, c.writer)
	}
	if err == nil {
		_, err = c.EnsureTenant(ctx, workspace.DefaultTenant)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot open the catalog %q: %w", path, err)
	}
	return c, nil
}

func connect(path string, connections int) (*sql.DB, error) {
	options := url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)",
	}, "_txlock": {"immediate"}}
	source := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// Close closes the database. The catalog cannot be used afterwards.
func (c *Catalog) Close() error {
	var list []error
	for _, db := range []*sql.DB{c.reader, c.writer} { // the writer last: it folds the write-ahead log in
		if db != nil {
			list = append(list, db.Close())
		}
	}
	return errors.Join(list...)
}

// Ping reports whether the database answers. The error wraps workspace.ErrCatalogUnavailable.
func (c *Catalog) Ping(ctx context.Context) error {
	var one int
	return unavailable("reach the catalog", c.reader.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

// update runs a transaction that may write. Once its commit was tried it calls changed, which may be nil: a commit that
// fails may have taken effect all the same, and nothing that was remembered before may outlive it.
func (c *Catalog) update(ctx context.Context, what string, changed func(), body func(*sql.Tx) error) error {
	tx, err := c.writer.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(what, err)
	}
	defer tx.Rollback()
	if err := body(tx); err != nil {
		return err
	}
	if changed != nil {
		defer changed()
	}
	return unavailable(what, tx.Commit())
}

// unavailable wraps what the database or the driver said. The caller's own cancellation stays recognisable.
func unavailable(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	return fmt.Errorf("cannot %s: %w: %w", what, workspace.ErrCatalogUnavailable, err)
}

// milliseconds is how a moment is stored; the zero moment is NULL.
func milliseconds(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}

// now is the present as it will be read back.
func now() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

// scanner is a row, or the current row of several.
type scanner interface{ Scan(...any) error }
