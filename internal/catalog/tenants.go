package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"workspace-router/internal/workspace"
)

const tenantColumns = "id, name, display_name, active, created_at"

func scanTenant(row scanner) (t workspace.Tenant, err error) {
	var created sql.NullInt64
	err = row.Scan(&t.ID, &t.Name, &t.DisplayName, &t.Active, &created)
	t.CreatedAt = moment(created)
	return t, err
}

// EnsureTenant gives the tenant of that name and makes it where it is missing.
func (c *Catalog) EnsureTenant(ctx context.Context, name workspace.Name) (t workspace.Tenant, err error) {
	what := fmt.Sprintf("make the tenant %q", name)
	err = c.update(ctx, what, nil, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tenants (id, name, name_fold, display_name, active, created_at)
			VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (name_fold) DO NOTHING`,
			uuid.NewString(), name, name.Fold(), name, milliseconds(now()))
		if err != nil {
			return unavailable(what, err)
		}
		t, err = scanTenant(tx.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE name_fold = ?", name.Fold()))
		return unavailable(what, err)
	})
	return t, err
}

// Tenant gives the tenant of that name, or workspace.ErrNotFound.
func (c *Catalog) Tenant(ctx context.Context, name workspace.Name) (workspace.Tenant, error) {
	t, err := scanTenant(c.reader.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE name_fold = ?", name.Fold()))
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Tenant{}, fmt.Errorf("cannot find the tenant %q: %w", name, workspace.ErrNotFound)
	}
	return t, unavailable(fmt.Sprintf("look up the tenant %q", name), err)
}

// Tenants lists all tenants by name.
func (c *Catalog) Tenants(ctx context.Context) ([]workspace.Tenant, error) {
	return collect(ctx, c.reader, "list the tenants", scanTenant, "SELECT "+tenantColumns+" FROM tenants ORDER BY name_fold")
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
