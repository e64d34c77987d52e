package configs

import (
	"strings"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func chroma(t *testing.T) *kind.Kind {
	t.Helper()
	kinds, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return kinds["chroma"]
}

func TestChroma_Routes(t *testing.T) {
	t.Parallel()
	const collections = "/api/v2/tenants/default_tenant/databases/default_database/collections"
	cases := map[string]struct {
		request    string
		permission workspace.Permission
		class      kind.Class
	}{
		"heartbeat":           {"GET /api/v2/heartbeat", workspace.WorkspaceRead, kind.Never},
		"version":             {"GET /api/v2/version", workspace.WorkspaceRead, kind.Never},
		"pre-flight checks":   {"GET /api/v2/pre-flight-checks", workspace.WorkspaceRead, kind.Never},
		"identity":            {"GET /api/v2/auth/identity", workspace.WorkspaceRead, kind.Never},
		"old clients":         {"GET /api/v1/collections", workspace.WorkspaceRead, kind.Never},
		"reset":               {"POST /api/v2/reset", workspace.WorkspaceOperate, kind.Active},
		"make a tenant":       {"POST /api/v2/tenants", workspace.DocumentWrite, kind.Active},
		"a tenant":            {"GET /api/v2/tenants/default_tenant", workspace.DocumentRead, kind.Active},
		"change a tenant":     {"PATCH /api/v2/tenants/default_tenant", workspace.WorkspaceOperate, kind.Active},
		"make a database":     {"POST /api/v2/tenants/t/databases", workspace.DocumentWrite, kind.Active},
		"delete a database":   {"DELETE /api/v2/tenants/t/databases/d", workspace.DocumentDelete, kind.Active},
		"list collections":    {"GET " + collections, workspace.DocumentRead, kind.Active},
		"count collections":   {"GET /api/v2/tenants/t/databases/d/collections_count", workspace.DocumentRead, kind.Active},
		"make a collection":   {"POST " + collections, workspace.DocumentWrite, kind.Active},
		"a collection":        {"GET " + collections + "/notes", workspace.DocumentRead, kind.Active},
		"by its id":           {"GET " + collections + "/by-id/1", workspace.DocumentRead, kind.Active},
		"change a collection": {"PUT " + collections + "/1", workspace.DocumentWrite, kind.Active},
		"delete a collection": {"DELETE " + collections + "/notes", workspace.DocumentDelete, kind.Active},
		"fork":                {"POST " + collections + "/1/fork", workspace.DocumentWrite, kind.Active},
		"add":                 {"POST " + collections + "/1/add", workspace.DocumentWrite, kind.Active},
		"upsert":              {"POST " + collections + "/1/upsert", workspace.DocumentWrite, kind.Active},
		"update":              {"POST " + collections + "/1/update", workspace.DocumentWrite, kind.Active},
		"delete documents":    {"POST " + collections + "/1/delete", workspace.DocumentDelete, kind.Active},
		"get":                 {"POST " + collections + "/1/get", workspace.DocumentRead, kind.Active},
		"query":               {"POST " + collections + "/1/query", workspace.QueryRun, kind.Active},
		"search":              {"POST " + collections + "/1/search", workspace.QueryRun, kind.Active},
		"count":               {"GET " + collections + "/1/count", workspace.DocumentRead, kind.Active},
		"attach a function":   {"POST " + collections + "/1/functions/attach", workspace.WorkspaceOperate, kind.Active},
		"detach a function":   {"POST " + collections + "/1/attached_functions/f/detach", workspace.WorkspaceOperate, kind.Active},
		"what is new":         {"POST " + collections + "/1/anything", workspace.Strictest, kind.Active},
		"another page":        {"GET /", workspace.Strictest, kind.Active},
	}
	k := chroma(t)
	for name, tc := range cases {
		method, path, _ := strings.Cut(tc.request, " ")
		route, _ := k.Match(method, path)
		if route.Permission != tc.permission || route.Class != tc.class {
			t.Errorf("%s: %s needs %v and is %v, want %v and %v", name, tc.request, route.Permission, route.Class, tc.permission, tc.class)
		}
		if reads := route.Permission == workspace.DocumentRead || route.Permission == workspace.QueryRun; route.ReadOnly != (reads || route.Permission == workspace.WorkspaceRead) {
			t.Errorf("%s: read-only is %v", name, route.ReadOnly)
		}
	}
}

// Nobody but the router may reach a program that asks for no credential.
func TestChroma_IsAloneInItsNetwork(t *testing.T) {
	t.Parallel()
	if k := chroma(t); k.Isolation.Network != kind.NetworkOwn || k.Isolation.Landlock != kind.IsolationAuto {
		t.Errorf("got %+v", k.Isolation)
	}
}

func TestChroma_TheSignalOfAnotherBuild(t *testing.T) {
	t.Parallel()
	config := mustLoad(t, Source{Environ: []string{"ROUTER_KIND_CHROMA_STOP_SIGNAL=INT"}})
	if got := config.Profiles["chroma"].Stop.Signal; got != "INT" {
		t.Errorf("got %q", got)
	}
}
