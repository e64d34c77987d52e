package process

import (
	"fmt"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// namespaces says of what a launch is to have an instance of its own. The keeper gives what the machine has and names
// the rest. A network that the router could not enter would keep the worker from it, too.
func namespaces(i kind.Isolation) (wanted sandbox.Namespaces) {
	if wanted.PID = i.PIDNamespace == kind.IsolationAuto; wanted.PID {
		wanted.IPC, wanted.Processes = true, i.Processes
	}
	if i.Network != kind.NetworkOwn && i.Network != kind.NetworkNone {
		return wanted
	}
	if err := mayEnter(); err != nil {
		wanted.Missing = append(wanted.Missing, notEntered(err))
		return wanted
	}
	wanted.Network = true
	return wanted
}

func notEntered(err error) string {
	return fmt.Sprintf("%s (the router cannot enter it: %v)", sandbox.MeansNetwork, err)
}
