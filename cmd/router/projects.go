package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workspace-router/configs"
	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor/process"
)

// placer decides where the data of new workspaces lie: below the data directory, or in the directory of projects.
type placer struct{ inForce func() *live }

func (s *server) placer() placer { return placer{s.live.Load} }

// create makes a workspace with its places. A directory of its name that is there is its own from then on, with what is in
// it; one that is marked as another's is refused. What was made for a name that is in use is left as it is.
func (p placer) create(ctx context.Context, c *catalog.Catalog, wanted catalog.NewWorkspace) (workspace.Workspace, bool, error) {
	config := &p.inForce().config
	wanted.Places = config.PlacesOf(wanted.Kind, wanted.Tenant, wanted.Name)
	if len(wanted.Places) == 0 {
		return c.Create(ctx, wanted)
	}
	if w, err := c.Lookup(ctx, wanted.Tenant, wanted.Name); err == nil && w.State != workspace.StateDeleted {
		return w, false, nil
	}
	if _, err := c.Tenant(ctx, wanted.Tenant); err != nil {
		return workspace.Workspace{}, false, fmt.Errorf("cannot make the workspace %q: %w", wanted.Name, err)
	}
	own := configs.ProjectDirectory(wanted.Tenant, wanted.Name)
	if err := withoutTwin(config.Projects.Dir, own); err != nil {
		return workspace.Workspace{}, false, fmt.Errorf("%w: cannot make the workspace %q: %w", workspace.ErrUnavailable, wanted.Name, err)
	}
	for _, path := range slices.Sorted(maps.Values(wanted.Places)) {
		err := putAside(ctx, c, path)
		if err == nil {
			err = free(path)
		}
		if err != nil {
			return workspace.Workspace{}, false, fmt.Errorf("%w: cannot make the workspace %q: %w", workspace.ErrUnavailable, wanted.Name, err)
		}
	}
	return c.Create(ctx, wanted)
}

// putAside renames a directory that was a deleted workspace's, so that its name can be used again and begins empty. What is
// in it stays for the operator to remove.
func putAside(ctx context.Context, c *catalog.Catalog, path string) error {
	owner, err := process.PlaceOwner(path)
	if err != nil || owner == "" {
		return err
	}
	w, err := c.LookupGeneration(ctx, owner)
	switch {
	case errors.Is(err, workspace.ErrNotFound): // of another router, perhaps
		return nil
	case err != nil:
		return err
	case w.State != workspace.StateDeleted:
		return nil
	}
	if err := os.Rename(path, path+".deleted-"+string(owner)); err != nil {
		return fmt.Errorf("cannot put the directory of a deleted workspace aside: %w", err)
	}
	return nil
}

// withoutTwin refuses a directory beside which there is one that differs in case only: names of workspaces do not.
func withoutTwin(dir, own string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look into the directory of projects: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != own && strings.EqualFold(entry.Name(), own) {
			return fmt.Errorf("the directory %q is there, which differs from %q in case only; ask for it by its own name",
				filepath.Join(dir, entry.Name()), own)
		}
	}
	return nil
}

// free makes the directory where it is missing, and refuses one that is another workspace's.
func free(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	owner, err := process.PlaceOwner(path)
	if err != nil {
		return err
	}
	if owner != "" {
		return fmt.Errorf("the directory %q is in use by a workspace router with another --data, or was that of a workspace that is deleted, "+
			"as its file %q says; use that one, or remove the file where nothing uses the directory any more", path, process.PlaceMarker)
	}
	return nil
}
