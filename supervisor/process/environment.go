package process

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"workspace-router/internal/keeper"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// defaultPath is where programs are looked for when the router has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// composeEnvironment makes the whole environment of a worker: a few names of every process, the kind's defaults, what the
// kind lets through from the router's, and what the kind sets, each overriding the one before. A name that the kind
// refuses stops the start: it means that the operator expects something that would mix workspaces. So does one that is
// missing beside another that needs it.
func composeEnvironment(p *kind.Process, v values, router []string) ([]string, error) {
	environment := map[string]string{
		"PATH": defaultPath, "LANG": "C.UTF-8", "HOME": v.run, "TMPDIR": temporary(v.run),
	}
	for _, name := range slices.Sorted(maps.Keys(p.Default)) {
		value, err := v.expand(p.Default[name])
		if err != nil {
			return nil, err
		}
		environment[name] = value
	}
	var refused []string
	for _, variable := range router {
		name, value, found := strings.Cut(variable, "=")
		switch {
		case !found || name == "" || name == keeper.MarkName:
		case name == "PATH":
			environment[name] = value
		case matches(p.Allow, name):
			environment[name] = value
			if matches(p.Refuse, name) {
				refused = append(refused, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		value, err := v.expand(p.Set[name])
		if err != nil {
			return nil, err
		}
		if strings.ContainsRune(value, 0) || name == keeper.MarkName {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot set %s for a worker", name)}
		}
		environment[name] = value
		if matches(p.Refuse, name) {
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf(
			"the kind %q refuses %s in a worker's environment; remove it from the router's",
			v.spec.Kind.Name, strings.Join(slices.Compact(refused), ", "))}
	}
	for _, requirement := range p.Require {
		if err := requirement.Check(environment); err != nil {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot start the kind %q: %w", v.spec.Kind.Name, err)}
		}
	}
	list := make([]string, 0, len(environment))
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		// The keeper is told in JSON, which would put other characters in place of such bytes without a word.
		if !utf8.ValidString(name) || !utf8.ValidString(environment[name]) {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot give a worker the variable %q, which is not valid UTF-8", name)}
		}
		list = append(list, name+"="+environment[name])
	}
	return list, nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return kind.EnvironmentMatch(pattern, name) })
}

func temporary(run string) string { return filepath.Join(run, "tmp") }
