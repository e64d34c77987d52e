-- +goose Up
-- Both may be missing, so that the version before, which knows neither, can go on making workspaces.
ALTER TABLE workspaces ADD COLUMN pinned_at INTEGER;       -- since when its worker is pinned; NULL: it is not
ALTER TABLE workspaces ADD COLUMN idle_timeout_ms INTEGER; -- 0: never for being idle; NULL: as its kind says

-- +goose Down
ALTER TABLE workspaces DROP COLUMN idle_timeout_ms;
ALTER TABLE workspaces DROP COLUMN pinned_at;
