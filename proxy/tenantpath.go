package proxy

import (
	"errors"
	"strings"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// readTenantPath takes the tenant API's selector off a path: of "/api/v1/tenants/acme/knowledge-bases/docs/query" the
// worker's own is "/query". Without a path behind the knowledge base the request is the tenant API's.
func (c *chain) readTenantPath(x *exchange, path kind.Path) bool {
	if _, onHost := workspaceLabel(x.r.Host, x.settings.BaseDomain); onHost || c.bound.name != "" {
		return false // there all of the path is the worker's
	}
	rest := path
	var named [2]string
	for _, want := range [...]string{"api", "v1", "tenants", "", "knowledge-bases", ""} {
		if rest.Raw == "" {
			return false
		}
		var segment string
		segment, rest = rest.CutSegment()
		switch {
		case want == segment && want != "":
		case want != "" || segment == "":
			return false
		default:
			named[0], named[1] = named[1], segment
		}
	}
	if rest.Raw == "" {
		return false
	}
	x.inPath, x.pathTenant, x.pathName, x.path = true, named[0], named[1], rest
	return true
}

// tenantSelector is what such a path means: a tenant and a knowledge base, each by its id or its name. What belongs to
// other tenants is refused in one way, whether or not it is there.
func (c *chain) tenantSelector(x *exchange) (selector, error) {
	ctx := x.r.Context()
	tenant, err := c.deps.Directory.FindTenant(ctx, x.pathTenant)
	if err != nil && !errors.Is(err, workspace.ErrTenantNotFound) {
		return selector{}, err
	}
	if _, all := x.principal.Tenants(); !all && (err != nil || !x.principal.BelongsTo(tenant.Name)) {
		return selector{}, workspace.ErrTenantForbidden
	}
	if err != nil {
		return selector{}, err
	}
	generation := workspace.Generation(strings.ToLower(x.pathName))
	w, err := c.deps.Directory.LookupGeneration(ctx, generation)
	switch {
	case err == nil && w.Tenant.Fold() == tenant.Name.Fold():
		return selector{generation: generation, from: fromPath}, nil
	case err == nil:
		return selector{}, workspace.ErrNotFound
	case !errors.Is(err, workspace.ErrNotFound):
		return selector{}, err
	}
	name, err := workspace.ParseName(x.pathName)
	return selector{tenant: tenant.Name, name: name, from: fromPath}, err
}
