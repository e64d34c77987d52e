package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// access says what a request must show before its handler runs. The zero value is refused by New.
type access int

const (
	accessPublic    access = iota + 1 // nothing
	accessPrincipal                   // a valid credential; the handler decides the rest
	accessOperator                    // the right to operate at least one workspace; the handler decides which
	accessCluster                     // the right to operate the installation
	accessAdmin                       // every right: what it changes reaches data and secrets of all tenants
	accessMetrics                     // a loopback address, or the right to operate the installation
)

type route struct {
	method   string
	path     string // of http.ServeMux
	access   access
	surfaces []Surface
	serve    func(*call) error
}

// call is one request with what was found out about it.
type call struct {
	w         http.ResponseWriter
	r         *http.Request
	principal *workspace.Principal // nil where the route is public
	again     func() error         // finds out anew who asks, and whether the route is open to them
}

var (
	everywhere   = []Surface{Public, Operator, Local}
	operatorOnly = []Surface{Operator, Local}
)

func (a *Admin) table() []route {
	return []route{
		{"GET", "/livez", accessPublic, everywhere, a.live},
		{"GET", "/readyz", accessPublic, everywhere, a.ready},
		{"GET", "/metrics", accessMetrics, operatorOnly, a.metrics},
		{"GET", "/workspaces", accessPrincipal, everywhere, a.listing},
		{"GET", "/api/v1/whoami", accessPrincipal, everywhere, a.whoami},
		{"GET", "/api/v1/workspaces", accessPrincipal, everywhere, a.listWorkspaces},
		{"POST", "/api/v1/workspaces", accessPrincipal, everywhere, a.createWorkspace},
		{"GET", "/api/v1/workspaces/{workspace}", accessPrincipal, everywhere, a.showWorkspace},
		{"PATCH", "/api/v1/workspaces/{workspace}", accessPrincipal, everywhere, a.updateWorkspace},
		{"GET", "/api/v1/workspaces/{workspace}/env", accessCluster, everywhere, a.environment},
		{"PUT", "/api/v1/workspaces/{workspace}/env", accessAdmin, everywhere, a.changeEnvironment(true)},
		{"PATCH", "/api/v1/workspaces/{workspace}/env", accessAdmin, everywhere, a.changeEnvironment(false)},
		{"GET", "/api/v1/pool", accessCluster, everywhere, a.pool},
		{"GET", "/api/v1/workers", accessOperator, everywhere, a.listWorkers},
		{"GET", "/api/v1/workers/{workspace}", accessPrincipal, everywhere, a.showWorker},
		{"GET", "/api/v1/workers/{workspace}/explain", accessPrincipal, everywhere, a.explain},
		{"GET", "/api/v1/workers/{workspace}/logs", accessPrincipal, everywhere, a.logs},
		{"POST", "/api/v1/workers/{workspace}/start", accessPrincipal, everywhere, a.start},
		{"POST", "/api/v1/workers/{workspace}/evict", accessPrincipal, everywhere, a.evict},
		{"POST", "/api/v1/workers/{workspace}/restart", accessPrincipal, everywhere, a.restart},
		{"POST", "/api/v1/workers/{workspace}/pin", accessPrincipal, everywhere, a.pin(true)},
		{"POST", "/api/v1/workers/{workspace}/unpin", accessPrincipal, everywhere, a.pin(false)},
		{"GET", "/api/v1/events", accessOperator, everywhere, a.events},
		{"POST", "/api/v1/config/reload", accessCluster, operatorOnly, a.reload},
	}
}

// Handler serves the API of a surface to those whom the authenticator knows. A ResponseWriter with a method
// Identified(*workspace.Principal) is told who asks.
func (a *Admin) Handler(surface Surface, authenticator Authenticator) http.Handler {
	mux, methods := http.NewServeMux(), map[string][]string{}
	for _, route := range a.routes {
		if slices.Contains(route.surfaces, surface) {
			mux.Handle(route.method+" "+route.path, a.handle(route, authenticator))
			methods[route.path] = append(methods[route.path], route.method)
		}
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			problem.Write(w, r, problem.ErrMethodNotAllowed)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.ErrNoSuchRoute) })
	return mux
}

func (a *Admin) handle(route route, authenticator Authenticator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{w: w, r: r}
		c.again = func() error { return a.admit(c, route.access, authenticator) }
		err := c.again()
		if err == nil {
			err = route.serve(c)
		}
		if err != nil {
			a.fail(c, err)
		}
	})
}

// admit finds out who asks and whether the route is open to them at all.
func (a *Admin) admit(c *call, need access, authenticator Authenticator) error {
	if need == accessPublic || need == accessMetrics && fromLoopback(c.r) {
		return nil
	}
	principal, err := authenticator.Authenticate(c.r)
	if err != nil {
		return err
	}
	c.principal = principal
	if record, ok := c.w.(identified); ok {
		record.Identified(principal)
	}
	switch {
	case need == accessOperator && !operatesAny(principal),
		need == accessAdmin && !principal.MayEverywhere(workspace.ClusterAdmin),
		(need == accessCluster || need == accessMetrics) && !principal.MayEverywhere(workspace.ClusterOperate):
		return workspace.ErrPermissionDenied
	}
	return nil
}

// stillAdmitted finds out anew who reads a stream, since a key may be revoked while it goes on, and replaces the call's
// principal. It reports whether the stream is still open to them. A catalog that cannot be asked says nothing about that.
func (c *call) stillAdmitted() bool {
	err := c.again()
	return err == nil || errors.Is(err, workspace.ErrCatalogUnavailable)
}

// fail answers with the error. Only who operates the workspace that the request names gets the error's own words.
func (a *Admin) fail(c *call, err error) {
	if problem.Silent(err) {
		return
	}
	p := problem.Of(err)
	if c.principal != nil && a.operatesNamed(c) {
		p = problem.ForOperator(err)
	}
	if p.Status >= http.StatusInternalServerError && a.deps.Report != nil {
		a.deps.Report(c.r, err)
	}
	p.Write(c.w, c.r)
}

func (a *Admin) operatesNamed(c *call) bool {
	if c.principal.MayEverywhere(workspace.ClusterOperate) {
		return true
	}
	found, err := a.find(c)
	return err == nil && operates(c.principal, found.Ref)
}

// maxBody bounds the API's request bodies, in bytes.
const maxBody = 64 << 10

// read decodes the body; no body is an empty object. An unknown field is an error, since it would be without effect.
func (c *call) read(into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: want at most %d bytes", workspace.ErrBodyTooLarge, maxBody)
	}
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON object")
	}
	return fmt.Errorf("%w: cannot read the body as JSON: %w", problem.ErrBadRequest, err)
}

// write answers with a value as JSON.
func (c *call) write(status int, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	c.w.Write(append(content, '\n'))
	return nil
}

// flag reads a yes or no from the query.
func (c *call) flag(name string) (bool, error) {
	switch value := c.r.URL.Query().Get(name); value {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	default:
		return false, fmt.Errorf("%w: %s: got %q, want true or false", problem.ErrBadRequest, name, value)
	}
}
