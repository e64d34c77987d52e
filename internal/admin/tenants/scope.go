package tenants

import (
	"errors"
	"strings"

	"workspace-router/internal/workspace"
)

// tenant finds the tenant that the path names, by its id or its name. To whom neither belongs to it nor sees the whole
// installation, every tenant is forbidden, whether or not it is there.
func (a *API) tenant(c *call) (workspace.Tenant, error) {
	t, err := a.lookTenant(c)
	switch {
	case err == nil && (c.principal.BelongsTo(t.Name) || seesAll(c.principal)):
		return t, nil
	case err == nil || errors.Is(err, workspace.ErrTenantNotFound):
		if seesAll(c.principal) {
			return workspace.Tenant{}, workspace.ErrTenantNotFound
		}
		return workspace.Tenant{}, workspace.ErrTenantForbidden
	}
	return workspace.Tenant{}, err
}

func (a *API) lookTenant(c *call) (workspace.Tenant, error) {
	text := c.r.PathValue("tenant")
	t, err := a.deps.Directory.TenantByID(c.r.Context(), strings.ToLower(text))
	if !errors.Is(err, workspace.ErrTenantNotFound) {
		return t, err
	}
	name, err := workspace.ParseName(text)
	if err != nil {
		return workspace.Tenant{}, workspace.ErrTenantNotFound
	}
	return a.deps.Directory.Tenant(c.r.Context(), name)
}

// seesAll reports whether the principal may know of every tenant. It says nothing about their data.
func seesAll(p *workspace.Principal) bool { return p.MayEverywhere(workspace.ClusterOperate) }

// needs refuses who has neither the permission on the tenant nor operates the installation.
func (c *call) needs(t workspace.Tenant, permission workspace.Permission) error {
	if c.principal.MayInTenant(t.Name, permission) || c.principal.MayEverywhere(workspace.ClusterOperate) {
		return nil
	}
	return workspace.Denied(permission)
}

// base finds the knowledge base that the path names within the tenant, by its id or its name. One that is not there, one
// of another tenant and one that the principal may not see are the same answer.
func (a *API) base(c *call, t workspace.Tenant) (workspace.Workspace, error) {
	text := c.r.PathValue("kb")
	w, err := a.deps.Directory.LookupGeneration(c.r.Context(), workspace.Generation(strings.ToLower(text)))
	if errors.Is(err, workspace.ErrNotFound) {
		name, invalid := workspace.ParseName(text)
		if invalid != nil {
			return workspace.Workspace{}, workspace.ErrNotFound
		}
		w, err = a.deps.Directory.Lookup(c.r.Context(), t.Name, name)
	}
	switch {
	case err != nil:
		return workspace.Workspace{}, err
	case w.Tenant.Fold() != t.Name.Fold() || !c.sees(w.Ref):
		return workspace.Workspace{}, workspace.ErrNotFound
	case w.State == workspace.StateDeleted:
		return workspace.Workspace{}, workspace.ErrDeleted
	}
	return w, nil
}

func (c *call) sees(ref workspace.Ref) bool { return c.principal.Sees(ref) || seesAll(c.principal) }

// needsOn is needs for one knowledge base.
func (c *call) needsOn(ref workspace.Ref, permission workspace.Permission) error {
	if c.principal.May(ref, permission) || c.principal.MayEverywhere(workspace.ClusterOperate) {
		return nil
	}
	return workspace.Denied(permission)
}
