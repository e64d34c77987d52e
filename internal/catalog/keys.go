package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/workspace"
)

const keyQuery = `SELECT k.id, k.prefix, k.name, k.all_tenants, COALESCE(t.name, ''), k.all_workspaces, k.permissions,
		k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
		COALESCE((SELECT group_concat(generation, ' ') FROM key_workspaces WHERE key_id = k.id), '')
	FROM keys k LEFT JOIN tenants t ON t.id = k.tenant_id `

func scanKey(row scanner) (k workspace.Key, err error) {
	var permissions, generations string
	var allWorkspaces bool
	var created, expires, revoked, used sql.NullInt64
	if err := row.Scan(&k.ID, &k.Prefix, &k.Name, &k.Grant.AllTenants, &k.Grant.Tenant, &allWorkspaces, &permissions,
		&created, &expires, &revoked, &used, &generations); err != nil {
		return k, err
	}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt = moment(created), moment(expires), moment(revoked), moment(used)
	if !allWorkspaces {
		k.Grant.Workspaces = []workspace.Generation{}
		for generation := range strings.FieldsSeq(generations) {
			k.Grant.Workspaces = append(k.Grant.Workspaces, workspace.Generation(generation))
		}
	}
	for name := range strings.FieldsSeq(permissions) {
		permission, err := workspace.ParsePermission(name)
		if err != nil {
			return k, fmt.Errorf("key %q: %w", k.ID, err)
		}
		k.Grant.Permissions |= workspace.Permissions(permission)
	}
	return k, nil
}

// KeysVersion counts up with every change of the keys' validity, also one whose commit failed and may have taken effect.
// Whoever remembers a verified key notes it before asking KeyByHash, and asks again once it differs.
func (c *Catalog) KeysVersion() uint64 { return c.keysVersion.Load() }

func (c *Catalog) keysChanged() { c.keysVersion.Add(1) }

// KeyByHash gives the key whose secret has this SHA-256, expired and revoked ones included, or workspace.ErrNotFound.
func (c *Catalog) KeyByHash(ctx context.Context, hash [sha256.Size]byte) (workspace.Key, error) {
	k, err := scanKey(c.reader.QueryRowContext(ctx, keyQuery+"WHERE k.hash = ?", hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Key{}, workspace.ErrNotFound
	}
	return k, unavailable("look up a key", err)
}

// KeyByID gives the key of an id, expired and revoked ones included, or workspace.ErrNotFound.
func (c *Catalog) KeyByID(ctx context.Context, id string) (workspace.Key, error) {
	k, err := scanKey(c.reader.QueryRowContext(ctx, keyQuery+"WHERE k.id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Key{}, workspace.ErrNotFound
	}
	return k, unavailable("look up a key", err)
}

// Keys lists all keys in the order in which they were made.
func (c *Catalog) Keys(ctx context.Context) ([]workspace.Key, error) {
	return collect(ctx, c.reader, "list the keys", scanKey, keyQuery+"ORDER BY k.created_at, k.id")
}

// CreateKey registers a key by the hash of its secret. An id or hash that is there already is workspace.ErrExists, a
// tenant of the grant that is not there workspace.ErrTenantNotFound, a workspace of it workspace.ErrNotFound.
func (c *Catalog) CreateKey(ctx context.Context, k workspace.Key, hash [sha256.Size]byte) error {
	what := fmt.Sprintf("make the key %q", k.ID)
	return c.update(ctx, what, c.keysChanged, func(tx *sql.Tx) error { return c.insertKey(ctx, tx, what, k, hash) })
}

func (c *Catalog) insertKey(ctx context.Context, tx *sql.Tx, what string, k workspace.Key, hash [sha256.Size]byte) error {
	var tenant sql.NullString
	if !k.Grant.AllTenants {
		owner, err := c.tenant(ctx, tx, "AND name_fold = ?", k.Grant.Tenant.Fold())
		if err != nil {
			return fmt.Errorf("cannot %s: %w", what, err)
		}
		tenant = sql.NullString{String: owner.ID, Valid: true}
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO keys
			(id, prefix, hash, name, all_tenants, tenant_id, all_workspaces, permissions, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		k.ID, k.Prefix, hash[:], k.Name, k.Grant.AllTenants, tenant, k.Grant.Workspaces == nil,
		permissionText(k.Grant.Permissions), milliseconds(k.CreatedAt), milliseconds(k.ExpiresAt))
	if err != nil {
		return unavailable(what, err)
	}
	if inserted, err := result.RowsAffected(); err != nil || inserted == 0 {
		return errors.Join(fmt.Errorf("cannot %s: %w", what, workspace.ErrExists), err)
	}
	return bindKey(ctx, tx, what, k)
}

func bindKey(ctx context.Context, tx *sql.Tx, what string, k workspace.Key) error {
	for _, generation := range slices.Compact(slices.Sorted(slices.Values(k.Grant.Workspaces))) {
		result, err := tx.ExecContext(ctx, `INSERT INTO key_workspaces (key_id, generation)
			SELECT ?, w.generation FROM workspaces w JOIN tenants t ON t.id = w.tenant_id
			WHERE w.generation = ? AND w.state <> 'deleted' AND (? OR t.name_fold = ?) ON CONFLICT DO NOTHING`,
			k.ID, string(generation), k.Grant.AllTenants, k.Grant.Tenant.Fold())
		if err != nil {
			return unavailable(what, err)
		}
		if bound, err := result.RowsAffected(); err != nil || bound == 0 {
			return errors.Join(fmt.Errorf("cannot %s: no workspace of generation %q: %w", what, generation, workspace.ErrNotFound), err)
		}
	}
	return nil
}

// TenantKeys lists the keys of one tenant in the order in which they were made.
func (c *Catalog) TenantKeys(ctx context.Context, tenant workspace.Name) ([]workspace.Key, error) {
	return collect(ctx, c.reader, "list the keys", scanKey, keyQuery+
		"WHERE k.all_tenants = 0 AND t.name_fold = ? ORDER BY k.created_at, k.id", tenant.Fold())
}

// RotateKey registers a key in the place of another, which stays valid until the moment given, or its own end if that
// comes first. The errors are those of CreateKey; an old one that is unknown, revoked or expired is
// workspace.ErrKeyNotFound.
func (c *Catalog) RotateKey(ctx context.Context, id string, successor workspace.Key, hash [sha256.Size]byte, until time.Time) error {
	what := fmt.Sprintf("rotate the key %q", id)
	return c.update(ctx, what, c.keysChanged, func(tx *sql.Tx) error {
		present := milliseconds(now())
		result, err := tx.ExecContext(ctx, `UPDATE keys SET expires_at = MIN(COALESCE(expires_at, ?1), ?1)
			WHERE id = ?2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)`, milliseconds(until), id, present)
		if err != nil {
			return unavailable(what, err)
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(fmt.Errorf("cannot %s: %w", what, workspace.ErrKeyNotFound), err)
		}
		return c.insertKey(ctx, tx, what, successor, hash)
	})
}

// RevokeKey ends a key from now on; doing it again changes nothing. An unknown id is workspace.ErrKeyNotFound.
func (c *Catalog) RevokeKey(ctx context.Context, id string) error {
	what := fmt.Sprintf("revoke the key %q", id)
	return c.update(ctx, what, c.keysChanged, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?", milliseconds(now()), id)
		if err != nil {
			return unavailable(what, err)
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(fmt.Errorf("cannot %s: %w", what, workspace.ErrKeyNotFound), err)
		}
		return nil
	})
}

// TouchKeys notes when keys were last used, by id. It does not change KeysVersion.
func (c *Catalog) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	return c.update(ctx, "note the use of keys", nil, func(tx *sql.Tx) error {
		for id, at := range used {
			if _, err := tx.ExecContext(ctx, "UPDATE keys SET last_used_at = ? WHERE id = ? AND COALESCE(last_used_at, 0) < ?",
				milliseconds(at), id, milliseconds(at)); err != nil {
				return unavailable("note the use of keys", err)
			}
		}
		return nil
	})
}

func permissionText(set workspace.PermissionSet) string {
	var names []string
	for _, p := range set.List() {
		names = append(names, p.String())
	}
	return strings.Join(names, " ")
}
