package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin/tenants"
)

func (a *app) newTenantCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "tenant", Short: "See, make, suspend and delete tenants",
		Example: "  router tenant list\n  router tenant create \"Acme Inc.\"\n  router tenant suspend acme-inc",
	})
	connect := &connection{}
	connect.bind(command)
	command.AddCommand(
		a.newTenantList(connect), a.newTenantShow(connect), a.newTenantCreate(connect), a.newTenantUpdate(connect),
		a.newTenantActive(connect, "suspend", "Serve a tenant's workspaces to nobody, and cut what is open", false),
		a.newTenantActive(connect, "resume", "Serve a suspended tenant again", true),
		a.newTenantDelete(connect),
	)
	return command
}

func tenantPath(tenant string) string { return tenants.Root + "/" + url.PathEscape(tenant) }

func (a *app) newTenantList(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "list", Short: "List the tenants", Args: arguments(),
		Example: "  router tenant list\n  router tenant list -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.getAll(c, connect, out, tenants.Root+"?sort=name", printTenants)
		},
	}
	out.bind(command)
	return command
}

func (a *app) newTenantShow(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "show T", Short: "Show one tenant", Args: arguments("T, the tenant's name or id,"),
		Example: "  router tenant show acme\n  router tenant show acme -o yaml",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodGet, tenantPath(args[0]), nil, printTenant)
		},
	}
	out.bind(command)
	return command
}

func (a *app) newTenantCreate(connect *connection) *cobra.Command {
	out := &output{}
	var name string
	command := &cobra.Command{
		Use: "create DISPLAY_NAME", Short: "Make a tenant", Args: arguments("DISPLAY_NAME, what people call it,"),
		Long:    "Makes a tenant. Its name, as in `name.workspace`, is made of the display name, and numbered where that is taken,\nunless it is given.",
		Example: "  router tenant create \"Acme Inc.\"\n  router tenant create \"Acme Inc.\" --name acme",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodPost, tenants.Root, map[string]string{"tenant_name": args[0], "name": name}, printTenant)
		},
	}
	command.Flags().StringVar(&name, "name", "", "its `NAME`: 1 to 64 of A-Z a-z 0-9 _ -; refused where it is taken (exit code 4)")
	out.bind(command)
	return command
}

func (a *app) newTenantUpdate(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "update T DISPLAY_NAME", Short: "Give a tenant another display name", Args: arguments("T, the tenant's name or id,", "DISPLAY_NAME, what people call it,"),
		Example: "  router tenant update acme \"Acme Limited\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodPatch, tenantPath(args[0]), map[string]string{"tenant_name": args[1]}, printTenant)
		},
	}
	out.bind(command)
	return command
}

func (a *app) newTenantActive(connect *connection, verb, short string, active bool) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: verb + " T", Short: short, Args: arguments("T, the tenant's name or id,"),
		Example: "  router tenant " + verb + " acme",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodPatch, tenantPath(args[0]), map[string]bool{"is_active": active}, printTenant)
		},
	}
	out.bind(command)
	return command
}

func (a *app) newTenantDelete(connect *connection) *cobra.Command {
	out, sure := &output{}, &confirmation{}
	command := &cobra.Command{
		Use: "delete T", Short: "Delete a tenant with its workspaces and keys", Args: arguments("T, the tenant's name or id,"),
		Long:    "Revokes the tenant's keys, stops its workers and moves its workspaces' data to DATA/trash.",
		Example: "  router tenant delete acme\n  router tenant delete acme --yes",
		RunE: func(c *cobra.Command, args []string) error {
			if err := sure.ask(a, c, fmt.Sprintf("Delete the tenant %s with all its workspaces and keys?", args[0])); err != nil {
				return err
			}
			return a.enveloped(c, connect, out, http.MethodDelete, tenantPath(args[0]), nil, printDeleted("tenant", args[0]))
		},
	}
	sure.bind(command)
	out.bind(command)
	return command
}

func printDeleted(what, name string) printer {
	return func(w io.Writer, _ json.RawMessage) error {
		_, err := fmt.Fprintf(w, "the %s %s is deleted\n", what, name)
		return err
	}
}

func printTenants(w io.Writer, content json.RawMessage) error {
	list, err := decode[[]tenants.Tenant](content)
	if err != nil {
		return err
	}
	rows := [][]string{{"TENANT", "DISPLAY NAME", "STATE", "ID", "CREATED"}}
	for _, t := range list {
		state := "active"
		if !t.Active {
			state = "suspended"
		}
		rows = append(rows, []string{t.Name, t.DisplayName, state, t.ID, t.CreatedAt.Local().Format(time.DateTime)})
	}
	return columns(w, rows)
}

func printTenant(w io.Writer, content json.RawMessage) error { return printTenants(w, listOf(content)) }

// listOf makes a list of one entry.
func listOf(content json.RawMessage) json.RawMessage {
	return append(append([]byte{'['}, content...), ']')
}
