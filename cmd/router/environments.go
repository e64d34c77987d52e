package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/catalog"
	"workspace-router/internal/kind"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor/process"
)

// environments are the workspaces' own variables, as the operator's API sees them: kept in the catalog, and checked
// against what is in force before they are.
type environments struct {
	catalog *catalog.Catalog
	inForce func() *live
	data    string // the data directory
	log     *zap.Logger
}

// Environment gives a workspace's own variables.
func (e environments) Environment(ctx context.Context, ref workspace.Ref) ([]workspace.Variable, error) {
	return e.catalog.Environment(ctx, ref.Generation)
}

// ChangeEnvironment refuses what a launch would refuse, and what could not be given to a process at all.
func (e environments) ChangeEnvironment(ctx context.Context, ref workspace.Ref, change admin.EnvironmentChange) ([]workspace.Variable, error) {
	w, err := e.catalog.LookupGeneration(ctx, ref.Generation)
	if err != nil {
		return nil, err
	}
	config := &e.inForce().config
	k := config.Profiles[w.Kind]
	if k == nil {
		return nil, fmt.Errorf("%w: the kind %q of workspace %q is not configured", workspace.ErrRefused, w.Kind, ref)
	}
	var problems []string
	for _, v := range change.Set {
		if err := e.checkVariable(k, v); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", v.Name, err))
		}
	}
	for _, name := range change.Remove {
		if !environmentName.MatchString(name) {
			problems = append(problems, fmt.Sprintf("%q: %s", name, wantName))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %s", problem.ErrBadRequest, strings.Join(problems, "; "))
	}
	list, err := e.catalog.ChangeEnvironment(ctx, ref.Generation, catalog.EnvironmentChange{
		Set: change.Set, Remove: change.Remove, Replace: change.Replace,
		Check: func(list []workspace.Variable) error { return checkTogether(config, k, list) },
	})
	if err != nil {
		return nil, err
	}
	e.log.Info("the environment of a workspace was changed; it counts with the next launch", zap.Stringer("workspace", ref),
		zap.Strings("set", names(change.Set)), zap.Strings("removed", change.Remove), zap.Bool("replaced", change.Replace))
	return list, nil
}

var environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

const wantName = "want an environment name: letters, digits and _, no digit first, at most 128"

func (e environments) checkVariable(k *kind.Kind, v workspace.Variable) error {
	if !environmentName.MatchString(v.Name) {
		return fmt.Errorf("%s", wantName)
	}
	if err := k.CheckVariable(v.Name); err != nil {
		return err
	}
	if v.File != "" {
		_, err := process.ReadVariable(v.File, e.data)
		return err
	}
	value := v.Reveal()
	if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
		return fmt.Errorf("its value is no text: it holds a NUL character or is not valid UTF-8")
	}
	return nil
}

// Bounds of one workspace's own environment: what a process can be given has an end, too.
const (
	maxVariables        = 256
	maxEnvironmentBytes = 64 << 10
)

// checkTogether refuses variables that a launch could not be made with, such as one that needs another which is not there.
func checkTogether(config *configs.Config, k *kind.Kind, list []workspace.Variable) error {
	own, size := make(map[string]string, len(list)), 0
	for _, v := range list {
		own[v.Name] = v.Reveal()
		if v.File != "" {
			own[v.Name] = v.File // whatever is in it by then: that it is given is what counts here
		}
		size += len(v.Name) + len(v.Reveal())
	}
	if len(list) > maxVariables || size > maxEnvironmentBytes {
		return fmt.Errorf("%w: %d variables of %d bytes, want at most %d of %d; give large values by a file", problem.ErrBadRequest,
			len(list), size, maxVariables, maxEnvironmentBytes)
	}
	asTheyAre := func(template string) (string, error) { return template, nil }
	for i := range k.Processes {
		if _, err := k.Compose(&k.Processes[i], kind.Layers{Common: config.Environment.Variables(), Own: own}, asTheyAre); err != nil {
			return fmt.Errorf("%w: %w", problem.ErrBadRequest, err)
		}
	}
	return nil
}

func names(list []workspace.Variable) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = v.Name
	}
	slices.Sort(all)
	return all
}
