package catalog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"workspace-router/internal/workspace"
)

// What was given to a workspace alone may be a secret of somebody's who has left: no file holds it after the deletion.
func TestDeleted_LeavesNoVariables(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Catalog, workspace.Workspace) error{
		"the workspace": func(c *Catalog, w workspace.Workspace) error { return c.MarkDeleted(t.Context(), w.Generation) },
		"its tenant": func(c *Catalog, w workspace.Workspace) error {
			owner, err := c.Tenant(t.Context(), w.Tenant)
			if err == nil {
				_, err = c.DeleteTenant(t.Context(), owner.ID)
			}
			return err
		},
	} {
		path := filepath.Join(t.TempDir(), "catalog.db")
		c := openAt(t, path)
		makeTenant(t, c, "acme")
		w, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "acme", Name: "alpha", Kind: "embedded"})
		if err == nil {
			_, err = c.ChangeEnvironment(t.Context(), w.Generation, EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("LLM_BINDING_API_KEY", "sk-of-a-customer")}})
		}
		if err == nil {
			err = end(c, w)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if list, err := c.Environment(t.Context(), w.Generation); err != nil || len(list) != 0 {
			t.Errorf("%s: left are %v, %v", name, list, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{path, path + "-wal"} {
			if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte("sk-of-a-customer")) {
				t.Errorf("%s: %s still holds it", name, filepath.Base(file))
			}
		}
	}
}
