package proxy

import (
	"fmt"
	"net/http"

	"workspace-router/internal/workspace"
)

// selector is a workspace as the client gave it: a name, or a generation. It is a hint from outside, never a right.
type selector struct {
	tenant, name workspace.Name // tenant is empty where none was written
	generation   workspace.Generation
	from         origin
}

// origin is where in a request a selector was found.
type origin string

// The origins of selectors, those first that decide first.
const (
	fromListener origin = "this listener"
	fromHost     origin = "the host"
	fromPath     origin = "the path"
	fromHeader   origin = "the header"
	fromModel    origin = "the model" // a hint that gives way to all others, as the next one is
	fromTenant   origin = "the tenant"
)

// settlesTenant reports whether a bare name elsewhere in the request means the tenant of this selector: a worker's own
// pages, which know their workspace by its name, are served under hosts and listeners.
func (s selector) settlesTenant() bool { return s.from == fromHost || s.from == fromListener }

func (s selector) String() string {
	switch {
	case s.generation != "":
		return string(s.generation)
	case s.tenant == "":
		return string(s.name)
	}
	return string(s.tenant) + "." + string(s.name)
}

// same reports whether two selectors certainly mean the same workspace.
func (s selector) same(other selector) bool {
	return s.generation == other.generation && s.name.Fold() == other.name.Fold() && s.tenant.Fold() == other.tenant.Fold()
}

// mayAgree reports whether two selectors can mean the same workspace: the names are equal, and so are the tenants or
// one is left open. What a generation is called only the catalog knows.
func (s selector) mayAgree(other selector) bool {
	if s.generation != "" || other.generation != "" {
		return s.generation == "" || other.generation == "" || s.generation == other.generation
	}
	return s.name.Fold() == other.name.Fold() &&
		(s.tenant == "" || other.tenant == "" || s.tenant.Fold() == other.tenant.Fold())
}

// selectors are the explicit ones of a request, the one that decides first.
type selectors struct {
	list [4]selector
	n    int
}

func (s *selectors) add(one selector) {
	s.list[s.n] = one
	s.n++
}

// readSelectors finds what names a workspace in the request: the listener or the host, the path, the headers. What
// certainly disagrees is refused before anything is looked up.
func (c *chain) readSelectors(x *exchange, into *selectors) error {
	if c.bound.name != "" {
		into.add(c.bound)
	}
	if x.onHost {
		label, _ := workspaceLabel(x.r.Host, x.settings.BaseDomain)
		tenant, name, generation, err := workspace.ParseHostLabel(label)
		if err != nil {
			return err
		}
		into.add(selector{tenant: tenant, name: name, generation: generation, from: fromHost})
	}
	inHeader, given, err := headerSelector(x.r.Header)
	if err != nil {
		return err
	}
	if x.inPath {
		inPath, err := c.pathSelector(x)
		if err != nil {
			return err
		}
		into.add(inPath)
	}
	if given {
		into.add(inHeader)
	}
	for i := 1; i < into.n; i++ {
		if !into.list[0].mayAgree(into.list[i]) {
			return conflict(into.list[0], into.list[i])
		}
	}
	return nil
}

func (c *chain) pathSelector(x *exchange) (selector, error) {
	if x.pathTenant != "" {
		return c.tenantSelector(x)
	}
	return parseSelector(x.pathName, fromPath)
}

func conflict(first, other selector) error {
	return fmt.Errorf("%w: %s %q, %s %q", workspace.ErrConflict, first.from, first, other.from, other)
}

func parseSelector(text string, from origin) (selector, error) {
	tenant, name, err := workspace.ParseQualified(text)
	return selector{tenant: tenant, name: name, from: from}, err
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
		s, err = parseSelector(values[0], fromHeader)
		return s, true, err
	}
	return selector{}, true, fmt.Errorf("%w: the header %s has %d values, want one", workspace.ErrNameInvalid, name, len(values))
}
