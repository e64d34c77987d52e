package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

// environmentFlags are what `workspace env` was told beside its arguments.
type environmentFlags struct {
	files   []string // NAME=PATH
	replace bool
}

func (a *app) newWorkspaceEnv(connect *connection) *cobra.Command {
	out, flags := &output{}, environmentFlags{}
	command := &cobra.Command{
		Use: "env W [NAME=VALUE…] [NAME-…]", Short: "See and change the variables that only this workspace's worker gets",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("W, the workspace, is missing")
			}
			return nil
		},
		ValidArgsFunction: a.completeWorkspaces(connect),
		Long: "Lists the variables that a workspace gives its worker beyond those of its kind, or changes them: NAME=VALUE sets one,\n" +
			"NAME- removes one. They override what the router's environment and the configuration give all workers of the kind, and\n" +
			"count with the worker's next launch (worker restart W). Values are not shown. What is written on a command line can be\n" +
			"seen by others on the machine: give a secret with --from-file, which names a file on the router's machine that is read\n" +
			"with each launch. It must belong to the router's user or to root, be closed to others, and lie outside of the data directory.",
		Example: "  router workspace env alpha\n" +
			"  router workspace env alpha LLM_MODEL=gpt-4o-mini TOP_K-\n" +
			"  router workspace env alpha --from-file LLM_BINDING_API_KEY=/etc/rag/alpha.key",
		RunE: func(c *cobra.Command, args []string) error {
			path := "/api/v1/workspaces/" + url.PathEscape(args[0]) + "/env"
			if len(args) == 1 && len(flags.files) == 0 && !flags.replace {
				return a.get(c, connect, out, path, printEnvironment)
			}
			change, err := flags.variables(args[1:])
			if err != nil {
				return err
			}
			method := http.MethodPatch
			if flags.replace {
				method = http.MethodPut
			}
			return a.exchange(c, connect, out, method, path, map[string]any{"variables": change}, printEnvironment)
		},
	}
	command.Flags().StringArrayVar(&flags.files, "from-file", nil, "set a variable to what a file holds, `NAME=PATH`; may be repeated")
	command.Flags().BoolVar(&flags.replace, "replace", false, "remove the variables that are not named")
	out.bind(command)
	return command
}

// variables reads what is to be changed, in the form of the API's body: a text, a file, or nil to remove.
func (f *environmentFlags) variables(args []string) (map[string]any, error) {
	change := map[string]any{}
	add := func(name string, value any) error {
		if _, twice := change[name]; twice {
			return usagef("%s is given twice, want it once", name)
		}
		change[name] = value
		return nil
	}
	for _, arg := range args {
		name, value, set := strings.Cut(arg, "=")
		if !set {
			removed := false
			if name, removed = strings.CutSuffix(arg, "-"); !removed || f.replace {
				return nil, usagef("got %q, want NAME=VALUE, or NAME- to remove it, which --replace does by itself", arg)
			}
			if err := add(name, nil); err != nil {
				return nil, err
			}
			continue
		}
		if err := add(name, value); err != nil {
			return nil, err
		}
	}
	for _, arg := range f.files {
		name, path, found := strings.Cut(arg, "=")
		if !found || !filepath.IsAbs(path) {
			return nil, usagef("--from-file: got %q, want NAME=PATH with an absolute path on the router's machine", arg)
		}
		if err := add(name, map[string]string{"file": path}); err != nil {
			return nil, err
		}
	}
	return change, nil
}

func printEnvironment(w io.Writer, content json.RawMessage) error {
	shown, err := decode[admin.Environment](content)
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "VALUE", "FROM FILE"}}
	for _, v := range shown.Variables {
		rows = append(rows, []string{v.Name, orDash(v.Value), orDash(v.File)})
	}
	if err := columns(w, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nChanges count %s\n", shown.Applies)
	return err
}
