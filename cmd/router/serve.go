package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

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
finish, and stops all workers. On SIGHUP, and when one of its files has changed, the configuration is read anew. On SIGUSR2
the program that is now on disk is started with the same arguments and takes over without a request being refused; this
process ends when its open requests have. The log goes to standard error. The first start makes an admin key.`,
		Example: "  router serve --data ./data\n  router serve --config /etc/workspace-router/router.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := descend()
			if err != nil {
				return err
			}
			config, err := flags.load(a, c)
			if err == nil {
				from.source = flags.source(a, c)
				err = serve(c.Context(), config, from, a.out)
			}
			if err != nil {
				from.heir.failed(err)
			}
			return err
		},
	}
	flags.bind(command)
	return command
}

// descend takes what this process was started with by a router before it, or by a service manager.
func descend() (from origin, err error) {
	defer closeOnExec()
	if from.heir, err = newHeir(); err != nil {
		return origin{}, err
	}
	if from.heir != nil {
		from.sockets = from.heir.sockets
		return from, nil
	}
	from.sockets, err = givenByManager()
	return from, err
}

// closeOnExec keeps every descriptor that this process was started with, but the standard three, to this process. Whoever
// started it may have left open what is not meant for it, and the keeper may outlive it by days: a pipe would never end,
// and a port never be free.
func closeOnExec() {
	_ = unix.CloseRange(firstGiven, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) // since Linux 5.11; before, they stay as they are
}

// serve returns when the router has ended in order, or when another one has taken its place.
func serve(ctx context.Context, config configs.Config, from origin, out io.Writer) error {
	defer listenTo(&from.hangup, unix.SIGHUP)()
	defer listenTo(&from.upgrade, unix.SIGUSR2)()
	// The first signal asks for an orderly end; a second one ends the router at once, and the keeper sees to the rest.
	defer context.AfterFunc(ctx, func() { signal.Reset(unix.SIGINT, unix.SIGTERM) })()
	if err := findKeeper(); err != nil {
		return err
	}
	s, err := newServer(ctx, config, from)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.heir.prepared(ctx); err != nil {
		return err
	}
	s.announce(out)
	return s.run(ctx)
}

// listenTo makes the signal's channel; the function ends that.
func listenTo(channel *<-chan os.Signal, of os.Signal) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, of)
	*channel = signals
	return func() { signal.Stop(signals) }
}

// announce tells a person where the router is and where its key lies. The key itself is shown to a terminal only, once.
func (s *server) announce(out io.Writer) {
	url := func(g *gate) string { return s.listeners.scheme(g) + "://" + g.Addr().String() }
	fmt.Fprintf(out, "listening    %s\n", url(s.listeners.data))
	for _, g := range s.listeners.bound {
		fmt.Fprintf(out, "%-12s %s\n", strings.TrimPrefix(g.name, socketBound), url(g))
	}
	fmt.Fprintf(out, "operators    %s\n", url(s.listeners.operator))
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
