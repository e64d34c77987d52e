package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// Projects is what a listener for Chroma's projects has beside others: a listing of the workspaces, and, where it is wished,
// the tenant in Chroma's own API as a selector.
type Projects struct {
	// ListAt is the path of the listing, and List what it answers to a principal, as JSON.
	ListAt string
	List   func(ctx context.Context, p *workspace.Principal) (any, error)
	// ByTenant takes /api/v2/tenants/{workspace}/… for a selector, which gives way to all others. What follows is the
	// worker's own default tenant.
	ByTenant bool
}

const (
	tenantsPath   = "/api/v2/tenants/"
	identityPath  = "/api/v2/auth/identity"
	defaultTenant = "default_tenant" // Chroma's own
)

// answerProjects lists, and answers Chroma's clients what names no tenant, where tenants select and nothing else does.
func (c *chain) answerProjects(x *exchange) error {
	p := c.Projects
	if p == nil || !x.bare || x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return nil
	}
	var content any
	switch path := x.path.Decoded; {
	case path == p.ListAt:
		list, err := p.List(x.r.Context(), x.principal)
		if err != nil {
			return err
		}
		content = list
	case p.ByTenant && path == identityPath && !namedByHeader(x.r.Header):
		identity, err := c.identity(x)
		if err != nil {
			return err
		}
		content = identity
	default:
		c.answerForAll(x)
		return nil
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	x.answerJSON(text)
	return nil
}

// answerForAll answers what Chroma's clients ask for before they name a tenant, in the words that the kind of projects has
// for it where no worker runs.
func (c *chain) answerForAll(x *exchange) {
	if !c.Projects.ByTenant || namedByHeader(x.r.Header) {
		return
	}
	profile, found := x.settings.Kinds.Kind(x.settings.DefaultKind)
	if !found {
		return
	}
	if route, named := profile.Classify(x.r.Method, x.path); named && route.Class == kind.Never && route.Cold != nil {
		x.kind, x.route = profile, route
		x.answerCold()
	}
}

func namedByHeader(h http.Header) bool {
	_, given, err := headerSelector(h)
	return given || err != nil
}

// identity is what Chroma's clients ask for before all else: the only tenant of a credential, or that there are several.
func (c *chain) identity(x *exchange) (map[string]any, error) {
	tenant := "*"
	if generation, only := onlyWorkspace(x.principal); only {
		w, err := c.findGeneration(x, generation)
		if err != nil {
			return nil, err
		}
		tenant = w.String()
	}
	return map[string]any{"user_id": x.principal.ID, "tenant": tenant, "databases": []string{"default_database"}}, nil
}

// selectByTenant goes by Chroma's tenant in the path, unless it is Chroma's own word for none.
func (c *chain) selectByTenant(x *exchange) (w workspace.Workspace, found bool, err error) {
	if c.Projects == nil || !c.Projects.ByTenant || !x.bare {
		return w, false, nil
	}
	name, rest, found := cutTenant(x.path)
	if !found || name == defaultTenant {
		return w, false, nil
	}
	named, err := parseSelector(name, fromTenant)
	if err != nil {
		return w, true, err
	}
	x.explicit = true
	if w, err = c.find(x, named); err == nil {
		x.path = rest
	}
	return w, true, err
}

// cutTenant splits /api/v2/tenants/{name}/…, and gives the same path with the worker's default tenant in it.
func cutTenant(path kind.Path) (name string, rest kind.Path, found bool) {
	raw, found := strings.CutPrefix(path.Raw, tenantsPath)
	if !found || path.Ambiguous {
		return "", kind.Path{}, false
	}
	segment, behind, more := strings.Cut(raw, "/")
	if more {
		behind = "/" + behind
	}
	decoded, err := kind.ParsePath("/" + segment)
	if err != nil || segment == "" {
		return "", kind.Path{}, false
	}
	rest, err = kind.ParsePath(tenantsPath + defaultTenant + behind)
	return decoded.Decoded[1:], rest, err == nil
}
