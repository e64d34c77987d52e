package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newWhoamiCommand() *cobra.Command {
	connect, out := &connection{}, &output{}
	command := &cobra.Command{
		Use: "whoami", Short: "Say who the router takes you for, and what you may do", Args: arguments(),
		Example: "  router whoami\n  ROUTER_KEY=sk-… router whoami --server http://127.0.0.1:9621",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.get(c, connect, out, "/api/v1/whoami", func(w io.Writer, content json.RawMessage) error {
				identity, err := decode[admin.Identity](content)
				if err != nil {
					return err
				}
				rows := [][]string{{"WHO", "TENANT", "WORKSPACES", "PERMISSIONS"}}
				for _, g := range identity.Grants {
					workspaces := "*"
					if g.Workspaces != nil {
						workspaces = strings.Join(g.Workspaces, " ")
					}
					rows = append(rows, []string{identity.ID, g.Tenant, workspaces, strings.Join(g.Permissions, " ")})
				}
				return columns(w, rows)
			})
		},
	}
	connect.bind(command)
	out.bind(command)
	return command
}
