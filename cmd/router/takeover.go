package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor/process"
)

// takeOver makes the data of the server whose place the router takes the default workspace's, where they are. It does so
// once: a default workspace that is there already keeps the data that it has.
func takeOver(ctx context.Context, c *catalog.Catalog, config *configs.Config, log *zap.Logger) error {
	found, name := config.TakenOver, workspace.Name(config.DefaultWorkspace)
	if found == nil {
		return makeDefault(ctx, c, config)
	}
	w, err := c.Lookup(ctx, workspace.DefaultTenant, name)
	switch {
	case err == nil:
		return compareTaken(ctx, c, w, found, log)
	case !errors.Is(err, workspace.ErrNotFound):
		return fmt.Errorf("cannot take over the data of the server before: %w", err)
	}
	for _, path := range slices.Sorted(maps.Values(found.Places)) {
		if err := free(path); err != nil {
			return fmt.Errorf("cannot take over the data of the server before: %w", err)
		}
	}
	w, _, err = c.Create(ctx, catalog.NewWorkspace{
		Tenant: workspace.DefaultTenant, Name: name, Kind: config.DefaultKind, WorkerName: found.WorkerName, Places: found.Places,
	})
	if err != nil {
		return fmt.Errorf("cannot take over the data of the server before: %w", err)
	}
	for _, path := range slices.Sorted(maps.Values(found.Places)) {
		if err := process.ClaimPlace(path, w.Generation); err != nil {
			return fmt.Errorf("cannot take over the data of the server before: %w", err)
		}
	}
	log.Info("the data of the server before are the default workspace's now, where they are",
		zap.Stringer("workspace", w.Ref), zap.String("directories", listed(found.Places)))
	return nil
}

// makeDefault makes the default workspace where requests without a credential may reach it, and it alone: they could not
// make it.
func makeDefault(ctx context.Context, c *catalog.Catalog, config *configs.Config) error {
	if config.Anonymous != configs.AnonymousDefaultWorkspace {
		return nil
	}
	name := workspace.Name(config.DefaultWorkspace)
	if _, err := c.Lookup(ctx, workspace.DefaultTenant, name); !errors.Is(err, workspace.ErrNotFound) {
		return err // nothing, where it is there or was deleted
	}
	_, _, err := c.Create(ctx, catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: name, Kind: config.DefaultKind})
	return err
}

// warnOfAnonymous says what is open to whom.
func warnOfAnonymous(config *configs.Config, log *zap.Logger) {
	if reach := config.AnonymousReach(); reach != "" {
		log.Warn("no credential is asked for: "+reach, zap.String("anonymous", config.Anonymous))
	}
}

// compareTaken says where the default workspace's data lie when the surroundings name another place.
func compareTaken(ctx context.Context, c *catalog.Catalog, w workspace.Workspace, found *configs.TakenOver, log *zap.Logger) error {
	places, err := c.Places(ctx, w.Generation)
	if err != nil {
		return fmt.Errorf("cannot see where the default workspace's data lie: %w", err)
	}
	if maps.Equal(places, found.Places) && w.WorkerName == found.WorkerName {
		return nil
	}
	where := "below the data directory"
	if len(places) > 0 {
		where = listed(places)
	}
	log.Warn("the directories of a server before are not used: the default workspace was made before and keeps its data where they are",
		zap.Stringer("workspace", w.Ref), zap.String("found", listed(found.Places)), zap.String("kept", where))
	return nil
}

func listed(places map[string]string) string {
	return strings.Join(slices.Sorted(maps.Values(places)), ", ")
}
