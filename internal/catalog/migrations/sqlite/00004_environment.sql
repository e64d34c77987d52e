-- +goose Up
-- The variables that a workspace's workers are given beyond those of all of its kind.
CREATE TABLE workspace_environment (
    generation TEXT NOT NULL REFERENCES workspaces (generation),
    name       TEXT NOT NULL,
    value      TEXT,
    file       TEXT, -- absolute; holds the value and is read with each launch
    PRIMARY KEY (generation, name),
    CHECK ((value IS NULL) <> (file IS NULL))
);

-- +goose Down
DROP TABLE workspace_environment;
