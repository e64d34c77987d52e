// Package sandbox takes from a process, for good, what a worker does not need: the rest of the file system, other
// processes, ports, privileges. It owns no state and starts nothing; what it does holds for the calling thread and for
// all that this thread executes or forks. It needs no privileges, uses the standard library and x/sys only, and never
// leaves anything out silently: what the machine does not give is named in the result.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Policy is what a process may still do. Nothing else is left to it of what the means at hand govern.
type Policy struct {
	Read    []string `json:"read,omitempty"`     // to be read and executed, with all below; what is missing is passed over
	Write   []string `json:"write,omitempty"`    // to be changed in every way, with all below; not executed
	Devices []string `json:"devices,omitempty"`  // device files, to be read and written; what is missing is passed over
	Bind    []int    `json:"bind,omitempty"`     // TCP ports
	Connect bool     `json:"connect,omitempty"`  // TCP connections to anywhere
	AnyPort bool     `json:"any_port,omitempty"` // every TCP port, beside Bind
	Open    bool     `json:"open,omitempty"`     // all files that it sees; for one that sees few
}

// Result says by what a process is held.
type Result struct {
	Landlock int      `json:"landlock,omitempty"` // version of the kernel's interface; 0 where it was not used
	Means    []string `json:"means,omitempty"`    // what is in force
	Missing  []string `json:"missing,omitempty"`  // what is not, and why
}

// String is one line for people.
func (r Result) String() string {
	text := "isolated by " + strings.Join(r.Means, ", ")
	if len(r.Means) == 0 {
		text = "not isolated"
	}
	if len(r.Missing) > 0 {
		text += "; without " + strings.Join(r.Missing, ", ")
	}
	return text
}

// The names of the means. Landlock's parts came with its versions.
const (
	MeansPreload      = "preload" // no isolation: it was forked from a preloader, and held like what is executed
	MeansCapabilities = "dropped capabilities"
	MeansCalls        = "seccomp"           // MPTCP, io_uring; without a network all but Unix sockets
	MeansFiles        = "landlock files"    // 1: files, directories, mounts, and ptrace
	MeansTruncate     = "landlock truncate" // 3
	MeansTCP          = "landlock tcp"      // 4: bind and connect
	MeansDevices      = "landlock devices"  // 5: ioctl
	MeansScope        = "landlock scope"    // 6: signals and abstract sockets
)

var versions = []struct {
	since int
	means string
}{{1, MeansFiles}, {3, MeansTruncate}, {4, MeansTCP}, {5, MeansDevices}, {6, MeansScope}}

// Version gives the version of Landlock that the kernel has, or why it has none.
func Version() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errors.Is(errno, unix.ENOSYS):
		return 0, errors.New("the kernel has none, or the container's filter forbids it")
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, errors.New("it is not enabled when the kernel boots")
	case errno != 0:
		return 0, fmt.Errorf("cannot ask for Landlock: %w", errno)
	}
	return int(version), nil
}

// Offer says what Enter would give on this machine.
func Offer() Result {
	version, err := Version()
	return offer(version, err)
}

func offer(version int, err error) Result {
	r := Result{Landlock: version}
	for _, v := range versions {
		switch {
		case err != nil:
			r.Missing = append(r.Missing, fmt.Sprintf("%s (%v)", v.means, err))
		case version < v.since:
			r.Missing = append(r.Missing, fmt.Sprintf("%s (the kernel has version %d of Landlock, it came with %d)", v.means, version, v.since))
		default:
			r.Means = append(r.Means, v.means)
		}
	}
	return r
}

// Enter holds the calling thread to the policy as far as the kernel can. The thread must have given up new privileges
// (PR_SET_NO_NEW_PRIVS). An error means that the policy itself cannot be kept, not that the kernel lacks something.
func Enter(p Policy) (Result, error) {
	rules, r, err := Draw(&p)
	if err != nil {
		return Result{}, err
	}
	defer rules.Close()
	if err := rules.enter(); err != nil {
		return Result{}, err
	}
	if rules.Filter == nil { // it is named
		return r, nil
	}
	if err := enterFilter(rules.Filter); err != nil {
		return lacks(r, MeansCalls, err), nil
	}
	return r, nil
}

// Rules are what a policy comes to on this machine: what the kernel is given.
type Rules struct {
	Set    *os.File // a Landlock ruleset; nil where there is none
	Filter []byte   // of system calls: the kernel's instructions one after the other; nil where there is none
}

// Draw makes the rules of a policy, which another process can enter, and says what they hold it by. A nil policy has none.
func Draw(p *Policy) (Rules, Result, error) {
	if p == nil {
		return Rules{}, Result{Missing: []string{"landlock (switched off by the kind)"}}, nil
	}
	version, missing := Version()
	rules, r := Rules{}, offer(version, missing)
	if missing == nil {
		set, err := ruleset(*p, version)
		if err != nil {
			return Rules{}, Result{}, err
		}
		rules.Set = set
	}
	calls, err := encodeFilter(*p)
	if err != nil {
		return rules, lacks(r, MeansCalls, err), nil
	}
	rules.Filter = calls
	r.Means = append(r.Means, MeansCalls)
	return rules, r, nil
}

// Close lets go of the rules. Whoever has entered them stays held.
func (r Rules) Close() {
	if r.Set != nil {
		r.Set.Close()
	}
}

// lacks notes that one of the means is not in force.
func lacks(r Result, means string, why error) Result {
	r.Means = slices.DeleteFunc(r.Means, func(m string) bool { return m == means })
	r.Missing = append(r.Missing, fmt.Sprintf("%s (%v)", means, why))
	return r
}
