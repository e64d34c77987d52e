package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Chunk is one passage of a document.
type Chunk struct {
	ID        int64 // the store's; 0 before it is stored
	Ordinal   int   // place in the document, from 0
	Heading   string
	Text      string
	FirstPage int // from 1; 0 where the format has no pages
	LastPage  int
}

// AddChunks appends chunks to a document that is being parsed. name is indexed with each chunk's heading.
func (s *Store) AddChunks(ctx context.Context, seq int64, name string, chunks []Chunk) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		current, err := status(ctx, tx, seq)
		if err != nil {
			return err
		}
		if current != Parsing {
			return fmt.Errorf("it is %s: %w", current, ErrStale)
		}
		insert, err := tx.PrepareContext(ctx, "INSERT INTO chunks (doc, ordinal, heading, text, first_page, last_page) VALUES (?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		index, err := tx.PrepareContext(ctx, "INSERT INTO passages (rowid, heading, text) VALUES (?, ?, ?)")
		if err != nil {
			return err
		}
		defer index.Close()
		for _, c := range chunks {
			result, err := insert.ExecContext(ctx, seq, c.Ordinal, c.Heading, c.Text, c.FirstPage, c.LastPage)
			if err != nil {
				return err
			}
			id, err := result.LastInsertId()
			if err != nil {
				return err
			}
			if _, err := index.ExecContext(ctx, id, s.segment(name+" "+c.Heading), s.segment(c.Text)); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE documents SET chunks = chunks + ?, updated_at = ? WHERE seq = ?",
			len(chunks), time.Now().UnixMicro(), seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot store chunks of document %d: %w", seq, err)
	}
	return nil
}

// removeChunks removes a document's chunks with their vectors and index entries.
func removeChunks(ctx context.Context, tx *sql.Tx, seq int64) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM passages WHERE rowid IN (SELECT id FROM chunks WHERE doc = ?)", seq); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM chunks WHERE doc = ?", seq)
	return err
}

// Delete removes a document and all that was made from it. discard, if not nil, removes its original; it runs inside the
// transaction, so that no document of the same name can come before it. The error is ErrNotFound if there is none.
func (s *Store) Delete(ctx context.Context, id string, discard func(Document) error) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		d, err := scanDocument(tx.QueryRowContext(ctx, "SELECT "+documentColumns+" FROM documents WHERE id = ?", id))
		if err != nil {
			return err
		}
		if err := removeChunks(ctx, tx, d.Seq); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM documents WHERE seq = ?", d.Seq); err != nil {
			return err
		}
		if discard != nil {
			return discard(d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot delete document %q: %w", id, err)
	}
	return nil
}
