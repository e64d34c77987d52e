package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

// printer writes an answer as a table.
type printer func(w io.Writer, content json.RawMessage) error

func printWorkers(w io.Writer, content json.RawMessage) error {
	list, err := decode[[]admin.Worker](content)
	if err != nil {
		return err
	}
	return workerTable(w, list)
}

// get asks the router and prints its answer.
func (a *app) get(c *cobra.Command, connect *connection, out *output, path string, table printer) error {
	return a.exchange(c, connect, out, http.MethodGet, path, nil, table)
}

// post tells the router something and prints its answer.
func (a *app) post(c *cobra.Command, connect *connection, out *output, path string, body any, table printer) error {
	return a.exchange(c, connect, out, http.MethodPost, path, body, table)
}

func (a *app) exchange(c *cobra.Command, connect *connection, out *output, method, path string, body any, table printer) error {
	if err := out.check(); err != nil {
		return err
	}
	server, err := connect.connect(a)
	if err != nil {
		return err
	}
	content, err := server.call(c.Context(), method, path, body)
	if err != nil {
		return err
	}
	return a.print(out, content, table)
}

func (a *app) print(out *output, content json.RawMessage, table printer) error {
	return out.print(a.out, content, func(w io.Writer) error { return table(w, content) })
}

// copyStream copies until the stream ends. That the user ends it is no error.
func copyStream(ctx context.Context, w io.Writer, r io.Reader) error {
	if _, err := io.Copy(w, r); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("cannot read the router's answer: %w", err)
	}
	return nil
}

// completeWorkspaces completes a workspace's name for the shell.
func (a *app) completeWorkspaces(connect *connection) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		server, err := connect.connect(a)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		content, err := server.call(c.Context(), http.MethodGet, "/api/v1/workspaces", nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := decode[[]admin.Workspace](content)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := make([]cobra.Completion, len(list))
		for i, w := range list {
			names[i] = qualified(w.Tenant, w.Workspace)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
