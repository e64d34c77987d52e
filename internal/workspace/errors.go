package workspace

import "errors"

// The sentinels that every layer shares. internal/problem gives each its status, code and retry hint; a test walks
// this list and fails on one without a row.
var (
	ErrUnauthenticated    = errors.New("no valid credential")
	ErrNameInvalid        = errors.New("invalid workspace name")
	ErrRequired           = errors.New("no workspace was selected")
	ErrConflict           = errors.New("selectors name different workspaces")
	ErrAmbiguous          = errors.New("the workspace name exists in several tenants")
	ErrNotFound           = errors.New("no such workspace")
	ErrExists             = errors.New("the workspace exists already")
	ErrPermissionDenied   = errors.New("permission denied")
	ErrTenantForbidden    = errors.New("another tenant")
	ErrDeleted            = errors.New("the workspace was deleted")
	ErrTenantNotFound     = errors.New("no such tenant")
	ErrKeyNotFound        = errors.New("no such key")
	ErrChanged            = errors.New("it was changed meanwhile")
	ErrTenantSuspended    = errors.New("the tenant is suspended")
	ErrProvisioning       = errors.New("the workspace is being provisioned")
	ErrCapacity           = errors.New("no room for another worker")
	ErrUnavailable        = errors.New("the worker cannot be started")
	ErrWorkerDied         = errors.New("the worker died under the request")
	ErrTimeout            = errors.New("the worker was not ready in time")
	ErrQuarantined        = errors.New("the workspace's last worker is not known to be gone")
	ErrCold               = errors.New("the workspace is not running")
	ErrClosing            = errors.New("the router is shutting down")
	ErrRefused            = errors.New("refused")
	ErrMisdirected        = errors.New("a host that this listener does not serve")
	ErrCrossOrigin        = errors.New("a request by cookie from another origin")
	ErrPathInvalid        = errors.New("invalid request path")
	ErrUpgradeForbidden   = errors.New("this upgrade is not allowed")
	ErrRouteClosed        = errors.New("the route is closed")
	ErrBodyTooLarge       = errors.New("the request body is too large")
	ErrCatalogUnavailable = errors.New("the catalog cannot be reached")
)
