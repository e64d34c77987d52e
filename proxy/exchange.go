package proxy

import (
	"context"
	"net/http"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
)

// exchange is one request and what is known of it so far. It belongs to the goroutine that serves the request, but for
// the body, which the worker's transport reads.
type exchange struct {
	r      *http.Request
	w      writer
	body   countedBody
	record telemetry.Access

	settings *Settings // that were in force when it came

	path       kind.Path // as the worker will see it, without the selector
	prefix     string    // "/w/alpha" as the client wrote it, where the path selects
	pathName   string    // the name in it
	pathTenant string    // the tenant in it, where it is the tenant API's
	waits      uint32    // 1 more than the seconds that the client prefers to wait, where that is honoured
	inPath     bool      // the path holds a selector
	onHost     bool      // the request came to a workspace's host
	browser    bool      // a session's cookie is a credential here
	bare       bool      // neither, nor is the listener bound to a workspace, so the router's own routes are here
	explicit   bool      // the client named the workspace
	answered   bool      // nothing more is to be done
	https      bool      // the client speaks TLS, to the router or to a trusted proxy
	admitted   bool      // it is counted among all open requests
	used       uint8     // how many of values are taken
	session    string    // the cookie's token, where that is the credential
	principal  *workspace.Principal
	workspace  workspace.Workspace
	kind       *kind.Kind
	route      kind.Route

	admittedTo workspace.Generation // it is counted among the open ones of this workspace

	lease   Lease
	cancel  context.CancelCauseFunc // of the present attempt
	attempt context.Context
	failure error // why forwarding failed, for the step to return

	// Room for what would otherwise be small allocations of every request.
	tenant [1]workspace.Name
	values [7]string // as many as a forwarded request needs: one that has a prefix does not vary
}

// header gives the value of a header with one value. It lives as long as the exchange.
func (x *exchange) header(value string) []string {
	if int(x.used) == len(x.values) {
		return []string{value}
	}
	x.values[x.used] = value
	x.used++
	return x.values[x.used-1 : x.used : x.used]
}

// resolved reports whether the workspace is known, and may be named to the client.
func (x *exchange) resolved() bool { return x.workspace.Generation != "" }

// exchangeKey finds the exchange in the context of the request that goes to the worker.
type exchangeKey struct{}

// exchangeContext is a context that carries the exchange without another allocation for the pair.
type exchangeContext struct {
	context.Context
	x *exchange
}

// Value gives the exchange for exchangeKey, and else what the request's own context holds.
func (c *exchangeContext) Value(key any) any {
	if key == (exchangeKey{}) {
		return c.x
	}
	return c.Context.Value(key)
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}
