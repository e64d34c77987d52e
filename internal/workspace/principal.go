package workspace

import "slices"

// PrincipalType says how a principal proved itself.
type PrincipalType string

// The types of principals.
const (
	PrincipalKey   PrincipalType = "key"
	PrincipalUser  PrincipalType = "user"
	PrincipalToken PrincipalType = "token"
	PrincipalLocal PrincipalType = "local" // the operator on this machine, through the local socket

	PrincipalAnonymous PrincipalType = "anonymous" // whoever asks without a credential, where the configuration allows it
)

// Principal is who is asking. It is made by authentication, never changed afterwards and safe to share.
type Principal struct {
	Type   PrincipalType
	ID     string // stable, free of secrets, fit for logs: "key:3f9ab2c1", "local"
	Grants []Grant
}

// Grant is a set of permissions over a scope. A permission of the whole installation (cluster:*) is held by a grant
// with AllTenants.
type Grant struct {
	AllTenants  bool
	Tenant      Name         // the tenant, unless AllTenants
	Workspaces  []Generation // the workspaces within it; nil means all of them
	Permissions PermissionSet
}

// covers reports whether the grant's scope holds the workspace.
func (g *Grant) covers(ref Ref) bool {
	if !g.AllTenants && g.Tenant != ref.Tenant {
		return false
	}
	if g.Workspaces == nil {
		return true
	}
	for _, generation := range g.Workspaces {
		if generation == ref.Generation {
			return true
		}
	}
	return false
}

// Sees reports whether the workspace is visible to the principal: some grant covers it, whatever it permits there.
// What is not visible is answered as if it did not exist.
func (p *Principal) Sees(ref Ref) bool {
	for i := range p.Grants {
		if p.Grants[i].covers(ref) {
			return true
		}
	}
	return false
}

// May reports whether the principal holds the permission on the workspace. cluster:admin holds every permission.
func (p *Principal) May(ref Ref, permission Permission) bool {
	for i := range p.Grants {
		g := &p.Grants[i]
		if (g.Permissions.Has(permission) || g.AllTenants && g.Permissions.Has(ClusterAdmin)) && g.covers(ref) {
			return true
		}
	}
	return false
}

// MayInTenant reports whether the principal holds the permission on a tenant as a whole, as making a workspace needs.
func (p *Principal) MayInTenant(tenant Name, permission Permission) bool {
	for i := range p.Grants {
		g := &p.Grants[i]
		if g.Workspaces == nil && (g.AllTenants || g.Tenant == tenant) &&
			(g.Permissions.Has(permission) || g.AllTenants && g.Permissions.Has(ClusterAdmin)) {
			return true
		}
	}
	return false
}

// MayEverywhere reports whether the principal holds the permission over the whole installation.
func (p *Principal) MayEverywhere(permission Permission) bool {
	for i := range p.Grants {
		g := &p.Grants[i]
		if g.AllTenants && g.Workspaces == nil && (g.Permissions.Has(permission) || g.Permissions.Has(ClusterAdmin)) {
			return true
		}
	}
	return false
}

// BelongsTo reports whether some grant of the principal is within the tenant, whatever it permits there.
func (p *Principal) BelongsTo(tenant Name) bool {
	return slices.ContainsFunc(p.Grants, func(g Grant) bool { return !g.AllTenants && g.Tenant.Fold() == tenant.Fold() })
}

// Held gives the permissions that the principal holds on a tenant as a whole.
func (p *Principal) Held(tenant Name) (set PermissionSet) {
	for permission := QueryRun; permission < permissionEnd; permission++ {
		if p.MayInTenant(tenant, permission) {
			set |= Permissions(permission)
		}
	}
	return set
}

// Tenants lists the tenants that the principal belongs to, without repeats; all is true where it is every tenant.
func (p *Principal) Tenants() (names []Name, all bool) {
	seen := map[Name]bool{}
	for i := range p.Grants {
		g := &p.Grants[i]
		if g.AllTenants {
			return nil, true
		}
		if !seen[g.Tenant] {
			seen[g.Tenant] = true
			names = append(names, g.Tenant)
		}
	}
	return names, false
}
