package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newWorkspaceCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "workspace", Short: "See, make and change workspaces",
		Example: "  router workspace list\n  router workspace create alpha",
	})
	connect := &connection{}
	connect.bind(command)
	command.AddCommand(a.newWorkspaceList(connect), a.newWorkspaceShow(connect), a.newWorkspaceCreate(connect),
		a.newWorkspaceUpdate(connect), a.newWorkspaceEnv(connect))
	return command
}

func (a *app) newWorkspaceList(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "list", Short: "List the workspaces, running or not", Args: arguments(),
		Example: "  router workspace list\n  router workspace list -o yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.get(c, connect, out, "/api/v1/workspaces", func(w io.Writer, content json.RawMessage) error {
				list, err := decode[[]admin.Workspace](content)
				if err != nil {
					return err
				}
				return workspaceTable(w, list)
			})
		},
	}
	out.bind(command)
	return command
}

func (a *app) newWorkspaceShow(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "show W", Short: "Show one workspace", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router workspace show alpha\n  router workspace show acme.alpha -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.get(c, connect, out, "/api/v1/workspaces/"+url.PathEscape(args[0]), printWorkspace)
		},
	}
	out.bind(command)
	return command
}

func (a *app) newWorkspaceCreate(connect *connection) *cobra.Command {
	out := &output{}
	var kind, displayName, idleTimeout, resume string
	command := &cobra.Command{
		Use: "create W", Short: "Make a workspace", Args: arguments("W, the workspace,"),
		Long:    "Makes a workspace; nothing is started. A name that is in use is refused (exit code 4).",
		Example: "  router workspace create alpha\n  router workspace create acme.alpha --kind embedded --display-name \"Alpha, the first\"\n  router workspace create alpha --idle-timeout 10m",
		RunE: func(c *cobra.Command, args []string) error {
			wanted := map[string]string{"name": args[0], "kind": kind, "display_name": displayName}
			if idleTimeout != "" {
				wanted["idle_timeout"] = idleTimeout
			}
			if resume != "" {
				wanted["resume"] = resume
			}
			return a.post(c, connect, out, "/api/v1/workspaces", wanted, printWorkspace)
		},
	}
	command.Flags().StringVar(&kind, "kind", "", "the `KIND` of its workers; the configured default where it is not given")
	command.Flags().StringVar(&displayName, "display-name", "", "a `TEXT` for people, beside the name")
	command.Flags().StringVar(&idleTimeout, "idle-timeout", "", "stop its worker when it was at rest for this `DURATION`; 0s is never; as its kind says where it is not given")
	command.Flags().StringVar(&resume, "resume", "", "whether its workers go on with work that was left unfinished: `POLICY` off, pending or all; as its kind is configured where it is not given")
	out.bind(command)
	return command
}

func (a *app) newWorkspaceUpdate(connect *connection) *cobra.Command {
	out := &output{}
	var displayName, idleTimeout, resume string
	command := &cobra.Command{
		Use: "update W", Short: "Change a workspace", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Long:    "Changes what is given. A name and a kind are for good; an idle time-out, and what becomes\nof documents that were left unfinished, count with the worker's next launch.",
		Example: "  router workspace update alpha --display-name \"Alpha, the first\"\n  router workspace update alpha --idle-timeout 10m",
		RunE: func(c *cobra.Command, args []string) error {
			changes := map[string]string{}
			if c.Flags().Changed("display-name") {
				changes["display_name"] = displayName
			}
			if c.Flags().Changed("idle-timeout") {
				changes["idle_timeout"] = idleTimeout
			}
			if c.Flags().Changed("resume") {
				changes["resume"] = resume
			}
			if len(changes) == 0 {
				return usagef("nothing to change: give --display-name, --idle-timeout or --resume")
			}
			return a.exchange(c, connect, out, http.MethodPatch, "/api/v1/workspaces/"+url.PathEscape(args[0]), changes, printWorkspace)
		},
	}
	command.Flags().StringVar(&displayName, "display-name", "", "a `TEXT` for people, beside the name; empty is the name")
	command.Flags().StringVar(&idleTimeout, "idle-timeout", "", "stop its worker when it was at rest for this `DURATION`; 0s is never; empty is as its kind says")
	command.Flags().StringVar(&resume, "resume", "", "whether its workers go on with work that was left unfinished: `POLICY` off, pending or all; empty is as its kind is configured")
	out.bind(command)
	return command
}

func printWorkspace(w io.Writer, content json.RawMessage) error {
	one, err := decode[admin.Workspace](content)
	if err != nil {
		return err
	}
	return workspaceTable(w, []admin.Workspace{one})
}

func workspaceTable(w io.Writer, list []admin.Workspace) error {
	rows := [][]string{{"WORKSPACE", "DISPLAY NAME", "KIND", "STATE", "IDLE TIMEOUT", "GENERATION", "CREATED"}}
	for _, one := range list {
		rows = append(rows, []string{
			qualified(one.Tenant, one.Workspace), orDash(one.DisplayName), one.Kind, one.State, orDash(one.IdleTimeout), one.Generation, one.CreatedAt.Local().Format(time.DateTime),
		})
	}
	return columns(w, rows)
}
