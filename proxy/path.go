package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
)

// readPath refuses a path that two programs could take for two different places, and takes the selector off it:
// "/w/alpha/query" is the prefix "/w/alpha" and the worker's own path "/query".
func (c *chain) readPath(x *exchange) error {
	if x.r.Method == http.MethodConnect {
		return fmt.Errorf("%w: CONNECT is not served", workspace.ErrUpgradeForbidden)
	}
	path, err := kind.ParsePath(rawPath(x.r))
	if err != nil {
		return err
	}
	x.path = path
	segment, rest := path.CutSegment()
	if segment == "api" && c.readTenantPath(x, path) {
		x.record.Path = telemetry.SafePath(x.path.Decoded)
		x.prefix = strings.TrimSuffix(path.Raw, x.path.Raw)
		return nil
	}
	if segment != "w" {
		x.record.Path = telemetry.SafePath(path.Decoded)
		return nil
	}
	x.record.Path = telemetry.SafePath(rest.Decoded)
	if x.path, x.inPath = rest, true; rest.Raw != "" {
		x.pathName, x.path = rest.CutSegment()
	}
	x.prefix = strings.TrimSuffix(path.Raw, x.path.Raw)
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
