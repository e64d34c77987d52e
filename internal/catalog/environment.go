package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"workspace-router/internal/workspace"
)

// EnvironmentChange changes a workspace's own environment.
type EnvironmentChange struct {
	Set     []workspace.Variable // take the place of those of their names
	Remove  []string             // names; one that is not there is no error
	Replace bool                 // what Set does not name goes, too
	// Check is given what would come of it, by name; its error is given back, and nothing is changed.
	Check func([]workspace.Variable) error
}

// Environment gives a workspace's own variables by name; none for most. It asks the database each time: a worker's start
// needs it, no request does.
func (c *Catalog) Environment(ctx context.Context, generation workspace.Generation) ([]workspace.Variable, error) {
	return environment(ctx, c.reader, generation)
}

// ChangeEnvironment changes it and gives what it is then. A workspace that is not there, or is deleted, is
// workspace.ErrNotFound.
func (c *Catalog) ChangeEnvironment(ctx context.Context, generation workspace.Generation, change EnvironmentChange) (list []workspace.Variable, err error) {
	what := fmt.Sprintf("change the environment of the generation %q", generation)
	err = c.update(ctx, what, nil, func(tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, "SELECT 1 FROM workspaces WHERE generation = ? AND state <> 'deleted'", string(generation)).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return workspace.ErrNotFound
		}
		if err != nil {
			return unavailable(what, err)
		}
		before, err := environment(ctx, tx, generation)
		if err != nil {
			return err
		}
		list = change.apply(before)
		if change.Check != nil {
			if err := change.Check(list); err != nil {
				return err
			}
		}
		return unavailable(what, writeEnvironment(ctx, tx, generation, list))
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// apply gives what the change makes of the variables that were there.
func (e EnvironmentChange) apply(before []workspace.Variable) []workspace.Variable {
	byName := map[string]workspace.Variable{}
	if !e.Replace {
		for _, v := range before {
			byName[v.Name] = v
		}
	}
	for _, name := range e.Remove {
		delete(byName, name)
	}
	for _, v := range e.Set {
		byName[v.Name] = v
	}
	list := make([]workspace.Variable, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

func environment(ctx context.Context, from querier, generation workspace.Generation) ([]workspace.Variable, error) {
	return collect(ctx, from, fmt.Sprintf("list the environment of the generation %q", generation), scanVariable,
		"SELECT name, value, file FROM workspace_environment WHERE generation = ? ORDER BY name", string(generation))
}

func scanVariable(row scanner) (workspace.Variable, error) {
	var name string
	var value, file sql.NullString
	if err := row.Scan(&name, &value, &file); err != nil {
		return workspace.Variable{}, err
	}
	if file.Valid {
		return workspace.VariableFromFile(name, file.String), nil
	}
	return workspace.NewVariable(name, value.String), nil
}

func writeEnvironment(ctx context.Context, tx *sql.Tx, generation workspace.Generation, list []workspace.Variable) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM workspace_environment WHERE generation = ?", string(generation)); err != nil {
		return err
	}
	for _, v := range list {
		inFile := v.File != ""
		if _, err := tx.ExecContext(ctx, "INSERT INTO workspace_environment (generation, name, value, file) VALUES (?, ?, ?, ?)", string(generation), v.Name,
			sql.NullString{String: v.Reveal(), Valid: !inFile}, sql.NullString{String: v.File, Valid: inFile}); err != nil {
			return err
		}
	}
	return nil
}
