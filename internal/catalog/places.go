package catalog

import (
	"context"
	"database/sql"
	"fmt"

	"workspace-router/internal/workspace"
)

// Places gives the places of a workspace that lie elsewhere than in its own directory, by name, with absolute paths;
// none for most. It asks the database each time: a worker's start needs it, no request does.
func (c *Catalog) Places(ctx context.Context, generation workspace.Generation) (map[string]string, error) {
	list, err := collect(ctx, c.reader, fmt.Sprintf("list the places of the generation %q", generation), scanPlace,
		"SELECT name, path FROM workspace_places WHERE generation = ?", string(generation))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	places := make(map[string]string, len(list))
	for _, p := range list {
		places[p.name] = p.path
	}
	return places, nil
}

type place struct{ name, path string }

func scanPlace(row scanner) (p place, err error) {
	err = row.Scan(&p.name, &p.path)
	return p, err
}

func insertPlaces(ctx context.Context, tx *sql.Tx, generation workspace.Generation, places map[string]string) error {
	for name, path := range places {
		if _, err := tx.ExecContext(ctx, "INSERT INTO workspace_places (generation, name, path) VALUES (?, ?, ?)",
			string(generation), name, path); err != nil {
			return err
		}
	}
	return nil
}
