package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/internal/version"
	"workspace-router/internal/workspace"
	"workspace-router/proxy"
	"workspace-router/proxy/dialect/chroma"
)

// projectHandler is the handler of the project listener: the project API of Chroma in front of a data plane whose new
// workspaces are projects. Names is around every other handler by which workers are reached.
func (s *server) projectHandler(deps proxy.Deps, names *chroma.Names) (http.Handler, error) {
	config := s.live.Load().config
	deps.Sessions = nil // it is for programs: no cookie counts, and no page is led to a log-in
	deps.Settings = func() *proxy.Settings { return &s.live.Load().projects }
	if config.Projects.Anonymous != configs.AnonymousOff {
		s.log.Warn("whoever reaches the project listener can read and change the projects of the default tenant, without a credential",
			zap.String("address", config.Projects.Listen), zap.String("setting", "projects.anonymous"))
	}
	plane, err := proxy.New(proxy.Config{Version: version.Version, Projects: &proxy.Projects{
		ListAt: chroma.ProjectsPath, List: s.listProjects, ByTenant: config.Projects.SelectByTenant,
	}}, deps)
	if err != nil {
		return nil, err
	}
	if config.Projects.SelectByTenant {
		plane = chroma.NameTenants(plane)
	}
	api, err := chroma.New(chroma.Config{
		Version: chromaVersion(config.Profiles[configs.ProjectKind].Processes[0].Program), Router: version.Version,
	}, chroma.Deps{Next: names.Watch(plane), Names: names})
	if err != nil {
		return nil, err
	}
	return proxy.AllowOrigins(config.Projects.CORSOrigins, api), nil
}

// projectSettings are those of the project listener: what is made there is a project, and what names none means none.
func projectSettings(s proxy.Settings, p configs.Projects) proxy.Settings {
	s.DefaultKind, s.AllowDefault, s.SharedOrigins = configs.ProjectKind, false, false
	s.Anonymous = anonymous(p.Anonymous)
	return s
}

// projectList is the answer of the listing.
type projectList struct {
	Projects []string `json:"projects"`
	Count    int      `json:"count"`
}

// listProjects gives the projects that a principal sees, and those that it would make by asking for them: directories that
// hold a Chroma's files and are no workspace's yet.
func (s *server) listProjects(ctx context.Context, p *workspace.Principal) (any, error) {
	config := &s.live.Load().config
	tenants, all := p.Tenants()
	if all {
		tenants = []workspace.Name{""}
	}
	names, known := []string{}, map[string]bool{}
	for _, tenant := range tenants {
		list, err := s.catalog.List(ctx, tenant)
		if err != nil {
			return nil, err
		}
		for _, w := range list {
			known[strings.ToLower(configs.ProjectDirectory(w.Tenant, w.Name))] = true
			if w.Kind == configs.ProjectKind && p.Sees(w.Ref) {
				names = append(names, w.String())
			}
		}
	}
	if config.AutoCreate == configs.AutoCreateAuthorized {
		for _, found := range findProjects(config) {
			if !known[strings.ToLower(found.directory)] && p.MayInTenant(found.tenant, workspace.WorkspaceCreate) && p.MayInTenant(found.tenant, workspace.DocumentRead) {
				names = append(names, found.directory)
			}
		}
	}
	slices.Sort(names)
	return projectList{names, len(names)}, nil
}

// foundProject is a directory with a Chroma's files.
type foundProject struct {
	directory    string // in the directory of projects
	path         string // of Chroma's files
	tenant, name workspace.Name
}

// findProjects looks for directories of projects whose names a workspace can have.
func findProjects(config *configs.Config) (list []foundProject) {
	entries, _ := os.ReadDir(config.Projects.Dir) // none where it is not there, or nobody may look
	for _, entry := range entries {
		tenant, name, err := workspace.ParseQualified(entry.Name())
		path := filepath.Join(config.Projects.Dir, entry.Name(), config.Projects.Subdir)
		if _, statErr := os.Stat(filepath.Join(path, configs.ChromaFile)); err != nil || statErr != nil {
			continue
		}
		if tenant == "" {
			tenant = workspace.DefaultTenant
		}
		list = append(list, foundProject{entry.Name(), path, tenant, name})
	}
	return list
}

// chromaVersion is that of the Python package that a program is of, which the server itself does not tell.
func chromaVersion(program string) string {
	const unknown = "1.0.0" // what every server since then says
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(program)), "lib", "python3*", "site-packages", "chromadb-*.dist-info"))
	if len(found) != 1 {
		return unknown
	}
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "chromadb-"), ".dist-info")
}
