-- +goose Up
-- What its workers are told to do with work that was left unfinished: off, pending or all; empty is as the kind says.
ALTER TABLE workspaces ADD COLUMN resume TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE workspaces DROP COLUMN resume;
