package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Origins of a document.
const (
	OriginUpload = "upload" // its original is a file in the input directory, under its file path
	OriginText   = "text"   // its original is in the database
)

// UnknownSource is the file path of a text that came without one; the name is LightRAG's.
const UnknownSource = "unknown_source"

var (
	// ErrNotFound means that there is no such document, or no longer.
	ErrNotFound = errors.New("no such document")
	// ErrStale means that the document is not in the status that the caller went by.
	ErrStale = errors.New("the document changed meanwhile")
)

// ExistsError means that a document with this name or content is already there.
type ExistsError struct{ Document Document }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("a document %q already exists (%s)", e.Document.FilePath, e.Document.Status)
}

// Document is what is known of one document.
type Document struct {
	Seq       int64 // order of arrival
	ID        string
	Origin    string
	FilePath  string // the name it came with
	Size      int64  // bytes of the original
	Summary   string // the beginning of its text
	Length    int    // characters of its text
	Status    Status
	Error     string
	TrackID   string // the request that brought it
	Chunks    int
	Embedded  int // chunks that have a vector
	CreatedAt time.Time
	UpdatedAt time.Time
}

const documentColumns = "seq, id, origin, file_path, size, summary, length, status, error, track_id, chunks, embedded, created_at, updated_at"

func scanDocument(row interface{ Scan(...any) error }) (Document, error) {
	var d Document
	var created, updated int64
	err := row.Scan(&d.Seq, &d.ID, &d.Origin, &d.FilePath, &d.Size, &d.Summary, &d.Length, &d.Status, &d.Error, &d.TrackID,
		&d.Chunks, &d.Embedded, &created, &updated)
	d.CreatedAt, d.UpdatedAt = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return d, err
}

// Add acknowledges a document: when it returns nil, the document is durable and will be processed. content is the text
// of a document of OriginText. place, if not nil, runs inside the transaction, after the name was found free; what it
// does must be durable when it returns. The error is *ExistsError when the id, or an upload's name, is taken.
func (s *Store) Add(ctx context.Context, d Document, content string, place func() error) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		taken, err := scanDocument(tx.QueryRowContext(ctx, "SELECT "+documentColumns+
			" FROM documents WHERE id = ?1 OR (origin = 'upload' AND ?2 = 'upload' AND file_path = ?3)", d.ID, d.Origin, d.FilePath))
		switch {
		case err == nil:
			return &ExistsError{Document: taken}
		case !errors.Is(err, ErrNotFound):
			return err
		}
		now := time.Now().UnixMicro()
		result, err := tx.ExecContext(ctx, `INSERT INTO documents (id, origin, file_path, size, summary, length, status, track_id,
			created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?)`,
			d.ID, d.Origin, d.FilePath, d.Size, d.Summary, d.Length, d.TrackID, now, now)
		if err != nil {
			return err
		}
		if d.Origin == OriginText {
			seq, err := result.LastInsertId()
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO texts (doc, content) VALUES (?, ?)", seq, content); err != nil {
				return err
			}
		}
		if place != nil {
			return place()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot add %q: %w", d.FilePath, err)
	}
	return nil
}

// Next is the document that the pipeline takes up next: the oldest unfinished one. The error is ErrNotFound if there is none.
func (s *Store) Next(ctx context.Context) (Document, error) {
	d, err := scanDocument(s.reader.QueryRowContext(ctx, "SELECT "+documentColumns+
		" FROM documents WHERE status IN ('pending', 'parsing', 'processing') ORDER BY seq LIMIT 1"))
	if err != nil {
		return d, fmt.Errorf("cannot find the next document: %w", err)
	}
	return d, nil
}

// Document is the document with this id. The error is ErrNotFound if there is none.
func (s *Store) Document(ctx context.Context, id string) (Document, error) {
	d, err := scanDocument(s.reader.QueryRowContext(ctx, "SELECT "+documentColumns+" FROM documents WHERE id = ?", id))
	if err != nil {
		return d, fmt.Errorf("cannot read document %q: %w", id, err)
	}
	return d, nil
}

// Text is the content of a document of OriginText.
func (s *Store) Text(ctx context.Context, seq int64) (string, error) {
	var content string
	err := s.reader.QueryRowContext(ctx, "SELECT content FROM texts WHERE doc = ?", seq).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the text: %w", err)
	}
	return content, nil
}

// Filter selects and orders documents.
type Filter struct {
	Statuses []Status // empty: all
	TrackID  string   // empty: all
	Sort     string   // created_at, updated_at, id, file_path; another counts as updated_at
	Asc      bool
	Limit    int // 0: all
	Offset   int
}

// Documents lists what the filter selects, and says how many there are without its limit.
func (s *Store) Documents(ctx context.Context, f Filter) ([]Document, int, error) {
	where, args := f.where()
	var total int
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM documents"+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("cannot count documents: %w", err)
	}
	query := "SELECT " + documentColumns + " FROM documents" + where + f.order()
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", f.Limit, f.Offset)
	}
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot list documents: %w", err)
	}
	defer rows.Close()
	var documents []Document
	for rows.Next() {
		d, err := scanDocument(rows)
		if err != nil {
			return nil, 0, fmt.Errorf("cannot list documents: %w", err)
		}
		documents = append(documents, d)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("cannot list documents: %w", err)
	}
	return documents, total, nil
}

func (f Filter) where() (string, []any) {
	var conditions []string
	var args []any
	if len(f.Statuses) > 0 {
		conditions = append(conditions, "status IN (?"+strings.Repeat(", ?", len(f.Statuses)-1)+")")
		for _, s := range f.Statuses {
			args = append(args, string(s))
		}
	}
	if f.TrackID != "" {
		conditions = append(conditions, "track_id = ?")
		args = append(args, f.TrackID)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

func (f Filter) order() string {
	column := "updated_at"
	switch f.Sort {
	case "created_at", "id", "file_path":
		column = f.Sort
	}
	if f.Asc {
		return " ORDER BY " + column + ", seq"
	}
	return " ORDER BY " + column + " DESC, seq DESC"
}

// Counts is the number of documents in each status; every status is there.
func (s *Store) Counts(ctx context.Context) (map[Status]int, error) {
	counts := make(map[Status]int)
	for _, status := range Statuses() {
		counts[status] = 0
	}
	rows, err := s.reader.QueryContext(ctx, "SELECT status, count(*) FROM documents GROUP BY status")
	if err != nil {
		return nil, fmt.Errorf("cannot count documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var status Status
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			return nil, fmt.Errorf("cannot count documents: %w", err)
		}
		counts[status] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot count documents: %w", err)
	}
	return counts, nil
}
