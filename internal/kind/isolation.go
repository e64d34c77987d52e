package kind

import (
	"fmt"
	"slices"
	"strings"
)

// Isolation is what a worker may reach beyond its own directories. What the machine cannot hold it to is named with
// each launch; a start does not fail for it.
type Isolation struct {
	Landlock string `yaml:"landlock"` // auto: as far as the kernel has it; off: all that the router's user may. Default auto
	// Network is host: connections to anywhere; own: no connections out, and it is reached by nobody but the router; or
	// none: Unix sockets only. Default host
	Network string `yaml:"network"`
	// PIDNamespace is auto: where the router may make one, the worker sees no process but its own, no process of its own
	// outlives it, and it shares no System V memory or message queue with others; or off. Default auto
	PIDNamespace string `yaml:"pid_namespace"`
	// Processes is the most that there may be of the worker's processes and threads together, where it has a PID
	// namespace and the kernel can count in it (Linux 6.14). Default 4096
	Processes int `yaml:"processes"`
	// Read are files and directories beyond the system's that it may read and execute, with all below: where its program
	// is installed, if not under /usr. Templates; absolute, or from {program_dir}. The program itself may always be read.
	Read []string `yaml:"read"`
	// Write are those that it may change, beyond {dir} and {run}. All workers of the kind share them: they mix what the
	// router keeps apart, unless the template tells them apart.
	Write []string `yaml:"write"`
	// ReadNamed are variables of the worker's environment whose values are paths that it may read too.
	ReadNamed []string `yaml:"read_named"`
	// Runtime is python where the program is a script of that language: the virtual environment and the installation of
	// the interpreter that its first line names may be read, wherever they are. Empty is none.
	Runtime string `yaml:"runtime"`
}

// The values of Isolation.
const (
	IsolationAuto = "auto"
	IsolationOff  = "off"
	NetworkHost   = "host"
	NetworkOwn    = "own"
	NetworkNone   = "none"
	RuntimePython = "python"
)

// The kernel takes no number below the first, and has no pid above the second.
const (
	fewestProcesses = 301
	mostProcesses   = 1 << 22
)

func (v *validator) isolation(k *Kind) {
	i := k.Isolation
	for name, endpoint := range k.Endpoints {
		if i.Network == NetworkNone && endpoint.Network != NetworkUnix {
			v.at("isolation.network", "got none, but the endpoint %q is not on a Unix socket", name)
		}
	}
	v.oneOf(i.Landlock, "isolation.landlock", IsolationAuto, IsolationOff)
	v.oneOf(i.Network, "isolation.network", NetworkHost, NetworkOwn, NetworkNone)
	v.oneOf(i.PIDNamespace, "isolation.pid_namespace", IsolationAuto, IsolationOff)
	if i.Processes < fewestProcesses || i.Processes > mostProcesses {
		v.at("isolation.processes", "got %d, want %d to %d", i.Processes, fewestProcesses, mostProcesses)
	}
	if i.Runtime != "" {
		v.oneOf(i.Runtime, "isolation.runtime", RuntimePython)
	}
	for n, name := range i.ReadNamed {
		v.environmentName(name, fmt.Sprintf("isolation.read_named[%d]", n))
	}
	if i.Network == NetworkNone && i.Landlock == IsolationOff {
		v.at("isolation.network", "got none, but isolation.landlock is off, and a worker is held to both by the same means")
	}
	for field, list := range map[string][]string{"isolation.read": i.Read, "isolation.write": i.Write} {
		for n, template := range list {
			at := fmt.Sprintf("%s[%d]", field, n)
			v.template(template, at, argumentNames)
			root, _, _ := strings.Cut(template, "/")
			if root != "" && root != "{program_dir}" || template == "" {
				v.at(at, "got %q, want an absolute path, or one that begins with {program_dir}", template)
			}
		}
	}
}

func (v *validator) oneOf(value, field string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.at(field, "got %q, want %s", value, strings.Join(allowed, " or "))
	}
}
