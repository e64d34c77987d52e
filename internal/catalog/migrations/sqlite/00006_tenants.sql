-- +goose Up
-- revision counts a row's changes, for those who change what they have read. A deleted tenant keeps its row, since its
-- workspaces and keys hang on it, under a name_fold that no name can have.
ALTER TABLE tenants ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN deleted_at INTEGER;
ALTER TABLE workspaces ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE INDEX keys_tenant ON keys (tenant_id);

-- What was answered to a request that may be sent again: the same principal, route and key get the same answer.
CREATE TABLE answers (
    id         BLOB PRIMARY KEY, -- SHA-256 of principal, method, path and Idempotency-Key
    body_hash  BLOB NOT NULL,    -- SHA-256 of the request's body
    status     INTEGER,          -- NULL: it is being worked on
    answer     BLOB,
    created_at INTEGER NOT NULL
);
CREATE INDEX answers_created ON answers (created_at);

-- +goose Down
DROP TABLE answers;
DROP INDEX keys_tenant;
ALTER TABLE workspaces DROP COLUMN revision;
ALTER TABLE tenants DROP COLUMN deleted_at;
ALTER TABLE tenants DROP COLUMN revision;
