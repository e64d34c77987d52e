package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"workspace-router/internal/version"
)

func (a *app) newVersionCommand() *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "version", Short: "Write the version", Args: arguments(),
		Example: "  router version\n  router version -o json",
		RunE: func(*cobra.Command, []string) error {
			if err := out.check(); err != nil {
				return err
			}
			content, err := json.Marshal(map[string]string{
				"version": version.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			})
			if err != nil {
				return fmt.Errorf("cannot write the version: %w", err)
			}
			return out.print(a.out, content, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "workspace-router %s (%s, %s/%s)\n", version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			})
		},
	}
	out.bind(command)
	return command
}
