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
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// defaultPath is where programs are looked for when the router has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// composeEnvironment makes the whole environment of a worker, in the order of kind.Compose; own is the workspace's. A name
// that the kind refuses stops the start: it means that the operator expects something that would mix workspaces. So does
// one that is missing beside another that needs it.
func composeEnvironment(p *kind.Process, v values, router []string, own map[string]string) ([]string, error) {
	layers := kind.Layers{
		Base:   map[string]string{"PATH": defaultPath, "LANG": "C.UTF-8", "HOME": v.run, "TMPDIR": temporary(v.run)},
		Common: map[string]string{}, Own: own,
	}
	for _, variable := range router {
		name, value, found := strings.Cut(variable, "=")
		switch {
		case !found || name == "" || name == keeper.MarkName:
		case name == "PATH":
			layers.Base[name] = value
		default:
			layers.Common[name] = value
		}
	}
	var unexpanded error // which is the profile's fault, not the environment's
	environment, err := v.spec.Kind.Compose(p, layers, func(template string) (text string, err error) {
		text, err = v.expand(template)
		unexpanded = err
		return text, err
	})
	switch {
	case unexpanded != nil:
		return nil, unexpanded
	case err != nil:
		return nil, &causeError{supervisor.CauseEnvironment, err}
	}
	list := make([]string, 0, len(environment))
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		value := environment[name]
		if strings.ContainsRune(value, 0) || name == keeper.MarkName {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot set %s for a worker", name)}
		}
		// The keeper is told in JSON, which would put other characters in place of such bytes without a word.
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot give a worker the variable %q, which is not valid UTF-8", name)}
		}
		list = append(list, name+"="+value)
	}
	return list, nil
}

// ownEnvironment gives the workspace's own variables, those in files read now. What its kind does not take any more stops
// the start, as it would be without effect.
func (d *Driver) ownEnvironment(spec supervisor.Spec) (map[string]string, error) {
	own := make(map[string]string, len(spec.Environment))
	for _, variable := range spec.Environment {
		err := spec.Kind.CheckVariable(variable.Name)
		if err == nil {
			own[variable.Name], err = d.variable(variable)
		}
		if err != nil {
			return nil, &causeError{supervisor.CauseEnvironment, fmt.Errorf("cannot give the worker the workspace's own variable %s: %w", variable.Name, err)}
		}
	}
	return own, nil
}

func (d *Driver) variable(v workspace.Variable) (string, error) {
	if v.File == "" {
		return v.Reveal(), nil
	}
	return ReadVariable(v.File, d.config.Data)
}

func temporary(run string) string { return filepath.Join(run, "tmp") }
