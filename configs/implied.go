package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workspace-router/internal/kind"
)

// implyKind chooses the default kind where nobody has: whoever brings the settings of a program along means that program.
func (c *Config) implyKind() {
	if c.origins["default_kind"] != "" {
		return
	}
	for _, implied := range []struct {
		kind string
		by   func(variable string) bool
	}{{"lightrag", namesLightRAG}, {"chroma", namesProjects}} {
		for _, name := range slices.Sorted(maps.Keys(c.Environment.variables)) {
			if c.Environment.variables[name] != "" && implied.by(name) && c.Profiles[implied.kind] != nil {
				c.DefaultKind, c.origins["default_kind"] = implied.kind, "ENV "+name
				return
			}
		}
	}
}

// namesProjects reports whether the variable is the one by which a Chroma server for many projects is known.
func namesProjects(name string) bool { return name == "WORKSPACE_DIR" }

// namesLightRAG reports whether the variable is one by which an installation of LightRAG is known.
func namesLightRAG(name string) bool {
	storage := strings.HasPrefix(name, "LIGHTRAG_") && strings.HasSuffix(name, "_STORAGE")
	return storage || name == "LLM_BINDING" || name == "EMBEDDING_BINDING" || name == "WORKING_DIR"
}

// checkEnvironment refuses what would keep every worker of the default kind from its start. Those of other kinds may
// never be asked for; they are refused when they are.
func (c *Config) checkEnvironment(profile *kind.Kind) (problems Problems) {
	for i := range profile.Processes {
		process := &profile.Processes[i]
		environment := maps.Clone(process.Default)
		if environment == nil {
			environment = map[string]string{}
		}
		for _, name := range slices.Sorted(maps.Keys(c.Environment.variables)) {
			if !matchesAny(process.Allow, name) {
				continue
			}
			environment[name] = c.Environment.variables[name]
			if matchesAny(process.Refuse, name) {
				problems = append(problems, Problem{Place: "ENV " + name, Text: fmt.Sprintf("the kind %q refuses this variable; remove it", profile.Name)})
			}
		}
		maps.Copy(environment, process.Given)
		maps.Copy(environment, process.Set)
		for _, requirement := range process.Require {
			if err := requirement.Check(environment); err != nil {
				problems = append(problems, Problem{Place: "ENV " + requirement.Given, Text: fmt.Sprintf("cannot be used by the kind %q: %v", profile.Name, err)})
			}
		}
	}
	return problems
}

// modelTag is what the workers' environment says of the tag of their models, for answers that the router gives in their
// place. A workspace's own variables are not looked at.
func (c *Config) modelTag(process *kind.Process) string {
	const name = "OLLAMA_EMULATING_MODEL_TAG"
	tag := process.Default[name]
	if common := c.Environment.variables[name]; common != "" && matchesAny(process.Allow, name) {
		tag = common
	}
	for _, layer := range []map[string]string{process.Given, process.Set} {
		if given := layer[name]; given != "" {
			tag = given
		}
	}
	return tag
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return kind.EnvironmentMatch(pattern, name) })
}
