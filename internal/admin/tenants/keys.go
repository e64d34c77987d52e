package tenants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Key is an API key as the API shows it. The names are part of the API.
type Key struct {
	ID          string     `json:"key_id"`
	Name        string     `json:"key_name"`
	Prefix      string     `json:"prefix"`
	TenantID    string     `json:"tenant_id"`
	Bases       []string   `json:"knowledge_base_ids"` // null: all of the tenant's
	Permissions []string   `json:"permissions"`
	Active      bool       `json:"is_active"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	RevokedAt   *time.Time `json:"revoked_at"`
	LastUsedAt  *time.Time `json:"last_used_at"`
	Secret      string     `json:"key,omitempty"` // in the answer that made it, and nowhere else
}

func shapeKey(t workspace.Tenant, k workspace.Key) Key {
	shape := Key{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, TenantID: t.ID, Permissions: []string{}, Active: k.ValidAt(time.Now()),
		CreatedAt: k.CreatedAt, ExpiresAt: optional(k.ExpiresAt), RevokedAt: optional(k.RevokedAt), LastUsedAt: optional(k.LastUsedAt),
	}
	for _, p := range k.Grant.Permissions.List() {
		shape.Permissions = append(shape.Permissions, p.String())
	}
	if k.Grant.Workspaces != nil {
		shape.Bases = []string{}
		for _, g := range k.Grant.Workspaces {
			shape.Bases = append(shape.Bases, string(g))
		}
	}
	return shape
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// keysTenant is the tenant, for who manages its keys. Operating the installation is not enough: keys open data.
func (a *API) keysTenant(c *call) (workspace.Tenant, error) {
	t, err := a.tenant(c)
	if err == nil && !c.principal.MayInTenant(t.Name, workspace.KeyManage) {
		err = workspace.Denied(workspace.KeyManage)
	}
	return t, err
}

// key is the tenant's key that the path names. Other tenants' keys are not there.
func (a *API) key(c *call) (t workspace.Tenant, k workspace.Key, err error) {
	if t, err = a.keysTenant(c); err != nil {
		return t, k, err
	}
	k, err = a.deps.Directory.KeyByID(c.r.Context(), c.r.PathValue("key"))
	if errors.Is(err, workspace.ErrNotFound) || err == nil && (k.Grant.AllTenants || k.Grant.Tenant.Fold() != t.Name.Fold()) {
		err = workspace.ErrKeyNotFound
	}
	return t, k, err
}

func (a *API) listKeys(c *call) error {
	t, err := a.keysTenant(c)
	if err != nil {
		return err
	}
	list, err := a.deps.Directory.TenantKeys(c.r.Context(), t.Name)
	if err != nil {
		return err
	}
	shapes := make([]Key, len(list))
	for i, k := range list {
		shapes[i] = shapeKey(t, k)
	}
	return writePage(c, shapes, map[string]func(Key) string{
		"key_name": func(k Key) string { return k.Name }, "created_at": func(k Key) string { return sortable(k.CreatedAt) },
	}, func(k Key) string { return k.Name + " " + k.ID })
}

func (a *API) showKey(c *call) error {
	t, k, err := a.key(c)
	if err != nil {
		return err
	}
	return c.succeed(http.StatusOK, shapeKey(t, k))
}

func (a *API) createKey(c *call) error {
	t, err := a.keysTenant(c)
	if err != nil {
		return err
	}
	var wanted struct {
		Name        string     `json:"key_name"`
		Bases       []string   `json:"knowledge_base_ids"`
		Permissions []string   `json:"permissions"`
		ExpiresAt   *time.Time `json:"expires_at"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	if err := displayName("key_name", wanted.Name); err != nil {
		return err
	}
	if wanted.ExpiresAt != nil && !wanted.ExpiresAt.After(time.Now()) {
		return fmt.Errorf("%w: expires_at: got %s, want a moment to come", problem.ErrBadRequest, wanted.ExpiresAt.Format(time.RFC3339))
	}
	grant := workspace.Grant{Tenant: t.Name}
	if grant.Permissions, err = c.mayGrant(t, wanted.Permissions); err != nil {
		return err
	}
	if grant.Workspaces, err = a.generations(c, t, wanted.Bases); err != nil {
		return err
	}
	secret, key, hash := a.deps.NewKey(wanted.Name, grant)
	if wanted.ExpiresAt != nil {
		key.ExpiresAt = wanted.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	if err := a.deps.Directory.CreateKey(c.r.Context(), key, hash); err != nil {
		return err
	}
	return c.showOnce(t, key, secret)
}

// showOnce answers with a new key and its secret. Where the request is sent again, the secret is not in the answer.
func (c *call) showOnce(t workspace.Tenant, key workspace.Key, secret string) error {
	again := shapeKey(t, key)
	first := again
	first.Secret = secret
	c.w.Header().Set("Location", Root+"/"+t.ID+"/api-keys/"+key.ID)
	return c.succeedOnce(http.StatusCreated, first, again)
}

// mayGrant reads permissions, and refuses those that the principal could not use itself: who manages keys must not be
// able to raise itself. The guardian of a tenant may grant whatever there is within it.
func (c *call) mayGrant(t workspace.Tenant, names []string) (set workspace.PermissionSet, err error) {
	if len(names) == 0 {
		return 0, fmt.Errorf("%w: permissions: want at least one, such as query:run", problem.ErrBadRequest)
	}
	held := c.principal.Held(t.Name)
	if held.Has(workspace.TenantAdmin) {
		held |= workspace.AllPermissions() &^ workspace.ClusterPermissions()
	}
	for _, name := range names {
		permission, err := workspace.ParsePermission(name)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%w: permissions: %w", problem.ErrBadRequest, err)
		case workspace.ClusterPermissions().Has(permission):
			return 0, fmt.Errorf("%w: permissions: %s is of the whole installation, and no tenant's key has it", problem.ErrBadRequest, permission)
		case !held.Has(permission):
			return 0, workspace.Denied(permission)
		}
		set |= workspace.Permissions(permission)
	}
	return set, nil
}

// generations reads ids or names of the tenant's knowledge bases; none given is all of them, now and later.
func (a *API) generations(c *call, t workspace.Tenant, given []string) ([]workspace.Generation, error) {
	if given == nil {
		return nil, nil
	}
	if len(given) == 0 {
		return nil, fmt.Errorf("%w: knowledge_base_ids: it is empty; leave it out for all, or name some", problem.ErrBadRequest)
	}
	list := []workspace.Generation{}
	for _, text := range given {
		w, err := a.baseOf(c.r.Context(), t, text)
		if err != nil {
			if errors.Is(err, workspace.ErrNotFound) {
				err = fmt.Errorf("%w: knowledge_base_ids: the tenant has no %q", problem.ErrBadRequest, text)
			}
			return nil, err
		}
		if !slices.Contains(list, w.Generation) {
			list = append(list, w.Generation)
		}
	}
	return list, nil
}

func (a *API) baseOf(ctx context.Context, t workspace.Tenant, text string) (workspace.Workspace, error) {
	w, err := a.deps.Directory.LookupGeneration(ctx, workspace.Generation(strings.ToLower(text)))
	if errors.Is(err, workspace.ErrNotFound) {
		name, invalid := workspace.ParseName(text)
		if invalid != nil {
			return w, err
		}
		w, err = a.deps.Directory.Lookup(ctx, t.Name, name)
	}
	if err == nil && (w.Tenant.Fold() != t.Name.Fold() || w.State == workspace.StateDeleted) {
		err = workspace.ErrNotFound
	}
	return w, err
}

// maxOverlap bounds for how long a key may stay valid beside its successor.
const maxOverlap = 30 * 24 * time.Hour

func (a *API) rotateKey(c *call) error {
	t, old, err := a.key(c)
	if err != nil {
		return err
	}
	var wanted struct {
		Overlap string `json:"overlap"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	overlap, err := time.ParseDuration(cmp.Or(wanted.Overlap, "24h"))
	if err != nil || overlap < 0 || overlap > maxOverlap {
		return fmt.Errorf("%w: overlap: got %q, want a duration from 0s to %v", problem.ErrBadRequest, wanted.Overlap, maxOverlap)
	}
	grant := old.Grant
	if grant.Permissions, err = c.mayGrant(t, shapeKey(t, old).Permissions); err != nil {
		return err
	}
	if grant.Workspaces != nil { // those that were deleted meanwhile are left behind
		grant.Workspaces = []workspace.Generation{}
		for _, generation := range old.Grant.Workspaces {
			if _, err := a.baseOf(c.r.Context(), t, string(generation)); err == nil {
				grant.Workspaces = append(grant.Workspaces, generation)
			} else if !errors.Is(err, workspace.ErrNotFound) {
				return err
			}
		}
	}
	secret, key, hash := a.deps.NewKey(old.Name, grant)
	key.ExpiresAt = old.ExpiresAt
	if err := a.deps.Directory.RotateKey(c.r.Context(), old.ID, key, hash, time.Now().Add(overlap)); err != nil {
		return err
	}
	if overlap == 0 {
		a.deps.Workers.CutKey(old.ID)
	}
	return c.showOnce(t, key, secret)
}

func (a *API) revokeKey(c *call) error {
	t, k, err := a.key(c)
	if err != nil {
		return err
	}
	if err := a.deps.Directory.RevokeKey(c.r.Context(), k.ID); err != nil {
		return err
	}
	a.deps.Workers.CutKey(k.ID)
	if k, err = a.deps.Directory.KeyByID(c.r.Context(), k.ID); err != nil {
		return err
	}
	return c.succeed(http.StatusOK, shapeKey(t, k))
}
