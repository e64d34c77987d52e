package admin

import (
	"context"
	"net/http"
	"slices"

	"workspace-router/internal/workspace"
)

func (a *Admin) listWorkers(c *call) error {
	list, err := a.deps.Workers.Workers(c.r.Context())
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(w Worker) bool { return !operates(c.principal, w.Ref) })
	if list == nil {
		list = []Worker{}
	}
	return c.write(http.StatusOK, list)
}

func (a *Admin) showWorker(c *call) error {
	w, err := a.operated(c)
	if err != nil {
		return err
	}
	worker, err := a.deps.Workers.Worker(c.r.Context(), w.Ref)
	if err != nil {
		return err
	}
	if worker.Kind == "" { // one that is not running is known to the catalog alone
		worker.Kind = w.Kind
	}
	return c.write(http.StatusOK, worker)
}

func (a *Admin) explain(c *call) error {
	w, err := a.operated(c)
	if err != nil {
		return err
	}
	explanation, err := a.deps.Workers.Explain(c.r.Context(), w.Ref)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, explanation)
}

// operate runs one operation on the workspace that the path names and answers with its worker as it is then.
func (a *Admin) operate(c *call, run func(context.Context, workspace.Ref) error) error {
	w, err := a.operated(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), a.config.OperationTimeout)
	defer cancel()
	if err := run(ctx, w.Ref); err != nil {
		return err
	}
	return a.showWorker(c)
}

func (a *Admin) start(c *call) error {
	var wish struct {
		Reset bool `json:"reset"`
	}
	if err := c.read(&wish); err != nil {
		return err
	}
	return a.operate(c, func(ctx context.Context, ref workspace.Ref) error {
		return a.deps.Operations.Start(ctx, ref, wish.Reset)
	})
}

func (a *Admin) evict(c *call) error { return a.stop(c, a.deps.Operations.Evict) }

func (a *Admin) restart(c *call) error { return a.stop(c, a.deps.Operations.Restart) }

func (a *Admin) stop(c *call, run func(context.Context, workspace.Ref, bool) error) error {
	var wish struct {
		Force bool `json:"force"`
	}
	if err := c.read(&wish); err != nil {
		return err
	}
	inQuery, err := c.flag("force")
	if err != nil {
		return err
	}
	return a.operate(c, func(ctx context.Context, ref workspace.Ref) error { return run(ctx, ref, wish.Force || inQuery) })
}

func (a *Admin) pin(pinned bool) func(*call) error {
	return func(c *call) error {
		return a.operate(c, func(ctx context.Context, ref workspace.Ref) error { return a.deps.Operations.Pin(ctx, ref, pinned) })
	}
}
