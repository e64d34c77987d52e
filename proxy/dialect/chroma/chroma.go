// Package chroma is the project API: what a Chroma server for many projects, one directory each, promised its clients. It
// owns the routes below /api/v1 of the project listener, the ids of collections that it has looked up, and the form in
// which errors are told there. Each request becomes one of Chroma's own API, to the workspace of the project's name, and goes
// to the data plane as if it had come so: whoever asks is authenticated, selected for and judged there, by the route that
// it has become. The package knows no workspace, key or worker, and starts no goroutine.
package chroma

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/kind"
)

// ProjectsPath is where the projects are listed. The data plane answers there, with the list alone.
const ProjectsPath = "/api/v1/projects"

// Config of the API.
type Config struct {
	Version string // of Chroma, as /api/v1/version says it
	Router  string // the router's own
	MaxBody int64  // of requests that have to be read before they go on, in bytes; 0 is 32 MiB
}

const defaultMaxBody = 32 << 20

// Deps are what the API is made of.
type Deps struct {
	// Next is the data plane. It serves Chroma's own API below /w/{project}/api/v2, and lists at ProjectsPath.
	Next  http.Handler
	Names *Names
}

type api struct {
	Config
	Deps
}

// New puts the API in front of a data plane. What is not below /api/v1, nor "/", goes on to it as it is. The handler is safe
// for concurrent use.
func New(cfg Config, deps Deps) (http.Handler, error) {
	if deps.Next == nil || deps.Names == nil {
		return nil, errors.New("cannot make the project API: a data plane and names are needed")
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	return &api{cfg, deps}, nil
}

// ServeHTTP serves one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, err := kind.ParsePath(r.URL.EscapedPath())
	if err != nil { // for the data plane to refuse, as everywhere
		a.Next.ServeHTTP(w, r)
		return
	}
	decoded := path.Decoded
	switch {
	case decoded == "/":
		a.read(w, r, a.about)
	case decoded != "/api/v1" && !strings.HasPrefix(decoded, "/api/v1/"):
		a.Next.ServeHTTP(w, r)
	case decoded == "/api/v1/heartbeat":
		a.read(w, r, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]any{"status": "ok", "nanosecond heartbeat": time.Now().UnixNano()})
		})
	case decoded == "/api/v1/version":
		a.read(w, r, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]string{"version": a.Version})
		})
	case decoded == ProjectsPath:
		a.read(w, r, func(w http.ResponseWriter, r *http.Request) { a.pass(w, r, nil) })
	default:
		a.project(w, r, path)
	}
}

// read serves a GET, and refuses other methods.
func (a *api) read(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if r.Method != http.MethodGet {
		refuseMethod(w, []string{http.MethodGet})
		return
	}
	serve(w, r)
}

func (a *api) about(w http.ResponseWriter, _ *http.Request) {
	routes := make([]string, 0, len(operations)+4)
	for _, fixed := range []string{"/", "/api/v1/heartbeat", "/api/v1/version", ProjectsPath} {
		routes = append(routes, "GET "+fixed)
	}
	for name, methods := range operations {
		for method := range methods {
			routes = append(routes, method+" /api/v1/{project}/collections"+name.path())
		}
	}
	slices.Sort(routes)
	reply(w, http.StatusOK, map[string]any{
		"message": "Multi-tenant Chroma: one server for each project", "version": a.Version, "router": a.Router, "endpoints": routes,
	})
}

// project serves what is below /api/v1/{project}.
func (a *api) project(w http.ResponseWriter, r *http.Request, path kind.Path) {
	asked, found := parse(path)
	if !found {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	methods := operations[asked.operation]
	serve, allowed := methods[r.Method]
	if !allowed {
		list := make([]string, 0, len(methods))
		for method := range methods {
			list = append(list, method)
		}
		refuseMethod(w, list)
		return
	}
	serve(a, w, r, asked)
}

func refuseMethod(w http.ResponseWriter, allowed []string) {
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
}

// internal is the error of what cannot happen to a request that was read.
func internal(w http.ResponseWriter, err error) {
	refuse(w, http.StatusInternalServerError, fmt.Sprintf("cannot serve the request: %v", err))
}
