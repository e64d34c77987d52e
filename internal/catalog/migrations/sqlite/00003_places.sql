-- +goose Up
-- Where the data of a workspace lie that were there before it was.
CREATE TABLE workspace_places (
    generation TEXT NOT NULL REFERENCES workspaces (generation),
    name       TEXT NOT NULL, -- of the place, as its kind calls it
    path       TEXT NOT NULL, -- absolute
    PRIMARY KEY (generation, name)
);

-- +goose Down
DROP TABLE workspace_places;
