package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/sandbox"
)

// offer prints what this machine gives to keep workers apart, as JSON. It finds out by submitting itself to all of it,
// and by processes that are born into each namespace.
func offer(arguments []string) int {
	flags := flag.NewFlagSet("keeper offer", flag.ContinueOnError)
	group := flags.String("cgroup", cgroup.Auto, "as for run")
	if err := flags.Parse(arguments); err != nil || flags.NArg() > 0 {
		return exitUsage
	}
	groups := cgroup.Offer(*group)
	namespaces := probeNamespaces()
	count := probeNamespace(sandbox.MeansCount, sandbox.Namespaces{PID: true})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "keeper offer: cannot forbid new privileges:", err)
		return exitFailed
	}
	held, err := isolate(&sandbox.Policy{Connect: true}, sandbox.User{}, sandbox.Kept, sandbox.Result{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "keeper offer:", err)
		return exitFailed
	}
	given := namespaces.grant(sandbox.Namespaces{PID: true, IPC: true, Network: true})
	held.Means = append(held.Means, given.Means()...)
	held.Missing = append(held.Missing, given.Missing...)
	switch {
	case !given.PID:
		held.Missing = append(held.Missing, sandbox.MeansCount+" (there is no PID namespace to have it)")
	case count != nil:
		held.Missing = append(held.Missing, count.Error())
	default:
		held.Means = append(held.Means, sandbox.MeansCount)
	}
	held = withGroup(held, cgroup.Group{Held: groups})
	if err := json.NewEncoder(os.Stdout).Encode(held); err != nil {
		return exitFailed
	}
	return 0
}
