package configs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"workspace-router/internal/workspace"
)

const (
	// usualProjects is where a Chroma server for many projects has their directories unless told, seen from its working
	// directory.
	usualProjects = "workspace"
	// ChromaFile is what every Chroma has made in its directory once it has run.
	ChromaFile = "chroma.sqlite3"
	// usualProjectsListen is where such a server listens unless told.
	usualProjectsListen = "127.0.0.1:7100"
)

// openProjects opens the project listener for who has had a server for many projects, and keeps one that asked for no key
// working as it did, for those who could reach it on this machine. On another address somebody has to say that this is meant.
func (c *Config) openProjects() (problems Problems) {
	p := &c.Projects
	if p.Listen == "" {
		for _, name := range []string{"WORKSPACE_DIR", "KNOWLEDGE_GRAPH_SUBDIR"} {
			if c.Environment.variables[name] != "" {
				p.Listen, c.origins["projects.listen"] = usualProjectsListen, "ENV "+name
				break
			}
		}
	}
	if p.Listen == "" {
		return nil
	}
	if c.Profiles[ProjectKind] == nil {
		problems = append(problems, Problem{Place: c.origins["projects.listen"], Key: "projects.listen", Text: "there is no kind \"" + ProjectKind + "\", of which projects are"})
	}
	taken := map[string]string{c.Listen: "listen", c.OperatorListen: "operator_listen"}
	for _, one := range c.Bound() {
		taken[one.Listen] = "bound_listeners"
	}
	if other := taken[p.Listen]; other != "" && !anyPort(p.Listen) {
		problems = append(problems, Problem{Place: c.origins["projects.listen"], Key: "projects.listen", Text: fmt.Sprintf("got %q, which is the address of %s, want another", p.Listen, other)})
	}
	if c.origins["projects.anonymous"] != "" || !c.APIKey.IsZero() || c.Environment.variables["WORKSPACE_DIR"] == "" {
		return problems
	}
	if !loopback(p.Listen) {
		return append(problems, Problem{Place: c.origins["projects.listen"], Key: "projects.anonymous", Text: fmt.Sprintf("is needed: a server for many projects asked for no key, and %s "+
			"can be reached from elsewhere; give `default_tenant` to go on so for everybody who reaches it, `off` to have a key asked for, or give api_key", p.Listen)})
	}
	p.Anonymous, c.origins["projects.anonymous"] = AnonymousDefaultTenant, "ENV WORKSPACE_DIR"
	return problems
}

// ProjectKind is the kind of projects.
const ProjectKind = "chroma"

// findProjects makes the directory of projects absolute, or finds the usual one in dir, the working directory where it is
// empty: one that holds a project, as many other things are called so.
func (c *Config) findProjects(dir string) Problems {
	path, place := c.Projects.Dir, c.origins["projects.dir"]
	if path == "" {
		path = filepath.Join(dir, usualProjects)
		place = path
		if !c.holdsProjects(path) {
			return nil
		}
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = c.apart(absolute)
	}
	if info, statErr := os.Stat(absolute); err == nil && statErr == nil && !info.IsDir() {
		err = fmt.Errorf("got %q, want a directory", absolute)
	}
	if err != nil {
		return Problems{{Place: place, Key: "projects.dir", Text: err.Error()}}
	}
	c.Projects.Dir, c.origins["projects.dir"] = absolute, place
	return nil
}

// holdsProjects reports whether one of the directories in dir holds a Chroma's files.
func (c *Config) holdsProjects(dir string) bool {
	entries, _ := os.ReadDir(dir) // one that is not there, or not for this user, holds none
	return slices.ContainsFunc(entries, func(entry os.DirEntry) bool {
		_, err := os.Stat(filepath.Join(dir, entry.Name(), c.Projects.Subdir, ChromaFile))
		return err == nil
	})
}

// PlacesOf gives where the data of a new workspace of the kind lie, by the kind's names for its places, where that is not
// below the data directory: those of a project. None for most kinds, and without a directory of projects.
func (c *Config) PlacesOf(kindName string, tenant, name workspace.Name) map[string]string {
	profile := c.Profiles[kindName]
	if profile == nil || c.Projects.Dir == "" {
		return nil
	}
	var places map[string]string
	for _, place := range slices.Sorted(maps.Keys(profile.Places)) {
		if profile.Places[place].Project {
			if places == nil {
				places = map[string]string{}
			}
			places[place] = filepath.Join(c.Projects.Dir, ProjectDirectory(tenant, name), c.Projects.Subdir)
		}
	}
	return places
}

// ProjectDirectory is what the directory of a workspace is called in the directory of projects.
func ProjectDirectory(tenant, name workspace.Name) string {
	if tenant == workspace.DefaultTenant {
		return string(name)
	}
	return string(tenant) + "." + string(name)
}
