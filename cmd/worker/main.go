// Command worker is a retrieval server for one workspace. It speaks LightRAG's HTTP API, keeps everything in one SQLite
// file, and needs nothing else; a language model and an embedding model are used where they are configured.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/settings"
	"workspace-router/internal/version"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

const usage = `usage: worker serve [--NAME VALUE]...   serve one workspace
       worker version                   print the version
       worker serve --help              list the settings
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch command := args[0]; {
	case command == "serve" && wantsHelp(args[1:]):
		fmt.Fprint(stdout, usage, "\nSettings are read from the environment; those with a flag, from the flag first.\n\n")
		settings.Usage(stdout)
		return 0
	case command == "serve":
		return serve(ctx, args[1:], stderr)
	case command == readCommand && len(args) == 2:
		return read(ctx, args[1], stdout, stderr)
	case command == "version":
		fmt.Fprintln(stdout, version.Version)
		return 0
	case wantsHelp(args[:1]) || command == "help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "worker: unknown command %q\n%s", args[0], usage)
	return exitUsage
}

func wantsHelp(args []string) bool {
	for _, a := range args {
		if a == "-h" || a == "--help" {
			return true
		}
	}
	return false
}

// readCommand is how the worker starts itself to read one document: not for people, and so not in the usage.
const readCommand = "read-document"

// documentDescriptor is where the reader finds the document: the first one that a child inherits beyond the standard ones.
const documentDescriptor = 3

func read(ctx context.Context, name string, stdout, stderr io.Writer) int {
	document := os.NewFile(documentDescriptor, name)
	if document == nil {
		fmt.Fprintln(stderr, "worker: no document was handed over")
		return exitUsage
	}
	return extract.Serve(ctx, name, document, os.Stdin, stdout, stderr, extract.DefaultLimits(), os.Exit)
}

func serve(ctx context.Context, args []string, stderr io.Writer) int {
	config, err := settings.Load(args, os.LookupEnv)
	if err != nil {
		fmt.Fprintf(stderr, "worker: cannot start:\n%v\nSee \"worker serve --help\".\n", err)
		return exitUsage
	}
	log, err := newLogger(config.LogLevel, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return exitFailure
	}
	defer func() { _ = log.Sync() }() // a pipe cannot be synced
	if err := serveWorkspace(ctx, config, log); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "worker:", err)
		return exitFailure
	}
	return 0
}
