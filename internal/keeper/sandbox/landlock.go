package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// writeRights leave out execution, so that what a worker wrote is not run, and the making of devices, which are
	// ways around every other rule for a worker of root's.
	writeRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	deviceRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// fileRights are those that mean something for what is no directory; the kernel refuses the others there.
	fileRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT
)

// rulesetAttr and the two rules are the kernel's forms. The size of the first tells the kernel which fields there are:
// those of a later version are cut off for an earlier kernel.
type rulesetAttr struct{ fs, net, scoped uint64 }

type portAttr struct{ access, port uint64 }

// handled is what a ruleset forbids unless a rule allows it, in each version of the interface.
func handled(version int) (attr rulesetAttr, size uintptr) {
	attr.fs = unix.LANDLOCK_ACCESS_FS_REFER - 1 // all of version 1, which are the bits below
	size = unsafe.Sizeof(attr.fs)
	if version >= 2 {
		attr.fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		attr.fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		attr.net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.net)
	}
	if version >= 5 {
		attr.fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		attr.scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size += unsafe.Sizeof(attr.scoped)
	}
	return attr, size
}

// RestrictSelf is the number of the system call by which a thread enters a ruleset.
const RestrictSelf = unix.SYS_LANDLOCK_RESTRICT_SELF

// ruleset makes the ruleset of a policy.
func ruleset(p Policy, version int) (*os.File, error) {
	attr, size := handled(version)
	if p.Connect {
		attr.net &^= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if p.AnyPort {
		attr.net &^= unix.LANDLOCK_ACCESS_NET_BIND_TCP
	}
	set, err := create(attr, size)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(set), "ruleset")
	if err := allow(set, p, attr); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// enter puts the thread under the ruleset.
func (r Rules) enter() error {
	if r.Set == nil {
		return nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, r.Set.Fd(), 0, 0); errno != 0 {
		return fmt.Errorf("cannot enter the Landlock domain: %w", errno)
	}
	return nil
}

func create(attr rulesetAttr, size uintptr) (set int, err error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("cannot make a Landlock ruleset: %w", errno)
	}
	return int(fd), nil
}

func allow(set int, p Policy, attr rulesetAttr) error {
	if p.Open {
		if err := allowPath(set, "/", attr.fs); err != nil {
			return fmt.Errorf("cannot open all files: %w", err)
		}
	}
	for _, list := range []struct {
		paths  []string
		rights uint64
		needed bool
	}{{p.Read, readRights, false}, {p.Write, writeRights, true}, {p.Devices, deviceRights, false}} {
		for _, path := range list.paths {
			err := allowPath(set, path, list.rights&attr.fs)
			if errors.Is(err, unix.ENOENT) && !list.needed {
				continue
			}
			if err != nil {
				return fmt.Errorf("cannot open %q to the worker: %w", path, err)
			}
		}
	}
	if attr.net&unix.LANDLOCK_ACCESS_NET_BIND_TCP == 0 {
		return nil
	}
	for _, port := range p.Bind {
		rule := portAttr{access: unix.LANDLOCK_ACCESS_NET_BIND_TCP, port: uint64(port)}
		if err := add(set, ruleNetPort, unsafe.Pointer(&rule)); err != nil {
			return fmt.Errorf("cannot open port %d to the worker: %w", port, err)
		}
	}
	return nil
}

// allowPath opens what a path leads to, and all below it.
func allowPath(set int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	return add(set, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule))
}

func add(set, kind int, rule unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), uintptr(kind), uintptr(rule), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
