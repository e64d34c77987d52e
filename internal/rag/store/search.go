package store

import (
	"context"
	"fmt"
	"strings"
)

// Hit is a chunk that a search found, with its document.
type Hit struct {
	Chunk
	DocumentID string
	FilePath   string
	Score      float64 // of this search; higher is better
}

// ChunkID names the chunk outside of this store.
func (h Hit) ChunkID() string {
	return fmt.Sprintf("chunk-%s-%d", strings.TrimPrefix(h.DocumentID, "doc-"), h.Ordinal)
}

// headingWeight is how much more a word counts in a chunk's heading than in its text.
const headingWeight = 2.0

// hitColumns are a Hit's, of chunks c and documents d.
const hitColumns = "c.id, c.ordinal, c.heading, c.text, c.first_page, c.last_page, d.id, d.file_path"

// searched is the condition on d under which its chunks are found: all of them are there.
const searched = "d.status IN ('processing', 'processed')"

func (h *Hit) fields() []any {
	return []any{&h.ID, &h.Ordinal, &h.Heading, &h.Text, &h.FirstPage, &h.LastPage, &h.DocumentID, &h.FilePath}
}

// Search finds the chunks that hold any of the terms, best first by BM25. A term is matched as a phrase of the tokens
// that the index makes of it.
func (s *Store) Search(ctx context.Context, terms []string, limit int) ([]Hit, error) {
	if len(terms) == 0 {
		return nil, nil
	}
	quoted := make([]string, len(terms))
	for i, t := range terms {
		quoted[i] = phrase(t)
	}
	rows, err := s.reader.QueryContext(ctx, fmt.Sprintf(`
		SELECT %s, -p.score
		FROM (SELECT rowid, bm25(passages, %g, 1.0) AS score FROM passages WHERE passages MATCH ? ORDER BY score LIMIT ?) AS p
		JOIN chunks AS c ON c.id = p.rowid
		JOIN documents AS d ON d.seq = c.doc
		WHERE %s
		ORDER BY p.score, c.id`, hitColumns, headingWeight, searched), strings.Join(quoted, " OR "), limit)
	if err != nil {
		return nil, fmt.Errorf("cannot search: %w", err)
	}
	defer rows.Close()
	var hits []Hit
	for rows.Next() {
		var h Hit
		if err := rows.Scan(append(h.fields(), &h.Score)...); err != nil {
			return nil, fmt.Errorf("cannot read a hit: %w", err)
		}
		hits = append(hits, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot search: %w", err)
	}
	return hits, nil
}

// Frequencies says how many chunks hold each term, counting no further than atMost, and how many chunks there are.
func (s *Store) Frequencies(ctx context.Context, terms []string, atMost int) ([]int, int, error) {
	var total int
	if err := s.reader.QueryRowContext(ctx, "SELECT coalesce(sum(chunks), 0) FROM documents").Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("cannot count chunks: %w", err)
	}
	counts := make([]int, len(terms))
	for i, term := range terms {
		if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM passages WHERE passages MATCH ? LIMIT ?)",
			phrase(term), atMost).Scan(&counts[i]); err != nil {
			return nil, 0, fmt.Errorf("cannot count %q: %w", term, err)
		}
	}
	return counts, total, nil
}

// phrase quotes a term for the index's query language.
func phrase(term string) string { return `"` + strings.ReplaceAll(term, `"`, `""`) + `"` }
