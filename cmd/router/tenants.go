package main

import (
	"net/http"
	"strings"

	"workspace-router/auth"
	"workspace-router/internal/admin"
	"workspace-router/internal/admin/tenants"
	"workspace-router/internal/workspace"
)

func (s *server) tenantAPI(host func(workspace.Ref) string) (*tenants.API, error) {
	return tenants.New(tenants.Deps{
		Directory: adminDirectory{s.catalog, s.placer()}, Workers: s.retirer, NewKey: auth.NewKey, Host: host, Report: s.report,
		Kinds: func() tenants.Kinds {
			kinds := s.live.Load().kinds
			return tenants.Kinds{Default: kinds.Default, Names: kinds.Names}
		},
	})
}

// ownHandler serves the operator's API of a surface and, below its root, the tenants'.
func ownHandler(operator *admin.Admin, api *tenants.API, surface admin.Surface, authenticator admin.Authenticator) http.Handler {
	rest, below := operator.Handler(surface, authenticator), api.Handler(authenticator)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tenants.Root || strings.HasPrefix(r.URL.Path, tenants.Root+"/") {
			below.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}
