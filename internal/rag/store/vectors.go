package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// UseVectors says which embedding model the vectors are to be from; the empty name is none. When the store holds those
// of another, they are removed, and the documents that had them go back to processing. Without a model they are kept.
func (s *Store) UseVectors(ctx context.Context, model string) error {
	if model == "" {
		return nil
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		var current string
		err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'embedding'").Scan(&current)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if current != model {
			if _, err := tx.ExecContext(ctx, "DELETE FROM vectors"); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO meta (key, value) VALUES ('embedding', ?)", model); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE documents SET embedded = 0"); err != nil {
				return err
			}
		}
		// Also those that were indexed while there was no model.
		_, err = tx.ExecContext(ctx, "UPDATE documents SET status = 'processing', updated_at = ? WHERE status = 'processed' AND embedded < chunks",
			time.Now().UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot prepare the vectors of %q: %w", model, err)
	}
	return nil
}

// Bare lists chunks of a document that have no vector yet, in order.
func (s *Store) Bare(ctx context.Context, seq int64, limit int) ([]Chunk, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id, ordinal, heading, text, first_page, last_page FROM chunks
		WHERE doc = ? AND NOT EXISTS (SELECT 1 FROM vectors WHERE chunk = chunks.id) ORDER BY ordinal LIMIT ?`, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot list chunks without vectors: %w", err)
	}
	defer rows.Close()
	var chunks []Chunk
	for rows.Next() {
		var c Chunk
		if err := rows.Scan(&c.ID, &c.Ordinal, &c.Heading, &c.Text, &c.FirstPage, &c.LastPage); err != nil {
			return nil, fmt.Errorf("cannot list chunks without vectors: %w", err)
		}
		chunks = append(chunks, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot list chunks without vectors: %w", err)
	}
	return chunks, nil
}

// AddVectors stores the vectors of chunks of a document that is being processed. They have length 1.
func (s *Store) AddVectors(ctx context.Context, seq int64, chunks []Chunk, vectors [][]float32) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		current, err := status(ctx, tx, seq)
		if err != nil {
			return err
		}
		if current != Processing {
			return fmt.Errorf("it is %s: %w", current, ErrStale)
		}
		for i, c := range chunks {
			if _, err := tx.ExecContext(ctx, "INSERT INTO vectors (chunk, embedding) VALUES (?, ?)", c.ID, encode(vectors[i])); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE documents SET embedded = embedded + ?, updated_at = ? WHERE seq = ?",
			len(chunks), time.Now().UnixMicro(), seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot store vectors of document %d: %w", seq, err)
	}
	return nil
}

// Nearest finds the chunks whose vectors have the largest cosine with query, of length 1, and at least least. It looks at
// every vector, one at a time.
func (s *Store) Nearest(ctx context.Context, query []float32, limit int, least float64) ([]Hit, error) {
	best, err := s.nearest(ctx, query, limit, least)
	if err != nil {
		return nil, fmt.Errorf("cannot search vectors: %w", err)
	}
	hits := make([]Hit, 0, len(best))
	for _, b := range best {
		h := Hit{Score: b.cosine}
		err := s.reader.QueryRowContext(ctx, "SELECT "+hitColumns+" FROM chunks AS c JOIN documents AS d ON d.seq = c.doc WHERE c.id = ? AND "+
			searched, b.chunk).Scan(h.fields()...)
		if errors.Is(err, sql.ErrNoRows) { // deleted or failed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read a hit: %w", err)
		}
		hits = append(hits, h)
	}
	return hits, nil
}

type neighbour struct {
	chunk  int64
	cosine float64
}

func (s *Store) nearest(ctx context.Context, query []float32, limit int, least float64) ([]neighbour, error) {
	rows, err := s.reader.QueryContext(ctx, "SELECT chunk, embedding FROM vectors")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var best []neighbour // the largest cosine first
	var raw sql.RawBytes
	for rows.Next() {
		var n neighbour
		if err := rows.Scan(&n.chunk, &raw); err != nil {
			return nil, err
		}
		if len(raw) != 4*len(query) {
			return nil, fmt.Errorf("the vectors have %d dimensions, the question's has %d", len(raw)/4, len(query))
		}
		n.cosine = product(query, raw)
		if n.cosine < least || len(best) == limit && n.cosine <= best[limit-1].cosine {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, n, func(a, b neighbour) int { return cmp.Compare(b.cosine, a.cosine) })
		best = slices.Insert(best, at, n)
		best = best[:min(len(best), limit)]
	}
	return best, rows.Err()
}

func encode(v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return raw
}

// product is the scalar product of a vector and an encoded one of the same length.
func product(v []float32, raw []byte) float64 {
	var sum float32
	for i, x := range v {
		sum += x * math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return float64(sum)
}
