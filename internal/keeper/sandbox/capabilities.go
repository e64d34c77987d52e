package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Capabilities are a set of them, one bit for each.
type Capabilities uint64

const (
	// Kept are the capabilities that a worker of root's keeps: to use files whose owner or mode is another, which the
	// directories that are open to it bound.
	Kept Capabilities = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER
	// KeptToSetUp are those of a process whose children enter namespaces, become users and keep Kept.
	KeptToSetUp = Kept | 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETPCAP
)

// Drop sees to it that the program that the calling thread executes next has no capabilities beyond these, whoever its
// user is.
func (c Capabilities) Drop() error {
	// Where the kernel knows no ambient ones there is nothing to clear.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("cannot clear the ambient capabilities: %w", err)
	}
	if err := dropBounding(c); err != nil {
		return err
	}
	return setCapabilities(c)
}

// dropBounding leaves only what is given to what a program can come to have.
func dropBounding(left Capabilities) error {
	for capability := range 64 {
		if left&(1<<capability) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0)
		switch {
		case errors.Is(err, unix.EINVAL): // there are no more
			return nil
		case errors.Is(err, unix.EPERM): // not privileged: what a program has by its file is lost to no_new_privs
			return nil
		case err != nil:
			return fmt.Errorf("cannot drop capability %d: %w", capability, err)
		}
	}
	return nil
}

// setCapabilities empties the inheritable set, and lowers the others to what is kept of them.
func setCapabilities(kept Capabilities) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("cannot read the capabilities: %w", err)
	}
	for i := range data {
		mask := uint32(kept >> (32 * i))
		data[i] = unix.CapUserData{Effective: data[i].Effective & mask, Permitted: data[i].Permitted & mask}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("cannot lower the capabilities: %w", err)
	}
	return nil
}
