package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
)

// selectWorkspace finds the workspace that the request is for: by its listener, host, path or headers, which must agree,
// else by what implies one. What it finds is visible to the principal.
func (c *chain) selectWorkspace(x *exchange) error {
	var named selectors
	err := c.readSelectors(x, &named)
	switch {
	case err != nil:
		return err
	case x.inPath && x.path.Raw == "":
		redirectToRoot(x, x.pathName)
		return nil
	case named.n == 0:
		x.workspace, err = c.selectImplied(x)
	default:
		x.explicit = true
		err = c.selectNamed(x, &named)
	}
	if err == nil && c.Projects != nil && x.principal.Type == workspace.PrincipalAnonymous && x.workspace.Kind != x.settings.DefaultKind {
		err = workspace.ErrNotFound // without a credential there are projects only
	}
	if err != nil {
		x.workspace = workspace.Workspace{} // nor is it named
		return err
	}
	x.record.Tenant, x.record.Workspace = string(x.workspace.Tenant), string(x.workspace.Name)
	if x.inPath {
		x.record.Path = telemetry.SafePath(x.path.Decoded)
	}
	return nil
}

// selectNamed finds what the first selector names. The others may say the same again, but nothing else.
func (c *chain) selectNamed(x *exchange, named *selectors) error {
	first := named.list[0]
	found, err := c.find(x, first)
	if err != nil {
		return err
	}
	for _, other := range named.list[1:named.n] {
		if !first.same(other) && !c.agrees(x, first, other, found.Ref) {
			return conflict(first, other)
		}
	}
	x.workspace = found
	return nil
}

// agrees reports whether a further selector means the workspace that the first one led to.
func (c *chain) agrees(x *exchange, first, other selector, ref workspace.Ref) bool {
	switch {
	case other.name.Fold() != ref.Name.Fold():
		return false
	case other.tenant != "":
		return other.tenant.Fold() == ref.Tenant.Fold()
	case first.settlesTenant():
		return true
	}
	w, err := c.look(x, other, x.candidates(other)) // a bare name means what it would mean alone
	return err == nil && w.Generation == ref.Generation
}

// redirectToRoot sends "/w/alpha" to "/w/alpha/", below which a worker's relative links work. It says nothing about
// whether there is such a workspace.
func redirectToRoot(x *exchange, text string) {
	location := "/w/" + text + "/"
	if x.r.URL.RawQuery != "" {
		location += "?" + x.r.URL.RawQuery
	}
	x.w.Header().Set("Location", location)
	x.w.WriteHeader(http.StatusPermanentRedirect)
	x.answered = true
}

// selectImplied serves a request that names no workspace.
func (c *chain) selectImplied(x *exchange) (workspace.Workspace, error) {
	if w, found, err := c.selectByModel(x); found || err != nil {
		return w, err
	}
	if w, found, err := c.selectByTenant(x); found || err != nil {
		return w, err
	}
	if generation, only := onlyWorkspace(x.principal); only {
		return c.findGeneration(x, generation)
	}
	if !x.settings.AllowDefault {
		return workspace.Workspace{}, fmt.Errorf("%w: name one with /w/{workspace}/… in the path, the header LIGHTRAG-WORKSPACE or X-Workspace-ID",
			workspace.ErrRequired)
	}
	return c.find(x, selector{tenant: workspace.DefaultTenant, name: x.settings.DefaultWorkspace})
}

// onlyWorkspace gives the one workspace that a credential is bound to, if it is bound to one.
func onlyWorkspace(p *workspace.Principal) (workspace.Generation, bool) {
	if p.Type == workspace.PrincipalAnonymous || len(p.Grants) != 1 || p.Grants[0].AllTenants || len(p.Grants[0].Workspaces) != 1 {
		return "", false
	}
	return p.Grants[0].Workspaces[0], true
}

// find gives what a selector names, and makes the workspace where that is wished and allowed. One that is not there and
// one that the principal may not see are the same answer, by the same steps.
func (c *chain) find(x *exchange, s selector) (workspace.Workspace, error) {
	if s.generation != "" {
		return c.findGeneration(x, s.generation)
	}
	tenants := x.candidates(s)
	found, err := c.look(x, s, tenants)
	if errors.Is(err, workspace.ErrNotFound) {
		return c.create(x, s, tenants)
	}
	if err != nil {
		return workspace.Workspace{}, err
	}
	return usable(found)
}

// look resolves a name among tenants to what the principal sees, in whatever state it is.
func (c *chain) look(x *exchange, s selector, tenants []workspace.Name) (workspace.Workspace, error) {
	var found workspace.Workspace
	var others []workspace.Workspace
	for _, tenant := range tenants {
		w, err := c.deps.Directory.Lookup(x.r.Context(), tenant, s.name)
		switch {
		case errors.Is(err, workspace.ErrNotFound):
		case err != nil:
			return workspace.Workspace{}, err
		case !x.principal.Sees(w.Ref):
		case found.Generation == "":
			found = w
		default:
			others = append(others, w)
		}
	}
	switch {
	case found.Generation == "":
		return workspace.Workspace{}, workspace.ErrNotFound
	case others != nil:
		return workspace.Workspace{}, ambiguous(append(others, found))
	}
	return found, nil
}

// candidates are the tenants in which a name is looked for. Whoever may act in all of them means the tenant "default"
// by a bare name, and writes tenant.name for another.
func (x *exchange) candidates(s selector) []workspace.Name {
	one := x.tenant[:]
	if grants := x.principal.Grants; len(grants) == 1 && !grants[0].AllTenants && s.tenant == "" {
		one[0] = grants[0].Tenant // the usual case, without asking for a list
		return one
	}
	tenants, all := x.principal.Tenants()
	switch {
	case s.tenant != "":
		one[0] = s.tenant
		for _, tenant := range tenants {
			if tenant.Fold() == s.tenant.Fold() {
				one[0] = tenant // as it is written, which rights are compared by
			}
		}
		return one
	case all:
		one[0] = workspace.DefaultTenant
		return one
	}
	return tenants
}

func ambiguous(found []workspace.Workspace) error {
	names := make([]string, len(found))
	for i, w := range found {
		names[i] = string(w.Tenant) + "." + string(w.Name)
	}
	slices.Sort(names)
	return fmt.Errorf("%w: write one of %q", workspace.ErrAmbiguous, names)
}

// create makes a workspace that was asked for and is not there.
func (c *chain) create(x *exchange, s selector, tenants []workspace.Name) (workspace.Workspace, error) {
	if !x.settings.AutoCreate {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	tenant, permitted := home(x.principal, tenants)
	if !permitted {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	w, err := c.deps.Directory.Create(x.r.Context(), tenant, s.name, x.settings.DefaultKind)
	if err != nil {
		return workspace.Workspace{}, err // ErrNotFound where the tenant is not there
	}
	if !x.principal.Sees(w.Ref) {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	return usable(w)
}

// home is the tenant in which a workspace is made: the only one that may be meant, of several the default one.
func home(p *workspace.Principal, tenants []workspace.Name) (workspace.Name, bool) {
	for _, tenant := range tenants {
		if (len(tenants) == 1 || tenant == workspace.DefaultTenant) && p.MayInTenant(tenant, workspace.WorkspaceCreate) {
			return tenant, true
		}
	}
	return "", false
}

func (c *chain) findGeneration(x *exchange, generation workspace.Generation) (workspace.Workspace, error) {
	w, err := c.deps.Directory.LookupGeneration(x.r.Context(), generation)
	if err != nil {
		return workspace.Workspace{}, err
	}
	if !x.principal.Sees(w.Ref) {
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	return usable(w)
}

// usable refuses a workspace that the principal sees and that cannot be served as it is.
func usable(w workspace.Workspace) (workspace.Workspace, error) {
	if w.Suspended && w.State != workspace.StateDeleted {
		return workspace.Workspace{}, workspace.ErrTenantSuspended
	}
	switch w.State {
	case workspace.StateActive:
		return w, nil
	case workspace.StateProvisioning:
		return workspace.Workspace{}, workspace.ErrProvisioning
	case workspace.StateDeleted:
		return workspace.Workspace{}, workspace.ErrDeleted
	}
	return workspace.Workspace{}, fmt.Errorf("%w: workspace %q is in the unknown state %q", workspace.ErrUnavailable, w.Ref, w.State)
}
