package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"workspace-router/internal/workspace"
)

// SetPinned remembers that the workspace's worker is pinned, or that it is not. One that is pinned already keeps its
// time. A workspace that is not there, or is deleted, is workspace.ErrNotFound.
func (c *Catalog) SetPinned(ctx context.Context, generation workspace.Generation, pinned bool) error {
	what := fmt.Sprintf("pin the generation %q", generation)
	value, arguments := "COALESCE(pinned_at, ?)", []any{milliseconds(now()), string(generation)}
	if !pinned {
		what, value, arguments = "un"+what, "NULL", arguments[1:]
	}
	return c.update(ctx, what, nil, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE workspaces SET pinned_at = "+value+
			" WHERE generation = ? AND state <> 'deleted'", arguments...)
		if err != nil {
			return unavailable(what, err)
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(workspace.ErrNotFound, err)
		}
		return nil
	})
}

// Pins gives the workspaces whose workers are pinned, those first that have been for longest. What is deleted has no
// pin, whoever deleted it.
func (c *Catalog) Pins(ctx context.Context) ([]workspace.Ref, error) {
	return collect(ctx, c.reader, "list the pins", scanRef, `SELECT w.generation, t.name, w.name
		FROM workspaces w JOIN tenants t ON t.id = w.tenant_id
		WHERE w.pinned_at IS NOT NULL AND w.state <> 'deleted' ORDER BY w.pinned_at, w.rowid`)
}

func scanRef(row scanner) (ref workspace.Ref, err error) {
	err = row.Scan(&ref.Generation, &ref.Tenant, &ref.Name)
	return ref, err
}
