package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"time"

	"workspace-router/internal/workspace"
)

// answersKept is for how long a request that is sent again gets the answer of the first time.
const answersKept = 24 * time.Hour

// BeginAnswer takes note that a request is being worked on, by the hash of all that identifies it. Where it was begun
// before, within a day, it gives what is known of its answer, and begun is false; another body than then is
// workspace.ErrRefused.
func (c *Catalog) BeginAnswer(ctx context.Context, id, bodyHash [sha256.Size]byte) (known workspace.Answer, begun bool, err error) {
	const what = "take note of a request"
	err = c.update(ctx, what, nil, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM answers WHERE created_at < ?", milliseconds(now().Add(-answersKept))); err != nil {
			return unavailable(what, err)
		}
		result, err := tx.ExecContext(ctx, "INSERT INTO answers (id, body_hash, created_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
			id[:], bodyHash[:], milliseconds(now()))
		if err != nil {
			return unavailable(what, err)
		}
		inserted, err := result.RowsAffected()
		if err != nil || inserted == 1 {
			begun = true
			return unavailable(what, err)
		}
		var before []byte
		var status sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT body_hash, status, answer FROM answers WHERE id = ?", id[:]).Scan(&before, &status, &known.Body); err != nil {
			return unavailable(what, err)
		}
		known.Status = int(status.Int64)
		if [sha256.Size]byte(before) != bodyHash {
			return fmt.Errorf("%w: this Idempotency-Key came with another body before", workspace.ErrRefused)
		}
		return nil
	})
	return known, begun && err == nil, err
}

// EndAnswer keeps the answer of a request that was begun; one with status 0 forgets the request, so that it may be tried
// again.
func (c *Catalog) EndAnswer(ctx context.Context, id [sha256.Size]byte, answer workspace.Answer) error {
	const what = "keep an answer"
	return c.update(ctx, what, nil, func(tx *sql.Tx) (err error) {
		if answer.Status == 0 {
			_, err = tx.ExecContext(ctx, "DELETE FROM answers WHERE id = ?", id[:])
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE answers SET status = ?, answer = ? WHERE id = ?", answer.Status, answer.Body, id[:])
		}
		return unavailable(what, err)
	})
}

// DeletedRefs gives the workspaces that are deleted, whose directories may still have to be put away.
func (c *Catalog) DeletedRefs(ctx context.Context) ([]workspace.Ref, error) {
	return collect(ctx, c.reader, "list the deleted workspaces", scanRef, `SELECT w.generation, t.name, w.name
		FROM workspaces w JOIN tenants t ON t.id = w.tenant_id WHERE w.state = 'deleted' ORDER BY w.deleted_at`)
}
