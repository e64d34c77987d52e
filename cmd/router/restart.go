package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newWorkerRestart(connect *connection) *cobra.Command {
	out := &output{}
	var force, all bool
	command := &cobra.Command{
		Use: "restart W | --all", Short: "Stop a worker, prove it gone and start it again", ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router worker restart alpha\n  router worker restart --all",
		Args: func(c *cobra.Command, args []string) error {
			if all {
				return arguments()(c, args)
			}
			return arguments("W, the workspace, or --all")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !all {
				return a.post(c, connect, out, workerPath(args[0], "restart"), map[string]bool{"force": force}, printWorker)
			}
			if err := out.check(); err != nil {
				return err
			}
			server, err := connect.connect(a)
			if err != nil {
				return err
			}
			return a.restartAll(c, server, out, force)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "also with open requests, which are cut, or busy")
	command.Flags().BoolVar(&all, "all", false, "restart every ready worker, one after the other")
	out.bind(command)
	return command
}

// restartAll restarts the ready workers in turn, so that at any time at most one workspace waits. One that is refused
// does not keep the others from their turn.
func (a *app) restartAll(c *cobra.Command, server *client, out *output, force bool) error {
	content, err := server.call(c.Context(), http.MethodGet, "/api/v1/workers", nil)
	if err != nil {
		return err
	}
	list, err := decode[[]admin.Worker](content)
	if err != nil {
		return err
	}
	restarted, failures := []admin.Worker{}, []error(nil)
	for _, w := range list {
		if w.State != "ready" {
			continue
		}
		name := w.Tenant + "." + w.Workspace
		content, err := server.call(c.Context(), http.MethodPost, workerPath(name, "restart"), map[string]bool{"force": force})
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", qualified(w.Tenant, w.Workspace), err))
			continue
		}
		one, err := decode[admin.Worker](content)
		if err != nil {
			return err
		}
		restarted = append(restarted, one)
	}
	content, err = json.Marshal(restarted)
	if err != nil {
		return err
	}
	if err := a.print(out, content, printWorkers); err != nil {
		return err
	}
	return errors.Join(failures...)
}
