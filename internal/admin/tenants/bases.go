package tenants

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Base is a knowledge base, which is a workspace, as the API shows it. The names are part of the API.
type Base struct {
	ID          string    `json:"kb_id"` // the workspace's generation
	DisplayName string    `json:"kb_name"`
	Name        string    `json:"name"`
	TenantID    string    `json:"tenant_id"`
	Workspace   string    `json:"workspace"` // as selectors name it
	Host        string    `json:"host"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Revision    int64     `json:"revision"`
	CreatedAt   time.Time `json:"created_at"`
}

func (a *API) shapeBase(t workspace.Tenant, w workspace.Workspace) Base {
	state := string(w.State)
	if w.Suspended {
		state = "suspended"
	}
	return Base{
		ID: string(w.Generation), DisplayName: w.DisplayName, Name: string(w.Name), TenantID: t.ID, Workspace: w.String(),
		Host: a.deps.Host(w.Ref), Kind: w.Kind, State: state, Revision: w.Revision, CreatedAt: w.CreatedAt,
	}
}

func (a *API) listBases(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	list, err := a.deps.Directory.List(c.r.Context(), t.Name)
	if err != nil {
		return err
	}
	shapes := []Base{}
	for _, w := range list {
		if c.sees(w.Ref) {
			shapes = append(shapes, a.shapeBase(t, w))
		}
	}
	return writePage(c, shapes, map[string]func(Base) string{
		"name": func(b Base) string { return b.Name }, "kb_name": func(b Base) string { return b.DisplayName },
		"created_at": func(b Base) string { return sortable(b.CreatedAt) },
	}, func(b Base) string { return b.Name + " " + b.DisplayName })
}

func (a *API) createBase(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	var wanted struct {
		DisplayName string `json:"kb_name"`
		Name        string `json:"name"`
		Kind        string `json:"kind"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	if err := c.needs(t, workspace.WorkspaceCreate); err != nil {
		return err
	}
	if !t.Active {
		return workspace.ErrTenantSuspended
	}
	if wanted.DisplayName == "" {
		wanted.DisplayName = wanted.Name
	}
	if err := displayName("kb_name", wanted.DisplayName); err != nil {
		return err
	}
	kinds := a.deps.Kinds()
	if wanted.Kind == "" {
		wanted.Kind = kinds.Default
	}
	if !slices.Contains(kinds.Names, wanted.Kind) {
		return fmt.Errorf("%w: kind: got %q, want one of %s", problem.ErrBadRequest, wanted.Kind, strings.Join(slices.Sorted(slices.Values(kinds.Names)), ", "))
	}
	var made workspace.Workspace
	err = inventName(c.r.Context(), wanted.Name, wanted.DisplayName, "kb", func(ctx context.Context, name workspace.Name) (created bool, err error) {
		made, created, err = a.deps.Directory.Create(ctx, workspace.Workspace{
			Ref: workspace.Ref{Tenant: t.Name, Name: name}, DisplayName: wanted.DisplayName, Kind: wanted.Kind,
		})
		return created, err
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", Root+"/"+t.ID+"/knowledge-bases/"+string(made.Generation))
	c.etag(made.Revision)
	return c.succeed(http.StatusCreated, a.shapeBase(t, made))
}

func (a *API) showBase(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	w, err := a.base(c, t)
	if err != nil {
		return err
	}
	c.etag(w.Revision)
	return c.succeed(http.StatusOK, a.shapeBase(t, w))
}

func (a *API) changeBase(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	w, err := a.base(c, t)
	if err != nil {
		return err
	}
	var wanted struct {
		DisplayName *string `json:"kb_name"`
		Revision    int64   `json:"revision"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	if err := c.needsOn(w.Ref, workspace.WorkspaceUpdate); err != nil {
		return err
	}
	if wanted.DisplayName == nil {
		return fmt.Errorf("%w: nothing is to be changed; give kb_name", problem.ErrBadRequest)
	}
	if err := displayName("kb_name", *wanted.DisplayName); err != nil {
		return err
	}
	revision, err := c.revision(wanted.Revision)
	if err != nil {
		return err
	}
	changed, err := a.deps.Directory.ChangeWorkspace(c.r.Context(), w.Generation, workspace.Change{DisplayName: wanted.DisplayName, Revision: revision})
	if err != nil {
		return err
	}
	c.etag(changed.Revision)
	return c.succeed(http.StatusOK, a.shapeBase(t, changed))
}

func (a *API) deleteBase(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	w, err := a.base(c, t)
	if err != nil {
		return err
	}
	if err := c.needsOn(w.Ref, workspace.WorkspaceDelete); err != nil {
		return err
	}
	if err := a.deps.Directory.MarkDeleted(c.r.Context(), w.Generation); err != nil {
		return err
	}
	return a.retire(c, map[string]any{"kb_id": string(w.Generation), "deleted": true}, w.Ref)
}
