package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	pidMaximum = "/proc/sys/kernel/pid_max"
	// unlimited is what a new PID namespace has there.
	unlimited = 1 << 22
)

// limitProcesses bounds the pids of this process's own namespace, which bounds a storm of forks.
func (n Namespaces) limitProcesses() error {
	if !n.PID {
		return errors.New("there is no PID namespace to have it")
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("cannot ask for the kernel's version: %w", err)
	}
	// Before, the number is the whole machine's.
	if release := unix.ByteSliceToString(name.Release[:]); !atLeast(release, 6, 14) {
		return fmt.Errorf("the kernel is %s, it came with 6.14", release)
	}
	text, err := os.ReadFile(pidMaximum)
	if err != nil {
		return fmt.Errorf("cannot read the limit: %w", err)
	}
	if found := strings.TrimSpace(string(text)); found != strconv.Itoa(unlimited) {
		return fmt.Errorf("a new namespace begins with %s, which may be the machine's", found)
	}
	if err := os.WriteFile(pidMaximum, []byte(strconv.Itoa(n.Processes)), 0); err != nil {
		return fmt.Errorf("cannot set the limit: %w", err)
	}
	return nil
}

// atLeast compares the beginning of a kernel's release, such as "6.14.0-rc1", with a version.
func atLeast(release string, major, minor int) bool {
	var gotMajor, gotMinor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &gotMajor, &gotMinor); n < 2 {
		return false
	}
	return gotMajor > major || gotMajor == major && gotMinor >= minor
}
