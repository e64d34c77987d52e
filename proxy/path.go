package proxy

import (
	"fmt"
	"net/http"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
)

// readPath refuses a path that two programs could take for two different places, and finds out whether it holds the
// selector.
func (c *chain) readPath(x *exchange) error {
	if x.r.Method == http.MethodConnect {
		return fmt.Errorf("%w: CONNECT is not served", workspace.ErrUpgradeForbidden)
	}
	x.whole = rawPath(x.r)
	path, err := kind.ParsePath(x.whole)
	if err != nil {
		return err
	}
	x.path, x.bare = path, true
	if segment, rest := path.CutSegment(); segment == "w" {
		x.bare = false
		x.path = rest
	}
	x.record.Path = telemetry.SafePath(x.path.Decoded)
	return nil
}

// rawPath is the path as it was sent. URL.EscapedPath would encode anew what holds a character that should have been
// encoded, and make a plain slash of an encoded one on the way.
func rawPath(r *http.Request) string {
	switch {
	case r.URL.RawPath != "":
		return r.URL.RawPath
	case r.URL.Path == "" && r.URL.Host != "":
		return "/" // the absolute form without a path
	}
	return r.URL.EscapedPath()
}
