package configs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func TestLoad_TheSettingsOfAProgramImplyItsKind(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		environ []string
		file    string
		want    string
		from    string
	}{
		"nothing":            {want: "embedded"},
		"a model":            {environ: []string{"LLM_BINDING=openai"}, want: "lightrag", from: "ENV LLM_BINDING"},
		"an embedder":        {environ: []string{"EMBEDDING_BINDING=openai"}, want: "lightrag", from: "ENV EMBEDDING_BINDING"},
		"a directory":        {environ: []string{"WORKING_DIR=/x"}, want: "lightrag", from: "ENV WORKING_DIR"},
		"a storage":          {environ: []string{"LIGHTRAG_GRAPH_STORAGE=NetworkXStorage"}, want: "lightrag", from: "ENV LIGHTRAG_GRAPH_STORAGE"},
		"projects":           {environ: []string{"WORKSPACE_DIR=/x"}, want: "chroma", from: "ENV WORKSPACE_DIR"},
		"a model beside":     {environ: []string{"WORKSPACE_DIR=/x", "LLM_BINDING=openai"}, want: "lightrag", from: "ENV LLM_BINDING"},
		"an empty variable":  {environ: []string{"LLM_BINDING="}, want: "embedded"},
		"the router's names": {environ: []string{"LIGHTRAG_DEFAULT_WORKSPACE=x", "LIGHTRAG_API_KEY=x", "ANY_STORAGE=x"}, want: "embedded"},
		"its own variable":   {environ: []string{"LLM_BINDING=openai", "ROUTER_DEFAULT_KIND=embedded"}, want: "embedded", from: "ENV ROUTER_DEFAULT_KIND"},
		"the file":           {environ: []string{"LLM_BINDING=openai"}, file: "default_kind: embedded\n", want: "embedded"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := Source{Environ: tc.environ}
			if tc.file != "" {
				source.File = write(t, "router.yaml", tc.file)
			}
			config, _, err := load(t, source)
			if err != nil {
				t.Fatal(err)
			}
			if config.DefaultKind != tc.want || tc.from != "" && config.origins["default_kind"] != tc.from {
				t.Errorf("got %q from %q, want %q from %q", config.DefaultKind, config.origins["default_kind"], tc.want, tc.from)
			}
		})
	}
}

// What no worker of the default kind could be started with is refused before one is wanted.
func TestLoad_RefusesWhatTheDefaultKindCannotUse(t *testing.T) {
	t.Parallel()
	model := []string{"LLM_BINDING=openai", "EMBEDDING_BINDING=openai", "EMBEDDING_MODEL=my-m0del"}
	cases := map[string]struct {
		environ []string
		says    []string
	}{
		"a model of unknown size": {model, []string{"ENV EMBEDDING_MODEL: ", "EMBEDDING_DIM is needed with EMBEDDING_MODEL: LightRAG knows no size"}},
		"with its size":           {append(model, "EMBEDDING_DIM=1024"), nil},
		"sized for the kind":      {append(model, "ROUTER_KIND_LIGHTRAG_ENVIRONMENT_EMBEDDING_DIM=1024"), nil},
		"a model that it knows":   {[]string{"EMBEDDING_BINDING=openai", "EMBEDDING_MODEL=text-embedding-3-small"}, nil},
		"another default kind":    {append(model, "ROUTER_DEFAULT_KIND=embedded"), nil},
		"overrides": {
			[]string{"LLM_BINDING=openai", "POSTGRES_WORKSPACE=x", "NEO4J_WORKSPACE=x"},
			[]string{`ENV NEO4J_WORKSPACE: the kind "lightrag" refuses`, `ENV POSTGRES_WORKSPACE: the kind "lightrag" refuses`},
		},
		"an override for the kind": {
			[]string{"LLM_BINDING=openai", "ROUTER_KIND_LIGHTRAG_ENVIRONMENT_QDRANT_WORKSPACE=x"}, []string{"QDRANT_WORKSPACE", "the kind refuses"},
		},
		"a server's own switch": {
			[]string{"LLM_BINDING=openai", "ROUTER_KIND_LIGHTRAG_ENVIRONMENT_WEB_CONCURRENCY=2"}, []string{"WEB_CONCURRENCY", "the kind refuses"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, Source{Environ: tc.environ})
			if (err == nil) != (tc.says == nil) {
				t.Fatalf("got %v, want %q", err, tc.says)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "m0del") {
				t.Errorf("got %v, which tells a value", err)
			}
		})
	}
}

func lightrag(t *testing.T) *kind.Kind {
	t.Helper()
	kinds, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return kinds["lightrag"]
}

func TestLightRAG_Routes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		permission workspace.Permission
		class      kind.Class
	}{
		"GET /health":                             {workspace.WorkspaceRead, kind.Never},
		"GET /auth-status":                        {workspace.WorkspaceRead, kind.Never},
		"POST /login":                             {workspace.WorkspaceRead, kind.Never},
		"GET /api/tags":                           {workspace.QueryRun, kind.Never},
		"GET /api/ps":                             {workspace.QueryRun, kind.Never},
		"GET /api/version":                        {workspace.QueryRun, kind.Never},
		"GET /workspaces":                         {workspace.WorkspaceRead, kind.Never},
		"POST /documents/paginated":               {workspace.DocumentRead, kind.Passive},
		"GET /documents/pipeline_status":          {workspace.DocumentRead, kind.Passive},
		"GET /documents/status_counts":            {workspace.DocumentRead, kind.Passive},
		"GET /documents/track_status/upload_1":    {workspace.DocumentRead, kind.Passive},
		"GET /webui/assets/index.js":              {workspace.WorkspaceRead, kind.Passive},
		"GET /static/swagger-ui/swagger-ui.css":   {workspace.WorkspaceRead, kind.Passive},
		"GET /webui/":                             {workspace.WorkspaceRead, kind.Active},
		"GET /workspace/":                         {workspace.WorkspaceRead, kind.Active},
		"POST /query":                             {workspace.QueryRun, kind.Active},
		"POST /query/stream":                      {workspace.QueryRun, kind.Active},
		"POST /api/chat":                          {workspace.QueryRun, kind.Active},
		"POST /documents/upload":                  {workspace.DocumentWrite, kind.Active},
		"DELETE /documents":                       {workspace.DocumentDelete, kind.Active},
		"DELETE /documents/delete_document":       {workspace.DocumentDelete, kind.Active},
		"POST /documents/recovery/force_reset":    {workspace.WorkspaceOperate, kind.Active},
		"GET /graphs":                             {workspace.GraphRead, kind.Active},
		"GET /graph/label/popular":                {workspace.GraphRead, kind.Active},
		"POST /graph/entities/merge":              {workspace.GraphWrite, kind.Active},
		"GET /nothing/that/it/is/known/to/answer": {workspace.Strictest, kind.Active},
	}
	k := lightrag(t)
	for request, want := range cases {
		method, path, _ := strings.Cut(request, " ")
		if route, _ := k.Match(method, path); route.Permission != want.permission || route.Class != want.class {
			t.Errorf("%s needs %v and is %v, want %v and %v", request, route.Permission, route.Class, want.permission, want.class)
		}
	}
	for _, route := range k.Routes {
		if (route.Class == kind.Never) != (route.Cold != nil) {
			t.Errorf("%s is of class %s, and whether it has an answer without a worker is %v", route.Path, route.Class, route.Cold != nil)
		}
	}
}

// Of the router's own environment only what is for its models, storages and the like may come to a worker.
func TestLightRAG_KeepsTheRoutersOwnFromItsWorkers(t *testing.T) {
	t.Parallel()
	process := lightrag(t).Processes[0]
	for _, name := range []string{
		"ROUTER_API_KEY", "LIGHTRAG_DEFAULT_WORKSPACE", "LIGHTRAG_MAX_WORKSPACES_IN_POOL", "TENANT_DB_PASSWORD", "PG_PASSWORD",
		"WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "PYTHONPATH", "LD_PRELOAD", "SSH_AUTH_SOCK",
	} {
		if matchesAny(process.Allow, name) {
			t.Errorf("%s would come to a worker", name)
		}
	}
	own := []string{"WORKSPACE", "WORKING_DIR", "INPUT_DIR", "LOG_DIR", "HOST", "PORT", "LIGHTRAG_API_KEY", "TOKEN_SECRET", "AUTH_ACCOUNTS", "WHITELIST_PATHS"}
	for _, name := range own {
		if _, set := process.Set[name]; !set || matchesAny(process.Allow, name) {
			t.Errorf("%s is not the kind's alone: set are %v", name, slices.Sorted(maps.Keys(process.Set)))
		}
	}
	for _, database := range []string{"POSTGRES", "MONGODB", "REDIS", "NEO4J", "MILVUS", "QDRANT", "MEMGRAPH", "OPENSEARCH"} {
		if name := database + "_WORKSPACE"; !matchesAny(process.Refuse, name) || !matchesAny(process.Allow, name) {
			t.Errorf("%s in the router's environment stops no start", name)
		}
	}
}
