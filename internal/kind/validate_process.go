package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (v *validator) processes(list []Process) {
	if len(list) == 0 {
		v.at("processes", "is missing, want at least one process with a `program`")
	}
	names := map[string]int{}
	for i, p := range list {
		field := fmt.Sprintf("processes[%d]", i)
		if first, found := names[p.Name]; found {
			v.at(field+".name", "got %q again, want a name of its own beside processes[%d]", p.Name, first)
		} else {
			names[p.Name] = i
		}
		v.process(p, field)
	}
}

func (v *validator) process(p Process, field string) {
	switch {
	case strings.TrimSpace(p.Program) == "":
		v.at(field+".program", "is missing, want a path or a name to be looked up beside the router and in PATH")
	case strings.ContainsAny(p.Program, "{}\x00"):
		v.at(field+".program", "got %q, want a path or a bare name; a program is no template", p.Program)
	case strings.Contains(p.Program, "/") && p.Program[0] != '/':
		v.at(field+".program", "got %q, want an absolute path or a bare name", p.Program)
	}
	for i, argument := range p.Args {
		v.template(argument, fmt.Sprintf("%s.args[%d]", field, i), argumentNames)
	}
	if p.Dir != "" {
		v.place(p.Dir, field+".dir")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		v.environmentName(name, field+".set."+name)
		v.template(p.Set[name], field+".set."+name, launchNames)
		if matchesAny(p.Refuse, name) {
			v.at(field+".set."+name, "is also refused by `refuse`, want one or the other")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Default)) {
		v.environmentName(name, field+".default."+name)
		v.template(p.Default[name], field+".default."+name, launchNames)
		if _, set := p.Set[name]; set {
			v.at(field+".default."+name, "is also given by `set`, want one or the other")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Given)) {
		v.environmentName(name, field+".environment."+name)
		v.template(p.Given[name], field+".environment."+name, launchNames)
	}
	for j, requirement := range p.Require {
		v.requirement(requirement, fmt.Sprintf("%s.require[%d]", field, j))
	}
	v.patterns(p.Allow, field+".allow")
	v.patterns(p.Refuse, field+".refuse")
}

func (v *validator) patterns(list []string, field string) {
	for i, pattern := range list {
		if name := strings.TrimSuffix(pattern, "*"); name != "" {
			v.environmentName(strings.TrimPrefix(name, "*"), fmt.Sprintf("%s[%d]", field, i))
		} else {
			v.at(fmt.Sprintf("%s[%d]", field, i), "got %q, want a name such as LLM_MODEL or the beginning of names such as LLM_*", pattern)
		}
	}
}

func (v *validator) environmentName(name, field string) {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			v.at(field, "got %q, want an environment name: letters, digits and _, no digit first", name)
			return
		}
	}
	if name == "" {
		v.at(field, "is blank, want an environment name")
	}
}

// EnvironmentMatch reports whether an environment name matches a pattern of Process.Allow or Process.Refuse: the name
// itself, or one with a `*` at its end, at its beginning, or both, for any text.
func EnvironmentMatch(pattern, name string) bool {
	core, open := strings.CutSuffix(pattern, "*")
	core, free := strings.CutPrefix(core, "*")
	switch {
	case open && free:
		return strings.Contains(name, core)
	case open:
		return strings.HasPrefix(name, core)
	case free:
		return strings.HasSuffix(name, core)
	}
	return name == pattern
}
