package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

func TestLoad_FindsTheDirectoryOfProjects(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		environ []string
		make    string // a file below the working directory
		want    string // below it, unless absolute; blank: none
	}{
		"nothing":               {},
		"named":                 {environ: []string{"WORKSPACE_DIR=/srv/projects"}, want: "/srv/projects"},
		"named from here":       {environ: []string{"WORKSPACE_DIR=./projects"}, want: "projects"},
		"by the router's name":  {environ: []string{"WORKSPACE_DIR=/a", "ROUTER_PROJECTS_DIR=/b"}, want: "/b"},
		"the usual one":         {make: "workspace/alpha/knowledge-graph/chroma.sqlite3", want: "workspace"},
		"with its subdirectory": {environ: []string{"KNOWLEDGE_GRAPH_SUBDIR=db/chroma"}, make: "workspace/alpha/db/chroma/chroma.sqlite3", want: "workspace"},
		"somebody else's":       {make: "workspace/alpha/notes.txt"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tc.make != "" {
				path := filepath.Join(dir, tc.make)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tc.want != "" && !filepath.IsAbs(tc.want) {
				tc.want = filepath.Join(dir, tc.want)
			}
			if got := mustLoad(t, Source{Environ: tc.environ, Dir: dir}).Projects.Dir; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLoad_RefusesDirectoriesOfProjectsThatReachOthers(t *testing.T) {
	t.Parallel()
	file := write(t, "file", "")
	for environ, want := range map[string]string{
		"WORKSPACE_DIR=./data/workspaces":  "want a directory apart from the data directory",
		"WORKSPACE_DIR=.":                  "want a directory apart from the data directory",
		"WORKSPACE_DIR=" + file:            "want a directory",
		"KNOWLEDGE_GRAPH_SUBDIR=../others": `want a plain path such as "knowledge-graph"`,
		"KNOWLEDGE_GRAPH_SUBDIR=/etc":      "want a plain path",
		"KNOWLEDGE_GRAPH_SUBDIR=a/./b":     "want a plain path",
		"KNOWLEDGE_GRAPH_SUBDIR=a/../b":    "want a plain path",
	} {
		dir := t.TempDir()
		_, _, err := load(t, Source{Environ: []string{environ, "ROUTER_DATA=" + filepath.Join(dir, "data")}, Dir: dir})
		name, _, _ := strings.Cut(environ, "=")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want %q", environ, err, want)
		}
	}
}

func TestPlacesOf_AreThoseOfAProject(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, Source{Environ: []string{"WORKSPACE_DIR=/srv/projects"}, Dir: t.TempDir()})
	none := mustLoad(t, Source{Dir: t.TempDir()})
	for name, tc := range map[string]struct {
		config *Config
		kind   string
		tenant workspace.Name
		want   map[string]string
	}{
		"of the tenant default":  {&c, "chroma", "default", map[string]string{"data": "/srv/projects/alpha/knowledge-graph"}},
		"of another tenant":      {&c, "chroma", "acme", map[string]string{"data": "/srv/projects/acme.alpha/knowledge-graph"}},
		"of another kind":        {&c, "embedded", "default", nil},
		"of no kind":             {&c, "other", "default", nil},
		"without such directory": {&none, "chroma", "default", nil},
	} {
		if diff := cmp.Diff(tc.want, tc.config.PlacesOf(tc.kind, tc.tenant, "alpha")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLoad_OpensTheProjectListenerForWhoHadOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ   []string
		listen    string
		anonymous string
		refused   string
	}{
		"nothing":               {nil, "", "off", ""},
		"a directory":           {[]string{"WORKSPACE_DIR=/p"}, "127.0.0.1:7100", "default_tenant", ""},
		"a subdirectory":        {[]string{"KNOWLEDGE_GRAPH_SUBDIR=db"}, "127.0.0.1:7100", "off", ""},
		"a port":                {[]string{"CHROMA_PORT=7200"}, "127.0.0.1:7200", "off", ""},
		"a host":                {[]string{"CHROMA_HOST=::1", "WORKSPACE_DIR=/p"}, "[::1]:7100", "default_tenant", ""},
		"its own key":           {[]string{"ROUTER_PROJECTS_LISTEN=127.0.0.1:1", "CHROMA_PORT=7200"}, "127.0.0.1:1", "off", ""},
		"with a key":            {[]string{"WORKSPACE_DIR=/p", "LIGHTRAG_API_KEY=k"}, "127.0.0.1:7100", "off", ""},
		"everywhere":            {[]string{"WORKSPACE_DIR=/p", "CHROMA_HOST=0.0.0.0"}, "", "", "projects.anonymous: is needed"},
		"everywhere, with keys": {[]string{"WORKSPACE_DIR=/p", "CHROMA_HOST=0.0.0.0", "ROUTER_PROJECTS_ANONYMOUS=off"}, "0.0.0.0:7100", "off", ""},
		"everywhere, meant":     {[]string{"WORKSPACE_DIR=/p", "CHROMA_HOST=0.0.0.0", "ROUTER_PROJECTS_ANONYMOUS=default_tenant"}, "0.0.0.0:7100", "default_tenant", ""},
		"another's address":     {[]string{"ROUTER_LISTEN=127.0.0.1:7100", "WORKSPACE_DIR=/p"}, "", "", `which is the address of listen`},
		"no port":               {[]string{"CHROMA_PORT=many"}, "", "", "ENV CHROMA_PORT: projects.listen"},
	} {
		config, _, err := load(t, Source{Environ: tc.environ, Dir: t.TempDir()})
		if tc.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("%s: got %v, want %q", name, err, tc.refused)
			}
			continue
		}
		if p := config.Projects; err != nil || p.Listen != tc.listen || p.Anonymous != tc.anonymous {
			t.Errorf("%s: got %+v (%v)", name, p, err)
		}
	}
}

func TestLoad_OriginsInEachForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"*": {"*"}, `["*"]`: {"*"}, "https://a.example,https://b.example:8443": {"https://a.example", "https://b.example:8443"},
		`["https://a.example", "http://localhost:3000"]`: {"https://a.example", "http://localhost:3000"},
		"a.example": nil, "https://a.example/path": nil, "[broken": nil, "[]": nil,
	} {
		config, _, err := load(t, Source{Environ: []string{"CORS_ORIGINS=" + text}, Dir: t.TempDir()})
		if diff := cmp.Diff(want, config.Projects.CORSOrigins); diff != "" || (err != nil) != (want == nil) {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
}
