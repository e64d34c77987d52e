package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Begin takes a document up: it goes to parsing, and what an earlier, interrupted attempt left of it is removed.
func (s *Store) Begin(ctx context.Context, seq int64) error {
	return s.advance(ctx, seq, Parsing, "", func(tx *sql.Tx) error {
		if err := removeChunks(ctx, tx, seq); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE documents SET chunks = 0, embedded = 0, error = '' WHERE seq = ?", seq)
		return err
	})
}

// Describe notes what the extraction found: the beginning of the text and its length in characters.
func (s *Store) Describe(ctx context.Context, seq int64, summary string, length int) error {
	return s.advance(ctx, seq, Parsing, "", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE documents SET summary = ?, length = ? WHERE seq = ?", summary, length, seq)
		return err
	})
}

// Parsed says that all chunks are there.
func (s *Store) Parsed(ctx context.Context, seq int64) error {
	return s.advance(ctx, seq, Processing, "", nil)
}

// Finish says that nothing is left to do for the document.
func (s *Store) Finish(ctx context.Context, seq int64) error {
	return s.advance(ctx, seq, Processed, "", nil)
}

// Fail ends the attempt with its reason. What is there of the document stays until it is tried again or deleted, but no
// search finds it.
func (s *Store) Fail(ctx context.Context, seq int64, reason string) error {
	return s.advance(ctx, seq, Failed, reason, nil)
}

// Retry puts all failed documents back in the queue and says how many there were.
func (s *Store) Retry(ctx context.Context) (int, error) {
	result, err := s.writer.ExecContext(ctx, "UPDATE documents SET status = 'pending', error = '', updated_at = ? WHERE status = 'failed'",
		time.Now().UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("cannot retry: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// advance is the only place where a status changes. The error is ErrNotFound for a document that was deleted, ErrStale
// where the state machine has no such step.
func (s *Store) advance(ctx context.Context, seq int64, to Status, reason string, f func(*sql.Tx) error) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		from, err := status(ctx, tx, seq)
		if err != nil {
			return err
		}
		if !from.MayBecome(to) {
			return fmt.Errorf("it is %s: %w", from, ErrStale)
		}
		if f != nil {
			if err := f(tx); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE documents SET status = ?, error = ?, updated_at = ? WHERE seq = ?",
			string(to), reason, time.Now().UnixMicro(), seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot set document %d to %s: %w", seq, to, err)
	}
	return nil
}

func status(ctx context.Context, tx *sql.Tx, seq int64) (Status, error) {
	var status Status
	err := tx.QueryRowContext(ctx, "SELECT status FROM documents WHERE seq = ?", seq).Scan(&status)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return status, err
}
