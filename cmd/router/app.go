package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/configs"
)

// app is what the commands share: where they write and what surrounds them.
type app struct {
	out, err io.Writer
	environ  []string
}

// run executes one command line and gives the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.newRootCommand()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(&plainWriter{w: a.err}, "router: %v\n", err) // it may quote what a worker or another server said
	code := exitCode(err)
	if code == exitUsage {
		fmt.Fprintf(a.err, "Run \"%s --help\" for how it is used.\n", command.CommandPath())
	}
	return code
}

func (a *app) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "router",
		Short: "One URL in front, one worker process per workspace behind",
		Long: `router starts a worker of its own for each workspace when the first request for it comes,
and stops the one that was idle for longest when another needs the room.

Exit codes: 0 done, 1 failed, 2 used wrongly, 3 not found, 4 refused.`,
		Example: `  router serve --data ./data
  router worker list --data ./data`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(
		a.newServeCommand(), a.newConfigCommand(), a.newKindCommand(), a.newWorkerCommand(), a.newWorkspaceCommand(), a.newTenantCommand(), a.newKeyCommand(), a.newEventsCommand(), a.newWhoamiCommand(),
		a.newVersionCommand(), a.newCompletionCommand(),
	)
	group(root)
	return root
}

// group makes a command that only holds others say so when it is called by itself or with a verb that it has not.
func group(command *cobra.Command) *cobra.Command {
	command.Args, command.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	command.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			c.SetOut(c.ErrOrStderr())
			_ = c.Help() // what cannot be written to standard error cannot be told either
			return usagef("a command is missing after %q", c.CommandPath())
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q?", strings.Join(near, `" or "`))
		}
		return usagef("%s", text)
	}
	return command
}

// arguments requires exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing: %s", names[len(args)], c.UseLine())
		case len(args) > len(names):
			return usagef("unexpected argument %q: %s", args[len(names)], c.UseLine())
		}
		return nil
	}
}

// variable gives an environment variable, empty where it is not set.
func (a *app) variable(name string) string {
	for _, entry := range a.environ {
		if before, value, _ := strings.Cut(entry, "="); before == name {
			return value
		}
	}
	return ""
}

// configFlags are the flags of the commands that load the configuration.
type configFlags struct{ file string }

func (f *configFlags) bind(command *cobra.Command) {
	command.Flags().StringVar(&f.file, "config", "", "configuration `FILE` ("+configs.EnvironmentConfig+")")
	for _, k := range configs.Keys() {
		if k.Flag != "" {
			command.Flags().String(k.Flag, "", fmt.Sprintf("%s (%s)", firstSentence(k.Doc), k.Environment()))
		}
	}
}

func firstSentence(text string) string {
	sentence, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(sentence, ".")
}

// source is where the configuration comes from.
func (f *configFlags) source(a *app, command *cobra.Command) configs.Source {
	source := configs.Source{File: f.file, Environ: a.environ, Flags: map[string]string{}}
	for _, k := range configs.Keys() {
		if k.Flag != "" && command.Flags().Changed(k.Flag) {
			source.Flags[k.Name] = command.Flags().Lookup(k.Flag).Value.String()
		}
	}
	return source
}

// load reads the configuration as `serve` does, and writes its warnings.
func (f *configFlags) load(a *app, command *cobra.Command) (configs.Config, error) {
	config, warnings, err := configs.Load(f.source(a, command))
	for _, warning := range warnings {
		fmt.Fprintf(a.err, "router: warning: %v\n", warning)
	}
	if err != nil {
		return configs.Config{}, fmt.Errorf("cannot use the configuration:\n%w", err)
	}
	return config, nil
}
