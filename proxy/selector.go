package proxy

import (
	"fmt"
	"net/http"

	"workspace-router/internal/workspace"
)

// selector is a name for a workspace as the client gave it. It is a hint from outside, never a right.
type selector struct {
	tenant, name workspace.Name // tenant is empty where none was written
}

func (s selector) String() string {
	if s.tenant == "" {
		return string(s.name)
	}
	return string(s.tenant) + "." + string(s.name)
}

// same reports whether two selectors certainly mean the same workspace.
func (s selector) same(other selector) bool {
	return s.name.Fold() == other.name.Fold() && s.tenant.Fold() == other.tenant.Fold()
}

// mayAgree reports whether two selectors can mean the same workspace: the names are equal, and one leaves the tenant
// open.
func (s selector) mayAgree(other selector) bool {
	return s.name.Fold() == other.name.Fold() && (s.tenant == "" || other.tenant == "")
}

func parseSelector(text string) (selector, error) {
	tenant, name, err := workspace.ParseQualified(text)
	return selector{tenant: tenant, name: name}, err
}

// headerSelector reads LIGHTRAG-WORKSPACE, or X-Workspace-ID where the first is not there.
func headerSelector(h http.Header) (s selector, given bool, err error) {
	name, values := "LIGHTRAG-WORKSPACE", h[headerWorkspace]
	if len(values) == 0 {
		name, values = "X-Workspace-ID", h[headerWorkspaceID]
	}
	switch len(values) {
	case 0:
		return selector{}, false, nil
	case 1:
		s, err = parseSelector(values[0])
		return s, true, err
	}
	return selector{}, true, fmt.Errorf("%w: the header %s has %d values, want one", workspace.ErrNameInvalid, name, len(values))
}
