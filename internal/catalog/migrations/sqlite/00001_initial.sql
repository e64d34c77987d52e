-- +goose Up
CREATE TABLE tenants (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    name_fold    TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    active       INTEGER NOT NULL DEFAULT 1,
    created_at   INTEGER NOT NULL -- milliseconds since 1970, as all times here
);

CREATE TABLE workspaces (
    generation   TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    name         TEXT NOT NULL,
    name_fold    TEXT NOT NULL,
    display_name TEXT NOT NULL,
    kind         TEXT NOT NULL,
    worker_name  TEXT NOT NULL,
    state        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    deleted_at   INTEGER
);

-- A name is unique within its tenant without regard to case, until its workspace is deleted.
CREATE UNIQUE INDEX workspaces_name ON workspaces (tenant_id, name_fold) WHERE state <> 'deleted';
-- For look-ups, which find deleted ones too.
CREATE INDEX workspaces_lookup ON workspaces (tenant_id, name_fold, deleted_at);

-- all_tenants = 1: the whole installation; else tenant_id, and within it the rows of key_workspaces, or all where there
-- are none and all_workspaces = 1.
CREATE TABLE keys (
    id             TEXT PRIMARY KEY,
    prefix         TEXT NOT NULL,
    hash           BLOB NOT NULL UNIQUE, -- SHA-256 of the secret
    name           TEXT NOT NULL,
    all_tenants    INTEGER NOT NULL,
    tenant_id      TEXT REFERENCES tenants (id),
    all_workspaces INTEGER NOT NULL,
    permissions    TEXT NOT NULL, -- their names, blanks between them
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    revoked_at     INTEGER,
    last_used_at   INTEGER,
    CHECK (all_tenants = 1 OR tenant_id IS NOT NULL)
);

CREATE TABLE key_workspaces (
    key_id     TEXT NOT NULL REFERENCES keys (id),
    generation TEXT NOT NULL REFERENCES workspaces (generation),
    PRIMARY KEY (key_id, generation)
);

-- +goose Down
DROP TABLE key_workspaces;
DROP TABLE keys;
DROP TABLE workspaces;
DROP TABLE tenants;
