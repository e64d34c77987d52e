package problem

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"workspace-router/internal/workspace"
)

// Row is one line of the table.
type Row struct {
	Sentinel error
	Status   int
	Code     string        // stable; the same in the body, the header X-Router-Error, logs and metrics
	Title    string        // one sentence without data
	Retry    time.Duration // the hint where the error itself gives none; 0 for none
	// Open says that the error's own text speaks of the request alone, so that every client may read it.
	Open bool
}

// What the router's own API needs beside the sentinels of the domain.
var (
	ErrBadRequest       = errors.New("bad request")
	ErrNoSuchRoute      = errors.New("no such route")
	ErrMethodNotAllowed = errors.New("method not allowed")
	ErrConfigInvalid    = errors.New("the configuration is not valid, nothing was changed")
)

// table is in the order in which an error that wraps several sentinels is judged: the more particular ones first.
var table = []Row{
	{Sentinel: workspace.ErrUnauthenticated, Status: 401, Code: "unauthenticated", Title: "A valid credential is needed."},
	{Sentinel: workspace.ErrNameInvalid, Status: 400, Code: "workspace_invalid", Title: "This is not a valid workspace name.", Open: true},
	{Sentinel: workspace.ErrRequired, Status: 400, Code: "workspace_required", Title: "No workspace was selected.", Open: true},
	{Sentinel: workspace.ErrConflict, Status: 400, Code: "workspace_conflict", Title: "The request selects different workspaces.", Open: true},
	{Sentinel: workspace.ErrAmbiguous, Status: 400, Code: "workspace_ambiguous", Title: "The name exists in several tenants.", Open: true},
	{Sentinel: workspace.ErrNotFound, Status: 404, Code: "workspace_not_found", Title: "There is no such workspace."},
	{Sentinel: workspace.ErrTenantNotFound, Status: 404, Code: "tenant_not_found", Title: "There is no such tenant."},
	{Sentinel: workspace.ErrKeyNotFound, Status: 404, Code: "key_not_found", Title: "There is no such key."},
	{Sentinel: workspace.ErrChanged, Status: 409, Code: "revision_conflict", Title: "It was changed meanwhile; read it again.", Open: true},
	{Sentinel: workspace.ErrExists, Status: 409, Code: "workspace_exists", Title: "The workspace exists already."},
	{Sentinel: workspace.ErrPermissionDenied, Status: 403, Code: "permission_denied", Title: "The credential does not permit this."},
	{Sentinel: workspace.ErrTenantForbidden, Status: 403, Code: "tenant_forbidden", Title: "The credential does not belong to this tenant."},
	{Sentinel: workspace.ErrDeleted, Status: 410, Code: "workspace_deleted", Title: "The workspace was deleted."},
	{Sentinel: workspace.ErrTenantSuspended, Status: 403, Code: "tenant_suspended", Title: "The tenant is suspended."},
	{Sentinel: workspace.ErrProvisioning, Status: 503, Code: "workspace_provisioning", Title: "The workspace is being set up.", Retry: 2 * time.Second},
	{Sentinel: workspace.ErrMisdirected, Status: 421, Code: "misdirected_request", Title: "This listener does not serve the request's host."},
	{Sentinel: workspace.ErrCrossOrigin, Status: 403, Code: "cross_origin", Title: "Pages of another origin may not do this.", Open: true},
	{Sentinel: workspace.ErrPathInvalid, Status: 400, Code: "path_invalid", Title: "The request's path is not valid.", Open: true},
	{Sentinel: workspace.ErrUpgradeForbidden, Status: 403, Code: "upgrade_forbidden", Title: "This change of protocol is not allowed.", Open: true},
	{Sentinel: workspace.ErrRouteClosed, Status: 403, Code: "route_closed", Title: "This route is closed."},
	{Sentinel: workspace.ErrBodyTooLarge, Status: 413, Code: "body_too_large", Title: "The request's body is too large.", Open: true},
	{Sentinel: workspace.ErrHeaderTooLarge, Status: 431, Code: "header_too_large", Title: "The request's header is too large.", Open: true},
	{Sentinel: workspace.ErrBodySlow, Status: 408, Code: "body_timeout", Title: "The request's body came too slowly.", Open: true},
	{Sentinel: workspace.ErrOverloaded, Status: 503, Code: "overloaded", Title: "Too many requests are open.", Retry: time.Second, Open: true},
	{Sentinel: workspace.ErrQuarantined, Status: 503, Code: "workspace_quarantined", Title: "The workspace's last worker is not known to be gone.", Retry: 10 * time.Second},
	{Sentinel: workspace.ErrCapacity, Status: 503, Code: "workspace_capacity_exhausted", Title: "There is no room for another worker.", Retry: 2 * time.Second, Open: true},
	{Sentinel: workspace.ErrCold, Status: 503, Code: "workspace_cold", Title: "The workspace is not running.", Retry: 5 * time.Second},
	{Sentinel: workspace.ErrWorkerDied, Status: 502, Code: "worker_died", Title: "The worker died under the request."},
	{Sentinel: workspace.ErrClosing, Status: 503, Code: "router_closing", Title: "The router is shutting down.", Retry: 5 * time.Second},
	{Sentinel: workspace.ErrUnavailable, Status: 503, Code: "workspace_unavailable", Title: "The workspace's worker cannot be started.", Retry: 5 * time.Second},
	{Sentinel: workspace.ErrTimeout, Status: 504, Code: "worker_timeout", Title: "The worker did not answer in time."},
	{Sentinel: workspace.ErrCatalogUnavailable, Status: 503, Code: "catalog_unavailable", Title: "The catalog cannot be reached.", Retry: 2 * time.Second},
	{Sentinel: workspace.ErrRefused, Status: 409, Code: "refused", Title: "This is refused as things are.", Open: true},
	{Sentinel: ErrBadRequest, Status: 400, Code: "bad_request", Title: "The request cannot be understood.", Open: true},
	{Sentinel: ErrNoSuchRoute, Status: 404, Code: "not_found", Title: "There is no such route."},
	{Sentinel: ErrConfigInvalid, Status: 422, Code: "config_invalid", Title: "The configuration is not valid; nothing was changed.", Open: true},
	{Sentinel: ErrMethodNotAllowed, Status: 405, Code: "method_not_allowed", Title: "The route does not take this method."},
}

// internal is the answer to what no row names.
var internal = Row{Status: http.StatusInternalServerError, Code: "internal", Title: "The router failed to handle the request."}

// Rows gives the table, for documentation.
func Rows() []Row { return append(slices.Clone(table), internal) }

func rowOf(sentinel error) Row {
	return table[slices.IndexFunc(table, func(row Row) bool { return row.Sentinel == sentinel })] //nolint:errorlint // the sentinel itself is looked up
}
