package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// visible gives the workspaces that the principal sees, by tenant and name. Who operates the installation sees all.
func (a *Admin) visible(c *call) ([]workspace.Workspace, error) {
	tenants, all := c.principal.Tenants()
	if all {
		tenants = []workspace.Name{""}
	}
	list := []workspace.Workspace{}
	for _, tenant := range tenants {
		part, err := a.deps.Directory.List(c.r.Context(), tenant)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return slices.DeleteFunc(list, func(w workspace.Workspace) bool {
		return !c.principal.Sees(w.Ref) && !operates(c.principal, w.Ref)
	}), nil
}

func (a *Admin) listWorkspaces(c *call) error {
	list, err := a.visible(c)
	if err != nil {
		return err
	}
	shapes := make([]Workspace, len(list))
	for i, w := range list {
		shapes[i] = a.shape(w)
	}
	return c.write(http.StatusOK, shapes)
}

func (a *Admin) showWorkspace(c *call) error {
	w, err := a.find(c)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, a.shape(w))
}

func (a *Admin) createWorkspace(c *call) error {
	var wanted struct {
		Name        string `json:"name"`
		Tenant      string `json:"tenant"`
		DisplayName string `json:"display_name"`
		Kind        string `json:"kind"`
		IdleTimeout string `json:"idle_timeout"`
		Resume      string `json:"resume"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	tenant, name, err := workspace.ParseQualified(wanted.Name)
	if err != nil {
		return err
	}
	switch {
	case tenant != "" && wanted.Tenant != "" && workspace.Name(wanted.Tenant).Fold() != tenant.Fold():
		return fmt.Errorf("%w: name and tenant name different tenants", problem.ErrBadRequest)
	case tenant == "" && wanted.Tenant != "":
		if tenant, err = workspace.ParseName(wanted.Tenant); err != nil {
			return err
		}
	case tenant == "":
		tenant = workspace.DefaultTenant
	}
	if !c.principal.MayInTenant(tenant, workspace.WorkspaceCreate) {
		return workspace.ErrPermissionDenied
	}
	kinds := a.deps.Kinds()
	if wanted.Kind == "" {
		wanted.Kind = kinds.Default
	}
	if !slices.Contains(kinds.Names, wanted.Kind) {
		return fmt.Errorf("%w: kind: got %q, want one of %s", problem.ErrBadRequest, wanted.Kind, strings.Join(slices.Sorted(slices.Values(kinds.Names)), ", "))
	}
	idle, err := parseIdleTimeout(wanted.IdleTimeout)
	if err != nil {
		return err
	}
	resume, err := kinds.parseResume(wanted.Resume, wanted.Kind)
	if err != nil {
		return err
	}
	made, created, err := a.deps.Directory.Create(c.r.Context(), workspace.Workspace{
		Ref: workspace.Ref{Tenant: tenant, Name: name}, DisplayName: wanted.DisplayName, Kind: wanted.Kind, IdleTimeout: idle, Resume: resume,
	})
	if err != nil {
		return err
	}
	if !created {
		return workspace.ErrExists
	}
	c.w.Header().Set("Location", "/api/v1/workspaces/"+made.String())
	return c.write(http.StatusCreated, a.shape(made))
}

// updateWorkspace changes what the body names; an idle time-out that is null or blank, and a policy for what was left
// unfinished that is blank, is as the kind says again.
func (a *Admin) updateWorkspace(c *call) error {
	w, err := a.find(c)
	if err != nil {
		return err
	}
	if !c.principal.May(w.Ref, workspace.WorkspaceUpdate) {
		return workspace.ErrPermissionDenied
	}
	var wanted struct {
		DisplayName *string         `json:"display_name"`
		IdleTimeout json.RawMessage `json:"idle_timeout"`
		Resume      *string         `json:"resume"`
	}
	if err := c.read(&wanted); err != nil {
		return err
	}
	var idle *time.Duration
	if wanted.IdleTimeout != nil {
		var text string
		if err := json.Unmarshal(wanted.IdleTimeout, &text); err != nil {
			return fmt.Errorf("%w: idle_timeout: want a text such as 10m, 0s for never, or null", problem.ErrBadRequest)
		}
		timeout, err := parseIdleTimeout(text)
		if err != nil {
			return err
		}
		idle = &timeout
	}
	if wanted.Resume != nil {
		if _, err := a.deps.Kinds().parseResume(*wanted.Resume, w.Kind); err != nil {
			return err
		}
	}
	changed, err := a.deps.Directory.Update(c.r.Context(), w.Ref, wanted.DisplayName, idle, wanted.Resume)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, a.shape(changed))
}

// listing is LightRAG's planned GET /workspaces: what this principal may see. It asks the pool only which workers run.
func (a *Admin) listing(c *call) error {
	list, err := a.visible(c)
	if err != nil {
		return err
	}
	workers, err := a.deps.Workers.Workers(c.r.Context())
	if err != nil {
		return err
	}
	loaded := map[workspace.Generation]bool{}
	for _, w := range workers {
		loaded[w.Ref.Generation] = w.State == "ready"
	}
	shapes := make([]Listed, len(list))
	for i, w := range list {
		shapes[i] = Listed{
			Workspace: w.String(), WorkspaceName: w.DisplayName, LifecycleState: strings.ToUpper(string(w.State)),
			OllamaTag: w.String() + ":latest", Host: a.Host(w.Ref), Loaded: loaded[w.Generation], CreatedAt: w.CreatedAt,
		}
	}
	return c.write(http.StatusOK, map[string][]Listed{"workspaces": shapes})
}

// Host is the workspace's below the base domain that is configured, else below localhost, which browsers take for the
// machine that they run on.
func (a *Admin) Host(ref workspace.Ref) string {
	domain := "localhost"
	if a.deps.BaseDomain != nil {
		if configured := a.deps.BaseDomain(); configured != "" {
			domain = configured
		}
	}
	return ref.HostLabel() + "." + domain
}

func (a *Admin) whoami(c *call) error {
	identity := Identity{Type: string(c.principal.Type), ID: c.principal.ID, Grants: []Scope{}}
	for _, g := range c.principal.Grants {
		scope := Scope{Tenant: string(g.Tenant), Permissions: []string{}}
		if g.AllTenants {
			scope.Tenant = "*"
		}
		for _, generation := range g.Workspaces {
			scope.Workspaces = append(scope.Workspaces, string(generation))
		}
		for _, p := range g.Permissions.List() {
			scope.Permissions = append(scope.Permissions, p.String())
		}
		identity.Grants = append(identity.Grants, scope)
	}
	return c.write(http.StatusOK, identity)
}
