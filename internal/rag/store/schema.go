package store

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations bring a file from version i to i+1; the version is SQLite's user_version. An entry is never changed once
// it is released.
var migrations = []string{`
CREATE TABLE documents (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT NOT NULL UNIQUE,
	origin     TEXT NOT NULL,
	file_path  TEXT NOT NULL,
	size       INTEGER NOT NULL,
	summary    TEXT NOT NULL DEFAULT '',
	length     INTEGER NOT NULL DEFAULT 0,
	status     TEXT NOT NULL,
	error      TEXT NOT NULL DEFAULT '',
	track_id   TEXT NOT NULL,
	chunks     INTEGER NOT NULL DEFAULT 0,
	embedded   INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX documents_upload ON documents (file_path) WHERE origin = 'upload';
CREATE INDEX documents_status ON documents (status, seq);
CREATE INDEX documents_track ON documents (track_id);
CREATE TABLE texts (
	doc     INTEGER PRIMARY KEY REFERENCES documents (seq) ON DELETE CASCADE,
	content TEXT NOT NULL
);
CREATE TABLE chunks (
	id         INTEGER PRIMARY KEY,
	doc        INTEGER NOT NULL REFERENCES documents (seq) ON DELETE CASCADE,
	ordinal    INTEGER NOT NULL,
	heading    TEXT NOT NULL,
	text       TEXT NOT NULL,
	first_page INTEGER NOT NULL,
	last_page  INTEGER NOT NULL,
	UNIQUE (doc, ordinal)
);
CREATE TABLE vectors (
	chunk     INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
	embedding BLOB NOT NULL
);
CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) WITHOUT ROWID;
-- The index keeps no text of its own: what is quoted comes from chunks, what is indexed is made from it.
CREATE VIRTUAL TABLE passages USING fts5 (
	heading, text, content = '', contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2'
);
-- Bytes that it gathers in memory before it writes; its own figure is eight times this.
INSERT INTO passages (passages, rank) VALUES ('hashsize', 131072);
`}

func (s *Store) migrate(ctx context.Context) error {
	var version int
	if err := s.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("it has version %d, this program knows %d: it was written by a newer one", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		err := s.write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("cannot migrate to version %d: %w", version+1, err)
		}
	}
	return nil
}
