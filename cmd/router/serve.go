package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"workspace-router/configs"
)

func (a *app) newServeCommand() *cobra.Command {
	flags := &configFlags{}
	command := &cobra.Command{
		Use: "serve", Short: "Serve workspaces", Args: arguments(),
		Long: `Serves workspaces until it is told to end by SIGTERM or Ctrl-C: then it stops accepting, lets open requests
finish, and stops all workers. On SIGHUP, and when one of its files has changed, the configuration is read anew. The log
goes to standard error. The first start makes an admin key.`,
		Example: "  router serve --data ./data\n  router serve --config /etc/workspace-router/router.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load(a, c)
			if err != nil {
				return err
			}
			return serve(c.Context(), config, flags.source(a, c), a.out)
		},
	}
	flags.bind(command)
	return command
}

// serve returns when the router has ended in order.
func serve(ctx context.Context, config configs.Config, source configs.Source, out io.Writer) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)
	defer signal.Stop(hangup)
	// The first signal asks for an orderly end; a second one ends the router at once, and the keeper sees to the rest.
	defer context.AfterFunc(ctx, func() { signal.Reset(unix.SIGINT, unix.SIGTERM) })()
	if err := findKeeper(); err != nil {
		return err
	}
	sockets, err := givenByManager()
	if err != nil {
		return err
	}
	s, err := newServer(ctx, config, source, hangup, sockets)
	if err != nil {
		return err
	}
	defer s.close()
	s.announce(out)
	return s.run(ctx)
}

// announce tells a person where the router is and where its key lies. The key itself is shown to a terminal only, once.
func (s *server) announce(out io.Writer) {
	fmt.Fprintf(out, "listening    http://%s\n", s.listeners.data.Addr())
	fmt.Fprintf(out, "operators    http://%s\n", s.listeners.operator.Addr())
	fmt.Fprintf(out, "admin key    %s\n", shortest(s.data.join("admin.key")))
	if file, ok := out.(*os.File); ok && s.keyCreated && term.IsTerminal(int(file.Fd())) {
		fmt.Fprintf(out, "             %s\n", s.adminKey)
	}
}

// shortest is the path as a person in the working directory would write it.
func shortest(path string) string {
	if dir, err := os.Getwd(); err == nil {
		if relative, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(relative) {
			return relative
		}
	}
	return path
}
