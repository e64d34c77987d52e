package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckVariable says, by an error that completes "NAME: …", why a workspace may not give its workers a variable; nil
// where it may. A profile may be changed afterwards, so that it is asked again with each launch.
func (k *Kind) CheckVariable(name string) error {
	allowed := false
	for i := range k.Processes {
		p := &k.Processes[i]
		switch _, own := p.Set[name]; {
		case own:
			return fmt.Errorf("the kind %q sets this variable itself; it cannot be given", k.Name)
		case matchesAny(p.Refuse, name):
			return fmt.Errorf("the kind %q refuses this variable; it would harm the workspace or mix it with others", k.Name)
		}
		allowed = allowed || matchesAny(p.Allow, name)
	}
	if !allowed {
		return fmt.Errorf("the kind %q does not take this variable; it takes what its profile lists under `allow`", k.Name)
	}
	return nil
}

// Layers are what a process's environment is made of beside its own profile.
type Layers struct {
	Base   map[string]string // what every process has
	Common map[string]string // the router's, from which Allow chooses
	Own    map[string]string // the workspace's, of which CheckVariable was asked; Allow chooses here, too
}

// Compose makes the environment of one of the kind's processes: what every process has, the kind's defaults, what Allow
// lets through of the common variables, what the configuration gives the kind, the workspace's own, and what the kind
// sets, each overriding the one before. Of the kind's and the configuration's, expand makes values. The error names
// refused and missing variables, never a value.
func (k *Kind) Compose(p *Process, layers Layers, expand func(string) (string, error)) (map[string]string, error) {
	environment := maps.Clone(layers.Base)
	if environment == nil {
		environment = map[string]string{}
	}
	if err := expandInto(environment, p.Default, expand); err != nil {
		return nil, err
	}
	p.allowInto(environment, layers.Common)
	if err := expandInto(environment, p.Given, expand); err != nil {
		return nil, err
	}
	p.allowInto(environment, layers.Own)
	if err := expandInto(environment, p.Set, expand); err != nil {
		return nil, err
	}
	var refused []string
	for name := range environment {
		if _, base := layers.Base[name]; !base && matchesAny(p.Refuse, name) {
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return nil, fmt.Errorf("the kind %q refuses %s in a worker's environment; remove it from the router's", k.Name, strings.Join(refused, ", "))
	}
	for _, requirement := range p.Require {
		if err := requirement.Check(environment); err != nil {
			return nil, fmt.Errorf("cannot start the kind %q: %w", k.Name, err)
		}
	}
	return environment, nil
}

func (p *Process) allowInto(environment, from map[string]string) {
	for name, value := range from {
		if matchesAny(p.Allow, name) {
			environment[name] = value
		}
	}
}

// expandInto expands in the order of names, so that of several errors it is always the same one.
func expandInto(environment, templates map[string]string, expand func(string) (string, error)) error {
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		value, err := expand(templates[name])
		if err != nil {
			return err
		}
		environment[name] = value
	}
	return nil
}

// matchesAny reports whether a name matches one of the patterns of Process.Allow or Process.Refuse.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return EnvironmentMatch(pattern, name) })
}
