package tenants

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Tenant is a tenant as the API shows it. The names are part of the API.
type Tenant struct {
	ID          string    `json:"tenant_id"`
	DisplayName string    `json:"tenant_name"`
	Name        string    `json:"name"` // as in `name.workspace`
	Active      bool      `json:"is_active"`
	Revision    int64     `json:"revision"`
	CreatedAt   time.Time `json:"created_at"`
}

func shapeTenant(t workspace.Tenant) Tenant {
	return Tenant{ID: t.ID, DisplayName: t.DisplayName, Name: string(t.Name), Active: t.Active, Revision: t.Revision, CreatedAt: t.CreatedAt}
}

func (a *API) listTenants(c *call) error {
	list, err := a.deps.Directory.Tenants(c.r.Context())
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(t workspace.Tenant) bool { return !c.principal.BelongsTo(t.Name) && !seesAll(c.principal) })
	shapes := make([]Tenant, len(list))
	for i, t := range list {
		shapes[i] = shapeTenant(t)
	}
	return writePage(c, shapes, map[string]func(Tenant) string{
		"name": func(t Tenant) string { return t.Name }, "tenant_name": func(t Tenant) string { return t.DisplayName },
		"created_at": func(t Tenant) string { return sortable(t.CreatedAt) },
	}, func(t Tenant) string { return t.Name + " " + t.DisplayName })
}

func (a *API) createTenant(c *call) error {
	var wanted struct {
		DisplayName string `json:"tenant_name"`
		Name        string `json:"name"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	if !c.principal.MayEverywhere(workspace.ClusterOperate) {
		return workspace.Denied(workspace.ClusterOperate)
	}
	if wanted.DisplayName == "" {
		wanted.DisplayName = wanted.Name
	}
	if err := displayName("tenant_name", wanted.DisplayName); err != nil {
		return err
	}
	var made workspace.Tenant
	err := inventName(c.r.Context(), wanted.Name, wanted.DisplayName, "tenant", func(ctx context.Context, name workspace.Name) (created bool, err error) {
		made, created, err = a.deps.Directory.CreateTenant(ctx, name, wanted.DisplayName)
		return created, err
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", Root+"/"+made.ID)
	c.etag(made.Revision)
	return c.succeed(http.StatusCreated, shapeTenant(made))
}

// maxNumber bounds the search for a name that is not taken.
const maxNumber = 1000

// inventName makes something under the name that is given, or else under the first that can be made of its display name
// and is not taken.
func inventName(ctx context.Context, given, display, fallback string, make func(context.Context, workspace.Name) (created bool, err error)) error {
	if given != "" {
		name, err := workspace.ParseName(given)
		if err != nil {
			return err
		}
		created, err := make(ctx, name)
		if err == nil && !created {
			err = fmt.Errorf("%w: the name %q is taken", workspace.ErrExists, name)
		}
		return err
	}
	first := workspace.MakeName(display)
	if first == "" {
		first = workspace.Name(fallback)
	}
	for number, name := 1, first; number <= maxNumber; number++ {
		if number > 1 {
			name = first.Numbered(number)
		}
		if created, err := make(ctx, name); err != nil || created {
			return err
		}
	}
	return fmt.Errorf("%w: %d names like %q are taken; give one in the field name", workspace.ErrExists, maxNumber, first)
}

func (a *API) showTenant(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	c.etag(t.Revision)
	return c.succeed(http.StatusOK, shapeTenant(t))
}

func (a *API) changeTenant(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	var wanted struct {
		DisplayName *string `json:"tenant_name"`
		Active      *bool   `json:"is_active"`
		Revision    int64   `json:"revision"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	if wanted.DisplayName != nil {
		if err := c.needs(t, workspace.TenantAdmin); err != nil {
			return err
		}
		if err := displayName("tenant_name", *wanted.DisplayName); err != nil {
			return err
		}
	}
	if wanted.Active != nil && !c.principal.MayEverywhere(workspace.ClusterOperate) { // or a suspended tenant could resume itself
		return workspace.Denied(workspace.ClusterOperate)
	}
	if wanted.DisplayName == nil && wanted.Active == nil {
		return fmt.Errorf("%w: nothing is to be changed; give tenant_name or is_active", problem.ErrBadRequest)
	}
	revision, err := c.revision(wanted.Revision)
	if err != nil {
		return err
	}
	changed, err := a.deps.Directory.ChangeTenant(c.r.Context(), t.ID, workspace.Change{DisplayName: wanted.DisplayName, Active: wanted.Active, Revision: revision})
	if err != nil {
		return err
	}
	if !changed.Active {
		a.deps.Workers.CutTenant(changed.Name)
	}
	c.etag(changed.Revision)
	return c.succeed(http.StatusOK, shapeTenant(changed))
}

func (a *API) deleteTenant(c *call) error {
	t, err := a.tenant(c)
	if err != nil {
		return err
	}
	if !c.principal.MayEverywhere(workspace.ClusterOperate) {
		return workspace.Denied(workspace.ClusterOperate)
	}
	ended, err := a.deps.Directory.DeleteTenant(c.r.Context(), t.ID)
	if err != nil {
		return err
	}
	a.deps.Workers.CutTenant(t.Name)
	return a.retire(c, map[string]any{"tenant_id": t.ID, "deleted": true, "knowledge_bases": len(ended)}, ended...)
}

// retire waits until the workers of deleted workspaces are gone and their data are put away, and says by its status
// whether that is done: 200, or 202 where it goes on. The deletion itself stands.
func (a *API) retire(c *call, data map[string]any, ended ...workspace.Ref) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), retireTimeout)
	defer cancel()
	status := http.StatusOK
	for _, ref := range ended {
		if err := a.deps.Workers.Retire(ctx, ref); err != nil {
			status = http.StatusAccepted
			if a.deps.Report != nil {
				a.deps.Report(c.r, err)
			}
		}
	}
	return c.succeed(status, data)
}
