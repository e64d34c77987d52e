package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// acquire takes a lease for the exchange. It is released when the step that called ends, whichever way.
func (c *chain) acquire(x *exchange) error {
	lease, err := c.deps.Pool.Acquire(x.r.Context(), x.workspace.Ref, supervisor.Wish{
		Class: x.route.Class, Principal: x.principal.ID, Recheck: c.recheck(x), Wait: x.preferredWait(),
	})
	if err != nil {
		return err
	}
	x.lease = lease
	x.record.Launch = string(lease.Launch())
	x.record.Waited += lease.Waited()
	if launched := lease.Kind(); launched != x.kind {
		return c.judgeBy(x, launched)
	}
	return nil
}

// release gives the lease back.
func (x *exchange) release() {
	if x.lease != nil {
		x.lease.Release()
	}
	if x.cancel != nil {
		x.cancel(nil)
	}
}

// recheck asks again, after a wait, what was asked before it (promise S4): a credential that was revoked, a workspace
// that was deleted and a right that was taken away must not be served because they were in the queue.
func (c *chain) recheck(x *exchange) func(context.Context) error {
	r, session, ref, permission := x.r, x.session, x.workspace.Ref, x.route.Permission
	return func(ctx context.Context) error {
		principal, err := c.identifyAgain(ctx, r, session)
		if err != nil {
			return err
		}
		if principal == nil {
			return workspace.ErrUnauthenticated
		}
		w, err := c.deps.Directory.LookupGeneration(ctx, ref.Generation)
		if err != nil {
			return err
		}
		if !principal.Sees(w.Ref) {
			return workspace.ErrNotFound
		}
		if _, err := usable(w); err != nil {
			return err
		}
		if !principal.May(w.Ref, permission) {
			return workspace.Denied(permission)
		}
		return nil
	}
}

func (c *chain) identifyAgain(ctx context.Context, r *http.Request, session string) (*workspace.Principal, error) {
	if session != "" {
		return c.deps.Sessions.ResumeSession(ctx, session)
	}
	if principal, err := c.anonymous(ctx, r, c.deps.Settings()); principal != nil || err != nil {
		return principal, err
	}
	return c.deps.Authenticator.Authenticate(r.WithContext(ctx))
}

// answerCold gives the kind's own answer for a route that starts no worker, where none runs.
func (x *exchange) answerCold() {
	body := x.route.Cold.Render(x.workspace, x.kind.ModelTag)
	h := x.w.Header()
	h.Set("Content-Type", x.route.Cold.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(x.route.Cold.Status)
	if x.r.Method != "HEAD" {
		_, _ = io.WriteString(&x.w, body)
	}
	x.answered = true
}

// died says that the worker failed the request, with a cause for the log.
func died(cause error) error { return fmt.Errorf("%w: %w", workspace.ErrWorkerDied, cause) }
