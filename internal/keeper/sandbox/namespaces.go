package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// The names of the namespaces among the means.
const (
	MeansProcesses = "pid namespace"     // it sees no process but its launch's, and ends with all of them
	MeansIPC       = "ipc namespace"     // no System V objects and POSIX message queues but its own
	MeansNetwork   = "network namespace" // no network but a loopback of its own
	MeansMounts    = "mount namespace"   // it sees the machine's files read-only, and nothing of the data directory
	MeansCount     = "process limit"     // of the PID namespace
)

// Namespaces are the parts of the machine of which a process gets its own, empty instance. They need a privileged user.
type Namespaces struct {
	PID     bool `json:"pid,omitempty"`
	IPC     bool `json:"ipc,omitempty"`
	Network bool `json:"network,omitempty"`
	// Mounts shows files read-only, and the directory Hidden empty but for Shown, which is below it and can be written to.
	Mounts bool   `json:"mounts,omitempty"`
	Hidden string `json:"hidden,omitempty"`
	Shown  string `json:"shown,omitempty"`
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
	if n.Mounts {
		flags |= unix.CLONE_NEWNS
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
	if n.Mounts {
		list = append(list, MeansMounts)
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
	if n.Mounts {
		if err := hide(n.Hidden, n.Shown); err != nil {
			return held, err
		}
	}
	if n.Network {
		return held, raiseLoopback()
	}
	return held, nil
}

// hide makes what this process sees of the files read-only, and of one directory no more than one that is below it.
func hide(hidden, shown string) error {
	below, err := filepath.Rel(hidden, shown)
	if err != nil || !filepath.IsLocal(below) || below == "." {
		return fmt.Errorf("cannot hide %q: %q is not below it", hidden, shown)
	}
	// What is mounted on a shared mount appears on the machine's too.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("cannot detach the mounts from the machine's: %w", err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, shown, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot keep %q: %w", shown, err)
	}
	defer unix.Close(tree)
	if err := unix.Mount("none", hidden, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700,size=64k"); err != nil {
		return fmt.Errorf("cannot hide %q: %w", hidden, err)
	}
	if err := os.MkdirAll(shown, 0o700); err != nil {
		return fmt.Errorf("cannot keep %q: %w", shown, err)
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("cannot make the files read-only: %w", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, shown, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot keep %q: %w", shown, err)
	}
	return nil
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
