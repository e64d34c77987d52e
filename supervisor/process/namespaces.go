package process

import (
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// namespaces says of what a launch is to have an instance of its own. The keeper gives what the machine has and names
// the rest.
func namespaces(i kind.Isolation) sandbox.Namespaces {
	return sandbox.Namespaces{
		PID:     i.PIDNamespace == kind.IsolationAuto,
		Network: i.Network == kind.NetworkOwn || i.Network == kind.NetworkNone,
	}
}
