package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"workspace-router/internal/workspace"
)

// operates reports whether the principal may operate the workspace's worker.
func operates(p *workspace.Principal, ref workspace.Ref) bool {
	return p.May(ref, workspace.WorkspaceOperate) || p.MayEverywhere(workspace.ClusterOperate)
}

// operatesAny reports whether there can be a workspace that the principal operates.
func operatesAny(p *workspace.Principal) bool {
	return slices.ContainsFunc(p.Grants, func(g workspace.Grant) bool {
		return g.Permissions.Has(workspace.WorkspaceOperate) ||
			g.AllTenants && (g.Permissions.Has(workspace.ClusterOperate) || g.Permissions.Has(workspace.ClusterAdmin))
	})
}

// find resolves the workspace that the path names, as `name` or `tenant.name`. What the principal does not see is not
// there. A bare name is sought in the principal's tenants; who has all of them means the tenant "default".
func (a *Admin) find(c *call) (workspace.Workspace, error) {
	return a.resolve(c.r.Context(), c.principal, c.r.PathValue("workspace"))
}

func (a *Admin) resolve(ctx context.Context, p *workspace.Principal, text string) (workspace.Workspace, error) {
	tenant, name, err := workspace.ParseQualified(text)
	if err != nil {
		return workspace.Workspace{}, err
	}
	tenants := []workspace.Name{tenant}
	if tenant == "" {
		var all bool
		if tenants, all = p.Tenants(); all {
			tenants = []workspace.Name{workspace.DefaultTenant}
		}
	}
	var found []workspace.Workspace
	for _, tenant := range tenants {
		w, err := a.deps.Directory.Lookup(ctx, tenant, name)
		switch {
		case err == nil && (p.Sees(w.Ref) || operates(p, w.Ref)):
			found = append(found, w)
		case err != nil && !errors.Is(err, workspace.ErrNotFound):
			return workspace.Workspace{}, err
		}
	}
	if live := slices.DeleteFunc(slices.Clone(found), func(w workspace.Workspace) bool { return w.State == workspace.StateDeleted }); len(live) > 0 {
		found = live
	}
	switch {
	case len(found) == 0:
		return workspace.Workspace{}, workspace.ErrNotFound
	case len(found) > 1:
		names := make([]string, len(found))
		for i, w := range found {
			names[i] = string(w.Tenant) + "." + string(w.Name)
		}
		return workspace.Workspace{}, fmt.Errorf("%w: say which of %s", workspace.ErrAmbiguous, strings.Join(names, ", "))
	case found[0].State == workspace.StateDeleted:
		return workspace.Workspace{}, workspace.ErrDeleted
	}
	return found[0], nil
}

// operated is find for what needs the right to operate.
func (a *Admin) operated(c *call) (workspace.Workspace, error) {
	w, err := a.find(c)
	if err == nil && !operates(c.principal, w.Ref) {
		return workspace.Workspace{}, workspace.ErrPermissionDenied
	}
	return w, err
}
