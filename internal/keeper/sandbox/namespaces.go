package sandbox

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// The names of the namespaces among the means.
const (
	MeansProcesses = "pid namespace"     // it sees no process but its launch's, and ends with all of them
	MeansIPC       = "ipc namespace"     // no System V objects and POSIX message queues but its own
	MeansNetwork   = "network namespace" // no network but a loopback of its own
	MeansCount     = "process limit"     // of the PID namespace
)

// Namespaces are the parts of the machine of which a process gets its own, empty instance. They need a privileged user.
type Namespaces struct {
	PID     bool `json:"pid,omitempty"`
	IPC     bool `json:"ipc,omitempty"`
	Network bool `json:"network,omitempty"`
	// Processes is the most that there may be of processes and threads in the PID namespace; 0 is no limit.
	Processes int `json:"processes,omitempty"`
	// Missing are those that were wished for and cannot be used by whoever asks, and why.
	Missing []string `json:"missing,omitempty"`
}

// Flags are those of clone(2). A view of processes needs a /proc that shows it, and so a table of mounts to have it in.
func (n Namespaces) Flags() uintptr {
	var flags uintptr
	if n.PID {
		flags |= unix.CLONE_NEWPID | unix.CLONE_NEWNS
	}
	if n.IPC {
		flags |= unix.CLONE_NEWIPC
	}
	if n.Network {
		flags |= unix.CLONE_NEWNET
	}
	return flags
}

// Means names what is in force.
func (n Namespaces) Means() (list []string) {
	if n.PID {
		list = append(list, MeansProcesses)
	}
	if n.IPC {
		list = append(list, MeansIPC)
	}
	if n.Network {
		list = append(list, MeansNetwork)
	}
	return list
}

// Furnish makes the namespaces that the calling process was born into fit to be lived in, and says what is in force then.
// It comes before Enter, which takes away the right to do so.
func (n Namespaces) Furnish() (held Result, err error) {
	held = Result{Means: n.Means(), Missing: slices.Clone(n.Missing)}
	if n.PID {
		if err := mountProc(0); err != nil {
			return held, err
		}
	}
	if n.Processes > 0 {
		if err := n.limitProcesses(); err != nil {
			held.Missing = append(held.Missing, fmt.Sprintf("%s (%v)", MeansCount, err))
		} else {
			held.Means = append(held.Means, MeansCount)
		}
	}
	if n.PID { // it was open for the limit
		if err := mountProc(unix.MS_REMOUNT | unix.MS_RDONLY); err != nil {
			return held, err
		}
	}
	if n.Network {
		return held, raiseLoopback()
	}
	return held, nil
}

// mountProc puts a /proc over the machine's that shows the processes of this namespace. In the end it cannot be written
// to, like the one that Landlock leaves to a worker, because it lacks what an administrator may have mounted over parts
// of the other.
func mountProc(flags uintptr) error {
	// What is mounted on a shared mount appears on the machine's too.
	if err := unix.Mount("none", "/proc", "", unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("cannot detach /proc from the machine's: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", flags|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	return nil
}

// raiseLoopback brings up the one interface that a new network namespace has.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot bring up the loopback interface: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("cannot bring up the loopback interface: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("cannot bring up the loopback interface: %w", err)
	}
	return nil
}
