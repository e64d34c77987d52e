package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newConfigReload() *cobra.Command {
	connect, out := &connection{}, &output{}
	command := &cobra.Command{
		Use: "reload", Short: "Have a router read its configuration anew, and show what changed", Args: arguments(),
		Long: "Has a router that runs read its configuration anew, from the files and flags that it was started with, and shows\n" +
			"what changed and when it counts. Where anything is wrong, nothing is changed and all of it is said.",
		Example: "  router config reload\n  router config reload -o json | jq -r '.changed[].key'",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.post(c, connect, out, "/api/v1/config/reload", nil, a.printReload)
		},
	}
	connect.bind(command)
	out.bind(command)
	return command
}

// printReload writes the changes as a table, and the warnings beside it.
func (a *app) printReload(w io.Writer, content json.RawMessage) error {
	reload, err := decode[admin.Reload](content)
	if err != nil {
		return err
	}
	for _, warning := range reload.Warnings {
		fmt.Fprintf(a.err, "router: warning: %s\n", warning)
	}
	if len(reload.Changed)+len(reload.AtNextStart) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is different.")
		return err
	}
	rows := [][]string{{"KEY", "BEFORE", "NOW", "FROM", "TAKES EFFECT"}}
	for _, list := range [][]admin.ConfigChange{reload.Changed, reload.AtNextStart} {
		for _, change := range list {
			rows = append(rows, []string{change.Key, valueText(change.Old), valueText(change.New), orDash(change.From), change.Applies})
		}
	}
	return columns(w, rows)
}
