package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin/tenants"
)

func (a *app) newKeyCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "key", Short: "See, make, rotate and revoke a tenant's API keys",
		Example: "  router key create --tenant acme --name web --permission query:run\n  router key list --tenant acme\n  router key revoke --tenant acme 3f9ab2c1",
	})
	connect := &connection{}
	connect.bind(command)
	command.AddCommand(a.newKeyList(connect), a.newKeyCreate(connect), a.newKeyRotate(connect), a.newKeyRevoke(connect))
	return command
}

// ofTenant is the flag that says whose keys are meant.
type ofTenant struct{ name string }

func (t *ofTenant) bind(command *cobra.Command) {
	command.Flags().StringVar(&t.name, "tenant", "default", "the `TENANT` whose keys they are, by name or id")
}

func (t *ofTenant) path(rest ...string) string {
	path := tenantPath(t.name) + "/api-keys"
	for _, part := range rest {
		path += "/" + url.PathEscape(part)
	}
	return path
}

func (a *app) newKeyList(connect *connection) *cobra.Command {
	out, tenant := &output{}, &ofTenant{}
	command := &cobra.Command{
		Use: "list", Short: "List a tenant's keys; no secret is kept that could be shown", Args: arguments(),
		Example: "  router key list\n  router key list --tenant acme -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.getAll(c, connect, out, tenant.path()+"?sort=created_at", printKeys)
		},
	}
	tenant.bind(command)
	out.bind(command)
	return command
}

func (a *app) newKeyCreate(connect *connection) *cobra.Command {
	out, tenant := &output{}, &ofTenant{}
	var name string
	var permissions, workspaces []string
	var expires time.Duration
	command := &cobra.Command{
		Use: "create", Short: "Make a key and show it, once", Args: arguments(),
		Long: "Makes a key for a tenant, or for some of its workspaces. Its secret is shown now and never again, with a curl line\nthat uses it.",
		Example: "  router key create --name web --permission query:run,document:read\n" +
			"  router key create --tenant acme --workspace alpha --name upload --permission document:write --expires 720h",
		RunE: func(c *cobra.Command, _ []string) error {
			wanted := map[string]any{"key_name": name, "permissions": permissions}
			if len(workspaces) > 0 {
				wanted["knowledge_base_ids"] = workspaces
			}
			if expires != 0 {
				wanted["expires_at"] = time.Now().Add(expires).UTC().Format(time.RFC3339)
			}
			return a.enveloped(c, connect, out, http.MethodPost, tenant.path(), wanted, a.printNewKey(connect, tenant.name, workspaces))
		},
	}
	tenant.bind(command)
	command.Flags().StringVar(&name, "name", "", "what the key is for: a `TEXT` for people")
	command.Flags().StringSliceVar(&permissions, "permission", nil, "a `PERMISSION` that it has, such as query:run; several with commas or by giving it again")
	command.Flags().StringSliceVar(&workspaces, "workspace", nil, "a `WORKSPACE` of the tenant that it is for, by name or id; all where it is not given")
	command.Flags().DurationVar(&expires, "expires", 0, "end it after this `DURATION`; never where it is not given")
	_ = command.MarkFlagRequired("name")
	_ = command.MarkFlagRequired("permission")
	out.bind(command)
	return command
}

func (a *app) newKeyRotate(connect *connection) *cobra.Command {
	out, tenant := &output{}, &ofTenant{}
	var overlap time.Duration
	command := &cobra.Command{
		Use: "rotate KEY", Short: "Make a key in the place of another, which ends soon", Args: arguments("KEY, the key's id,"),
		Example: "  router key rotate 3f9ab2c1\n  router key rotate --tenant acme 3f9ab2c1 --overlap 1h",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodPost, tenant.path(args[0], "rotate"), map[string]string{"overlap": overlap.String()},
				a.printNewKey(connect, tenant.name, nil))
		},
	}
	tenant.bind(command)
	command.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "for how long the old one is still valid")
	out.bind(command)
	return command
}

func (a *app) newKeyRevoke(connect *connection) *cobra.Command {
	out, tenant := &output{}, &ofTenant{}
	command := &cobra.Command{
		Use: "revoke KEY", Short: "End a key now, and what was opened with it", Args: arguments("KEY, the key's id,"),
		Example: "  router key revoke 3f9ab2c1\n  router key revoke --tenant acme 3f9ab2c1",
		RunE: func(c *cobra.Command, args []string) error {
			return a.enveloped(c, connect, out, http.MethodDelete, tenant.path(args[0]), nil, printKey)
		},
	}
	tenant.bind(command)
	out.bind(command)
	return command
}

func printKeys(w io.Writer, content json.RawMessage) error {
	list, err := decode[[]tenants.Key](content)
	if err != nil {
		return err
	}
	rows := [][]string{{"KEY", "NAME", "PREFIX", "WORKSPACES", "PERMISSIONS", "STATE", "LAST USED"}}
	for _, k := range list {
		workspaces := "*"
		if k.Bases != nil {
			workspaces = strings.Join(k.Bases, " ")
		}
		rows = append(rows, []string{k.ID, k.Name, k.Prefix + "…", workspaces, strings.Join(k.Permissions, " "), keyState(k), momentText(k.LastUsedAt)})
	}
	return columns(w, rows)
}

func keyState(k tenants.Key) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case !k.Active:
		return "expired"
	case k.ExpiresAt != nil:
		return "until " + momentText(k.ExpiresAt)
	}
	return "valid"
}

func momentText(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func printKey(w io.Writer, content json.RawMessage) error { return printKeys(w, listOf(content)) }

// printNewKey shows the secret, and a line that uses it.
func (a *app) printNewKey(connect *connection, tenant string, workspaces []string) printer {
	return func(w io.Writer, content json.RawMessage) error {
		k, err := decode[tenants.Key](content)
		if err != nil {
			return err
		}
		name := "WORKSPACE"
		if len(workspaces) > 0 {
			name = workspaces[0]
		}
		_, err = fmt.Fprintf(w, "%s\n\nIt is not shown again. Its id is %s. For example:\n\n"+
			"  curl -H 'X-API-Key: %s' %s/w/%s/health\n\nAn Ollama client takes %s as its base URL and the key as its token.\n",
			k.Secret, k.ID, k.Secret, publicURL(a, connect), qualified(tenant, name), publicURL(a, connect))
		return err
	}
}
