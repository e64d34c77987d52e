package proxy

import (
	"testing"

	"workspace-router/internal/kind"
)

func TestCutTenant(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][2]string{
		"/api/v2/tenants/alpha/databases/d/collections": {"alpha", "/api/v2/tenants/default_tenant/databases/d/collections"},
		"/api/v2/tenants/alpha":                         {"alpha", "/api/v2/tenants/default_tenant"},
		"/api/v2/tenants/alpha/":                        {"alpha", "/api/v2/tenants/default_tenant/"},
		"/api/v2/tenants/acme.alpha/databases":          {"acme.alpha", "/api/v2/tenants/default_tenant/databases"},
		"/api/v2/tenants/al%70ha/databases/a%20b":       {"alpha", "/api/v2/tenants/default_tenant/databases/a%20b"},
		"/api/v2/tenants/al%2Fpha/databases":            {},
		"/api/v2/tenants/":                              {},
		"/api/v2/tenants":                               {},
		"/api/v2/heartbeat":                             {},
	} {
		parsed, err := kind.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		name, rest, found := cutTenant(parsed)
		if name != want[0] || rest.Raw != want[1] || found != (want[0] != "") {
			t.Errorf("%s: got %q, %q, %v", path, name, rest.Raw, found)
		}
	}
}
