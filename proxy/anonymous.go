package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"workspace-router/internal/workspace"
)

// AnonymousPrincipal is the id of whoever asks without a credential, where that is allowed.
const AnonymousPrincipal = "anonymous"

// Anonymous says what a request without a credential may reach.
type Anonymous string

// The reaches of requests without a credential; the zero value is none. None of them reaches the router's own API.
const (
	AnonymousNothing   Anonymous = ""
	AnonymousWorkspace Anonymous = "default_workspace" // the data of the default workspace
	AnonymousTenant    Anonymous = "default_tenant"    // those of the tenant "default", and it may make workspaces there
)

// anonymous gives the principal of a request that has no credential, or nil where it has one or gets none without.
func (c *chain) anonymous(ctx context.Context, r *http.Request, s *Settings) (*workspace.Principal, error) {
	if !c.mayBeAnonymous(r, s) {
		return nil, nil //nolint:nilnil // as documented
	}
	grant := workspace.Grant{
		Tenant: workspace.DefaultTenant,
		Permissions: workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite,
			workspace.DocumentDelete, workspace.GraphRead, workspace.GraphWrite, workspace.WorkspaceRead),
	}
	if s.Anonymous == AnonymousTenant {
		grant.Permissions |= workspace.Permissions(workspace.WorkspaceCreate)
	} else {
		w, err := c.deps.Directory.Lookup(ctx, workspace.DefaultTenant, s.DefaultWorkspace)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil, nil //nolint:nilnil // there is nothing to reach
		}
		if err != nil {
			return nil, err
		}
		grant.Workspaces = []workspace.Generation{w.Generation}
	}
	return &workspace.Principal{Type: workspace.PrincipalAnonymous, ID: AnonymousPrincipal, Grants: []workspace.Grant{grant}}, nil
}

// mayBeAnonymous reports whether a request shows no credential and can have nobody else's intent behind it: no page of
// another origin, and none whose host leads here by a name that its owner bends.
func (c *chain) mayBeAnonymous(r *http.Request, s *Settings) bool {
	return s.Anonymous != AnonymousNothing && c.withoutCredential(r.Header) && !fromElsewhere(r, overTLS(r, s.TrustedProxies)) && c.knownHost(r, s)
}

// withoutCredential reports whether no header decides who asks. A guest's token, which LightRAG's pages send because they
// got one, does not.
func (c *chain) withoutCredential(h http.Header) bool {
	if len(h["X-Api-Key"]) > 0 || len(h["X-Chroma-Token"]) > 0 {
		return false
	}
	values := h["Authorization"]
	if len(values) != 1 || c.deps.Sessions == nil {
		return len(values) == 0
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	return strings.EqualFold(scheme, "Bearer") && c.deps.Sessions.IsGuestToken(strings.TrimLeft(token, " "))
}

// fromElsewhere reports whether a browser sends the request for a page of another origin. That a page is opened from
// elsewhere is no harm: who opened it cannot read it. Programs say nothing of all this.
func fromElsewhere(r *http.Request, https bool) bool {
	h := r.Header
	if len(h["Origin"]) > 0 && !ownOrigin(r, https) {
		return true
	}
	switch h.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Method != http.MethodGet || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document"
}

// plainHost reports whether a name in a Host header is one that nobody can make lead here: an address, or a name
// without a domain.
func plainHost(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || name != "" && !strings.Contains(name, ".")
}

// credentialMissing makes of "there is no such workspace" that a credential is missing, for who showed none: with one, it
// may be there. All that such a request may reach is there.
func (x *exchange) credentialMissing(err error) error {
	if x.principal != nil && x.principal.Type == workspace.PrincipalAnonymous && errors.Is(err, workspace.ErrNotFound) && x.w.status == 0 {
		return workspace.ErrUnauthenticated
	}
	return err
}
