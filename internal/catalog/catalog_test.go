package catalog

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"workspace-router/internal/workspace"
)

// open gives a fresh catalog that is closed with the test.
func open(tb testing.TB) *Catalog {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "catalog.db"))
}

func openAt(tb testing.TB, path string) *Catalog {
	tb.Helper()
	c, err := Open(tb.Context(), Config{Path: path})
	if err != nil {
		tb.Fatalf("cannot open the catalog: %v", err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func TestOpen_MakesAPrivateFileWithTheDefaultTenant(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?c#d%.db") // what an URL would read differently
	c := openAt(t, path)
	if _, err := c.Tenant(t.Context(), workspace.DefaultTenant); err != nil {
		t.Errorf("the tenant default: %v", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", info.Name(), mode)
		}
	}
}

func TestOpen_SetsTheDatabaseUpForSafety(t *testing.T) {
	t.Parallel()
	c := open(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		for name, db := range map[string]*sql.DB{"writer": c.writer, "reader": c.reader} {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: PRAGMA %s is %q (%v), want %q", name, pragma, got, err, want)
			}
		}
	}
}

func TestOpen_KeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	first := openAt(t, path)
	before, _, err := first.Create(t.Context(), NewWorkspace{Tenant: "default", Name: "alpha", Kind: "embedded"})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := openAt(t, path).Lookup(t.Context(), "default", "alpha")
	if err != nil || after != before {
		t.Errorf("after opening again: %+v, %v; want %+v", after, err, before)
	}
}

func TestOpen_RefusesANewerSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	if _, err := c.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if again, err := Open(t.Context(), Config{Path: path}); err == nil {
		again.Close()
		t.Fatal("a catalog of a newer version was opened")
	}
}

func TestOpen_RefusesWhatIsNoDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	if err := os.WriteFile(path, []byte("this is a text file, and long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Open(t.Context(), Config{Path: path}); err == nil {
		c.Close()
		t.Fatal("a text file was opened as a catalog")
	}
}

func TestCatalog_ErrorsTellTheDatabaseFromTheCaller(t *testing.T) {
	t.Parallel()
	c := open(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ping(cancelled); !errors.Is(err, context.Canceled) || errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("with a cancelled context: %v, want context.Canceled alone", err)
	}
	c.Close()
	if err := c.Ping(t.Context()); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("with a closed database: %v, want ErrCatalogUnavailable", err)
	}
	if _, err := c.Lookup(t.Context(), "default", "alpha"); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("look-up with a closed database: %v, want ErrCatalogUnavailable", err)
	}
}
