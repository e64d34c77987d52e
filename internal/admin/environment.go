package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Environments are the variables that workspaces give their workers beyond what is common to their kind.
type Environments interface {
	// Environment gives a workspace's own variables by name.
	Environment(ctx context.Context, ref workspace.Ref) ([]workspace.Variable, error)
	// ChangeEnvironment changes them and gives what they are then. An error that wraps problem.ErrBadRequest says what is
	// wrong with the change, and that nothing was changed.
	ChangeEnvironment(ctx context.Context, ref workspace.Ref, change EnvironmentChange) ([]workspace.Variable, error)
}

// EnvironmentChange is what a request changes about a workspace's own variables.
type EnvironmentChange struct {
	Set     []workspace.Variable // by name
	Remove  []string             // names
	Replace bool                 // what Set does not name goes, too
}

// Environment is a workspace's own environment as the API shows it.
type Environment struct {
	Workspace string     `json:"workspace"`
	Tenant    string     `json:"tenant"`
	Kind      string     `json:"kind"`
	Variables []Variable `json:"variables"`
	Applies   string     `json:"applies"` // when a change counts; for people
}

// Variable is one of its variables: a mask in place of its value, or the file that holds it.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	File  string `json:"file,omitempty"`
}

const maskedValue = "********"

func (a *Admin) environment(c *call) error {
	w, err := a.find(c)
	if err != nil {
		return err
	}
	list, err := a.deps.Environments.Environment(c.r.Context(), w.Ref)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, shownEnvironment(w, list))
}

func (a *Admin) changeEnvironment(replace bool) func(*call) error {
	return func(c *call) error {
		w, err := a.find(c)
		if err != nil {
			return err
		}
		var wanted struct {
			Variables map[string]givenVariable `json:"variables"`
		}
		if err := c.read(&wanted); err != nil {
			return err
		}
		if wanted.Variables == nil {
			return fmt.Errorf(`%w: variables: is missing, want {"variables": {"NAME": "value", "NAME": {"file": "/path"}, "NAME": null}}`, problem.ErrBadRequest)
		}
		change := EnvironmentChange{Replace: replace}
		for _, name := range slices.Sorted(maps.Keys(wanted.Variables)) {
			switch given := wanted.Variables[name]; {
			case given.absent:
				change.Remove = append(change.Remove, name)
			case given.File != "":
				change.Set = append(change.Set, workspace.VariableFromFile(name, given.File))
			default:
				change.Set = append(change.Set, workspace.NewVariable(name, given.value))
			}
		}
		list, err := a.deps.Environments.ChangeEnvironment(c.r.Context(), w.Ref, change)
		if err != nil {
			return err
		}
		return c.write(http.StatusOK, shownEnvironment(w, list))
	}
}

func shownEnvironment(w workspace.Workspace, list []workspace.Variable) Environment {
	shown := Environment{
		Workspace: string(w.Name), Tenant: string(w.Tenant), Kind: w.Kind, Variables: []Variable{},
		Applies: "with the worker's next launch: router worker restart " + w.String(),
	}
	for _, v := range list {
		one := Variable{Name: v.Name, File: v.File}
		if v.File == "" {
			one.Value = maskedValue
		}
		shown.Variables = append(shown.Variables, one)
	}
	return shown
}

// givenVariable is what a request says of one variable: a text, {"file": PATH}, or null for none.
type givenVariable struct {
	File   string
	value  string
	absent bool
}

// UnmarshalJSON reads either form. Its errors do not quote what was given, which may be a secret.
func (g *givenVariable) UnmarshalJSON(text []byte) error {
	if g.absent = bytes.Equal(text, []byte("null")); g.absent {
		return nil
	}
	if text[0] == '"' {
		return json.Unmarshal(text, &g.value)
	}
	var file struct {
		File string `json:"file"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&file) != nil || strings.TrimSpace(file.File) == "" {
		return errors.New(`a variable is a text, {"file": "/path"}, or null to remove it`)
	}
	g.File = file.File
	return nil
}
