// Command keeper holds the local workers of one data directory. It is started by the router, forks every worker, is
// the subreaper of all that they leave behind, holds their locks and logs, and knows every exit. When the router dies
// it stops them; when it dies itself the kernel kills them, and its successor proves it before it takes a command.
//
// One goroutine, locked to its thread, owns the table of launches and does every fork and every wait (keeper.go): the
// parent-death signal of a worker is tied to the thread that forked it. Beside it run a reader and a writer for the
// router (session.go), two per launch for its output (output.go) and one short-lived per census (sweep.go); they post
// what they find to the owner. What it proves, it proves by signals, waits and /proc; it never trusts a worker.
//
//	keeper run --data DIR    with the router's end of a socket pair as descriptor 3
//	keeper run … --resume N  for a keeper that has executed it in its own place, and left what it holds as descriptor N
//	                         (renew.go, state.go, resume.go)
//	keeper check-resume V    whether it could do so for one that leaves a state of version V
//	keeper launch            the exec step of a launch, started by the keeper alone (step.go); it stays as the first
//	                         process where the launch has a PID namespace of its own (init.go)
//	keeper offer             what the machine gives to keep workers apart, for the router (offer.go)
//	keeper yield             makes room for a router in its unit's control group, for ExecStopPost (groups.go)
//	keeper probe MEANS       tries a namespace, started by the keeper alone (namespaces.go)
//	keeper version
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/version"
)

// Exit statuses. exitStep is what a shell gives for a program that cannot be run.
const (
	exitFailed = 1
	exitUsage  = 2
	exitStep   = 127
)

func main() {
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: keeper run --data DIR | keeper version\nThe router starts it; nobody else needs to.")
		os.Exit(exitUsage)
	}
	switch os.Args[1] {
	case "run":
		os.Exit(runCommand(os.Args[2:]))
	case "launch": // also where it stays as the first process of a PID namespace
		step()
		os.Exit(exitStep)
	case "probe":
		if len(os.Args) != 3 {
			os.Exit(exitUsage)
		}
		os.Exit(probe(os.Args[2]))
	case "check-resume":
		if len(os.Args) != 3 {
			os.Exit(exitUsage)
		}
		os.Exit(checkResume(os.Args[2]))
	case "yield":
		os.Exit(yield(os.Args[2:]))
	case "offer":
		os.Exit(offer(os.Args[2:]))
	case "version":
		fmt.Println(version.Version)
	default:
		fmt.Fprintf(os.Stderr, "keeper: unknown command %q, want run, launch or version\n", os.Args[1])
		os.Exit(exitUsage)
	}
}

func runCommand(args []string) int {
	flags := flag.NewFlagSet("keeper run", flag.ContinueOnError)
	data := flags.String("data", "", "the data `directory`, an absolute path")
	group := flags.String("cgroup", cgroup.Off, "where launches have control groups: auto, off, or the `path` of a group")
	left := flags.Int("resume", 0, "the `descriptor` of what a keeper has left that executes this one")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if *data == "" || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "keeper run: --data DIR is needed, and there are no other arguments")
		return exitUsage
	}
	var err error
	if *left > 0 {
		if err = resume(*data, *left); err != nil {
			err = fmt.Errorf("what another program has left cannot be held, and ends: %w", err)
		}
	} else {
		err = run(*data, *group)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "keeper:", err)
		return exitFailed
	}
	return 0
}
