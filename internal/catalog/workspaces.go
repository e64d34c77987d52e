package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"workspace-router/internal/workspace"
)

const workspaceQuery = `SELECT w.generation, t.name, w.name, w.display_name, w.kind, w.worker_name, w.state, w.idle_timeout_ms,
		w.resume, NOT t.active, w.revision, w.created_at
	FROM workspaces w JOIN tenants t ON t.id = w.tenant_id `

func scanWorkspace(row scanner) (w workspace.Workspace, err error) {
	var created, idle sql.NullInt64
	err = row.Scan(&w.Generation, &w.Tenant, &w.Name, &w.DisplayName, &w.Kind, &w.WorkerName, &w.State, &idle,
		&w.Resume, &w.Suspended, &w.Revision, &created)
	w.IdleTimeout, w.CreatedAt = idleTimeout(idle), moment(created)
	return w, err
}

// idleTimeout is what is stored, in the words of workspace.Workspace.
func idleTimeout(stored sql.NullInt64) time.Duration {
	switch {
	case !stored.Valid:
		return 0
	case stored.Int64 <= 0:
		return -1
	}
	return time.Duration(stored.Int64) * time.Millisecond
}

// storedIdleTimeout is the opposite. A part of a millisecond counts as a whole one, so that "soon" does not become "never".
func storedIdleTimeout(timeout time.Duration) sql.NullInt64 {
	whole := (timeout + time.Millisecond - 1) / time.Millisecond
	return sql.NullInt64{Int64: int64(max(0, whole)), Valid: timeout != 0}
}

// Lookup resolves a name within a tenant, without regard to case. Of a name that was deleted and not used again it
// gives the last workspace, whose State is StateDeleted. The error is workspace.ErrNotFound, or wraps
// workspace.ErrCatalogUnavailable. Known and unknown names are remembered alike, so that both cost the same.
func (c *Catalog) Lookup(ctx context.Context, tenant, name workspace.Name) (workspace.Workspace, error) {
	key := nameKey{tenant, name}
	w, known, hit := c.resolved.name(key)
	if !hit {
		version := c.resolved.begin()
		found, err := scanWorkspace(c.reader.QueryRowContext(ctx, workspaceQuery+`
			WHERE t.name_fold = ? AND w.name_fold = ?
			ORDER BY CASE w.state WHEN 'deleted' THEN 1 ELSE 0 END, w.deleted_at DESC LIMIT 1`, tenant.Fold(), name.Fold()))
		switch {
		case err == nil:
			w, known = &found, true
		case !errors.Is(err, sql.ErrNoRows):
			return workspace.Workspace{}, unavailable(fmt.Sprintf("look up the workspace %q", name), err)
		}
		c.resolved.fillName(version, key, w)
	}
	if !known {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	return *w, nil
}

// LookupGeneration gives the workspace of that generation, deleted ones included, with the errors of Lookup.
func (c *Catalog) LookupGeneration(ctx context.Context, generation workspace.Generation) (workspace.Workspace, error) {
	if w, hit := c.resolved.generation(generation); hit {
		return *w, nil
	}
	version := c.resolved.begin()
	w, err := scanWorkspace(c.reader.QueryRowContext(ctx, workspaceQuery+"WHERE w.generation = ?", string(generation)))
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	if err != nil {
		return workspace.Workspace{}, unavailable(fmt.Sprintf("look up the generation %q", generation), err)
	}
	c.resolved.fillGeneration(version, &w)
	return w, nil
}

// List gives the workspaces that are not deleted, of one tenant or, with an empty name, of all, by tenant and name.
func (c *Catalog) List(ctx context.Context, tenant workspace.Name) ([]workspace.Workspace, error) {
	return collect(ctx, c.reader, "list the workspaces", scanWorkspace, workspaceQuery+`
		WHERE w.state <> 'deleted' AND (? = '' OR t.name_fold = ?) ORDER BY t.name_fold, w.name_fold`, tenant.Fold(), tenant.Fold())
}

// NewWorkspace is what the maker of a workspace decides.
type NewWorkspace struct {
	Tenant      workspace.Name // must exist
	Name        workspace.Name
	DisplayName string // empty: the name
	Kind        string
	WorkerName  string        // empty: made from the generation
	IdleTimeout time.Duration // see workspace.Workspace
	Resume      string        // the same
	// Places are the kind's places that lie elsewhere than in the workspace's directory, by name, with absolute paths. A
	// workspace that has some is adopted data, and its WorkerName counts as it is, also where it is empty.
	Places map[string]string
}

// Create makes a workspace with a new generation. Where the name is in use it changes nothing and gives the workspace
// that has it, with created false: of any number who make one name at once, all get the same workspace and one is told
// that it made it. The tenant that does not exist is workspace.ErrTenantNotFound.
func (c *Catalog) Create(ctx context.Context, wanted NewWorkspace) (w workspace.Workspace, created bool, err error) {
	what := fmt.Sprintf("make the workspace %q", wanted.Name)
	if _, err := workspace.ParseName(string(wanted.Name)); err != nil {
		return workspace.Workspace{}, false, fmt.Errorf("cannot %s: %w", what, err)
	}
	changed := func() {
		if created {
			c.resolved.forget()
		}
	}
	err = c.update(ctx, what, changed, func(tx *sql.Tx) error {
		tenant, err := c.tenant(ctx, tx, "AND name_fold = ?", wanted.Tenant.Fold())
		if err != nil {
			return fmt.Errorf("cannot %s: %w", what, err)
		}
		created, err = insertWorkspace(ctx, tx, tenant.ID, wanted)
		if err != nil {
			return unavailable(what, err)
		}
		w, err = scanWorkspace(tx.QueryRowContext(ctx, workspaceQuery+
			"WHERE w.tenant_id = ? AND w.name_fold = ? AND w.state <> 'deleted'", tenant.ID, wanted.Name.Fold()))
		if created && err == nil {
			err = insertPlaces(ctx, tx, w.Generation, wanted.Places)
		}
		return unavailable(what, err)
	})
	if err != nil {
		return workspace.Workspace{}, false, err
	}
	return w, created, nil
}

// WorkspaceChange is what of a workspace may be changed; nil leaves it as it is.
type WorkspaceChange struct {
	DisplayName *string        // empty: the name
	IdleTimeout *time.Duration // see workspace.Workspace
	Resume      *string        // the same
}

// Update changes a workspace and gives it as it is then. One that is not there, or is deleted, is workspace.ErrNotFound.
func (c *Catalog) Update(ctx context.Context, generation workspace.Generation, change WorkspaceChange) (w workspace.Workspace, err error) {
	what := fmt.Sprintf("change the generation %q", generation)
	err = c.update(ctx, what, c.resolved.forget, func(tx *sql.Tx) error {
		w, err = scanWorkspace(tx.QueryRowContext(ctx, workspaceQuery+"WHERE w.generation = ? AND w.state <> 'deleted'", string(generation)))
		if errors.Is(err, sql.ErrNoRows) {
			return workspace.ErrNotFound
		}
		if err != nil {
			return unavailable(what, err)
		}
		if change.DisplayName != nil {
			if w.DisplayName = *change.DisplayName; w.DisplayName == "" {
				w.DisplayName = string(w.Name)
			}
		}
		stored := storedIdleTimeout(w.IdleTimeout)
		if change.IdleTimeout != nil {
			stored = storedIdleTimeout(*change.IdleTimeout)
			w.IdleTimeout = idleTimeout(stored)
		}
		if change.Resume != nil {
			w.Resume = *change.Resume
		}
		_, err := tx.ExecContext(ctx, "UPDATE workspaces SET display_name = ?, idle_timeout_ms = ?, resume = ? WHERE generation = ?",
			w.DisplayName, stored, w.Resume, string(generation))
		return unavailable(what, err)
	})
	if err != nil {
		return workspace.Workspace{}, err
	}
	return w, nil
}

// insertWorkspace inserts unless the name is in use; the unique index, not a look before, decides.
func insertWorkspace(ctx context.Context, tx *sql.Tx, tenantID string, wanted NewWorkspace) (created bool, err error) {
	generation := workspace.Generation(uuid.NewString())
	if wanted.WorkerName == "" && len(wanted.Places) == 0 {
		wanted.WorkerName = generation.WorkerName()
	}
	if wanted.DisplayName == "" {
		wanted.DisplayName = string(wanted.Name)
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO workspaces
		(generation, tenant_id, name, name_fold, display_name, kind, worker_name, state, idle_timeout_ms, resume, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, name_fold) WHERE state <> 'deleted' DO NOTHING`,
		string(generation), tenantID, string(wanted.Name), wanted.Name.Fold(), wanted.DisplayName, wanted.Kind,
		wanted.WorkerName, string(workspace.StateActive), storedIdleTimeout(wanted.IdleTimeout), wanted.Resume, milliseconds(now()))
	if err != nil {
		return false, err
	}
	inserted, err := result.RowsAffected()
	return inserted == 1, err
}

// ChangeWorkspace changes a workspace that is not deleted and gives it as it is then. One that was changed since its
// Revision was read is workspace.ErrChanged, one that is not there workspace.ErrNotFound.
func (c *Catalog) ChangeWorkspace(ctx context.Context, generation workspace.Generation, change workspace.Change) (w workspace.Workspace, err error) {
	what := fmt.Sprintf("change the generation %q", generation)
	const where = "WHERE w.generation = ? AND w.state <> 'deleted'"
	err = c.update(ctx, what, c.resolved.forget, func(tx *sql.Tx) error {
		w, err = scanWorkspace(tx.QueryRowContext(ctx, workspaceQuery+where, string(generation)))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("cannot %s: %w", what, workspace.ErrNotFound)
		case err != nil:
			return unavailable(what, err)
		case change.Revision != 0 && change.Revision != w.Revision:
			return fmt.Errorf("cannot %s: %w: its revision is %d, not %d", what, workspace.ErrChanged, w.Revision, change.Revision)
		}
		if change.DisplayName != nil {
			w.DisplayName = *change.DisplayName
		}
		w.Revision++
		_, err := tx.ExecContext(ctx, "UPDATE workspaces SET display_name = ?, revision = ? WHERE generation = ?",
			w.DisplayName, w.Revision, string(generation))
		return unavailable(what, err)
	})
	if err != nil {
		return workspace.Workspace{}, err
	}
	return w, nil
}

// MarkDeleted ends a workspace: its name is free from now on, its generation stays known as deleted. It does nothing to
// one that is deleted already; one that never was is workspace.ErrNotFound.
func (c *Catalog) MarkDeleted(ctx context.Context, generation workspace.Generation) error {
	what := fmt.Sprintf("delete the generation %q", generation)
	return c.update(ctx, what, c.resolved.forget, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE workspaces SET state = 'deleted', deleted_at = COALESCE(deleted_at, ?)
			WHERE generation = ?`, milliseconds(now()), string(generation))
		if err != nil {
			return unavailable(what, err)
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(workspace.ErrNotFound, err)
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM workspace_environment WHERE generation = ?", string(generation)) // it may hold secrets
		return unavailable(what, err)
	})
}
