package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"workspace-router/internal/workspace"
)

const tenantQuery = "SELECT id, name, display_name, active, revision, created_at FROM tenants WHERE deleted_at IS NULL "

func scanTenant(row scanner) (t workspace.Tenant, err error) {
	var created sql.NullInt64
	err = row.Scan(&t.ID, &t.Name, &t.DisplayName, &t.Active, &t.Revision, &created)
	t.CreatedAt = moment(created)
	return t, err
}

// EnsureTenant gives the tenant of that name and makes it where it is missing.
func (c *Catalog) EnsureTenant(ctx context.Context, name workspace.Name) (t workspace.Tenant, err error) {
	t, _, err = c.CreateTenant(ctx, name, "")
	return t, err
}

// CreateTenant makes a tenant, whose display name is its name unless another is given. Where the name is in use it
// changes nothing and gives the tenant that has it, with created false.
func (c *Catalog) CreateTenant(ctx context.Context, name workspace.Name, displayName string) (t workspace.Tenant, created bool, err error) {
	what := fmt.Sprintf("make the tenant %q", name)
	if _, err := workspace.ParseName(string(name)); err != nil {
		return workspace.Tenant{}, false, fmt.Errorf("cannot %s: %w", what, err)
	}
	if displayName == "" {
		displayName = string(name)
	}
	err = c.update(ctx, what, c.resolved.forget, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO tenants (id, name, name_fold, display_name, active, created_at)
			VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (name_fold) DO NOTHING`,
			uuid.NewString(), name, name.Fold(), displayName, milliseconds(now()))
		if err != nil {
			return unavailable(what, err)
		}
		inserted, err := result.RowsAffected()
		if err != nil {
			return unavailable(what, err)
		}
		created = inserted == 1
		t, err = scanTenant(tx.QueryRowContext(ctx, tenantQuery+"AND name_fold = ?", name.Fold()))
		return unavailable(what, err)
	})
	if err != nil {
		return workspace.Tenant{}, false, err
	}
	return t, created, nil
}

// Tenant gives the tenant of that name, or workspace.ErrTenantNotFound.
func (c *Catalog) Tenant(ctx context.Context, name workspace.Name) (workspace.Tenant, error) {
	return c.tenant(ctx, c.reader, "AND name_fold = ?", name.Fold())
}

// TenantByID gives the tenant of that id, or workspace.ErrTenantNotFound.
func (c *Catalog) TenantByID(ctx context.Context, id string) (workspace.Tenant, error) {
	return c.tenant(ctx, c.reader, "AND id = ?", id)
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

func (c *Catalog) tenant(ctx context.Context, from queryer, where, value string) (workspace.Tenant, error) {
	t, err := scanTenant(from.QueryRowContext(ctx, tenantQuery+where, value))
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Tenant{}, fmt.Errorf("cannot find the tenant %q: %w", value, workspace.ErrTenantNotFound)
	}
	return t, unavailable(fmt.Sprintf("look up the tenant %q", value), err)
}

// Tenants lists all tenants by name.
func (c *Catalog) Tenants(ctx context.Context) ([]workspace.Tenant, error) {
	return collect(ctx, c.reader, "list the tenants", scanTenant, tenantQuery+"ORDER BY name_fold")
}

// ChangeTenant changes a tenant and gives it as it is then. One that was changed since its Revision was read is
// workspace.ErrChanged, one that is not there workspace.ErrTenantNotFound. From the moment of its return its workspaces
// are found suspended, or are no longer.
func (c *Catalog) ChangeTenant(ctx context.Context, id string, change workspace.Change) (t workspace.Tenant, err error) {
	what := fmt.Sprintf("change the tenant %q", id)
	err = c.update(ctx, what, c.resolved.forget, func(tx *sql.Tx) error {
		before, err := c.tenant(ctx, tx, "AND id = ?", id)
		if err != nil {
			return err
		}
		if change.Revision != 0 && change.Revision != before.Revision {
			return fmt.Errorf("cannot %s: %w: its revision is %d, not %d", what, workspace.ErrChanged, before.Revision, change.Revision)
		}
		if change.DisplayName != nil {
			before.DisplayName = *change.DisplayName
		}
		if change.Active != nil {
			before.Active = *change.Active
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tenants SET display_name = ?, active = ?, revision = revision + 1 WHERE id = ?",
			before.DisplayName, before.Active, id); err != nil {
			return unavailable(what, err)
		}
		t, err = c.tenant(ctx, tx, "AND id = ?", id)
		return err
	})
	return t, err
}

// DeleteTenant ends a tenant: its keys are revoked, its workspaces deleted, its name is free. It gives the workspaces that
// it deleted. The tenant "default" is workspace.ErrRefused; one that is not there workspace.ErrTenantNotFound.
func (c *Catalog) DeleteTenant(ctx context.Context, id string) (deleted []workspace.Ref, err error) {
	what := fmt.Sprintf("delete the tenant %q", id)
	changed := func() { c.resolved.forget(); c.keysChanged() }
	err = c.update(ctx, what, changed, func(tx *sql.Tx) error {
		t, err := c.tenant(ctx, tx, "AND id = ?", id)
		if err != nil {
			return err
		}
		if t.Name.Fold() == workspace.DefaultTenant.Fold() {
			return fmt.Errorf("cannot %s: %w: the tenant %q is always there", what, workspace.ErrRefused, t.Name)
		}
		if deleted, err = liveRefs(ctx, tx, id); err != nil {
			return unavailable(what, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM workspace_environment WHERE generation IN
			(SELECT generation FROM workspaces WHERE tenant_id = ?)`, id); err != nil {
			return unavailable(what, err)
		}
		at := milliseconds(now())
		for _, statement := range []string{
			"UPDATE workspaces SET state = 'deleted', deleted_at = COALESCE(deleted_at, ?) WHERE tenant_id = ?",
			"UPDATE keys SET revoked_at = COALESCE(revoked_at, ?) WHERE tenant_id = ?",
			"UPDATE tenants SET deleted_at = ?, revision = revision + 1, name_fold = name_fold || '#' || id WHERE id = ?",
		} {
			if _, err := tx.ExecContext(ctx, statement, at, id); err != nil {
				return unavailable(what, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

func liveRefs(ctx context.Context, tx *sql.Tx, tenantID string) (list []workspace.Ref, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT w.generation, t.name, w.name FROM workspaces w JOIN tenants t ON t.id = w.tenant_id
		WHERE w.tenant_id = ? AND w.state <> 'deleted' ORDER BY w.name_fold`, tenantID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		ref, err := scanRef(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, ref)
	}
	return list, rows.Err()
}

// querier is the database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
}

// collect runs a query and scans all its rows.
func collect[T any](ctx context.Context, db querier, what string, scan func(scanner) (T, error), query string, arguments ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, unavailable(what, err)
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, unavailable(what, err)
		}
		list = append(list, one)
	}
	return list, unavailable(what, rows.Err())
}
