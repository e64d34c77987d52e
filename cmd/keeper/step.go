package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// Descriptors of the exec step beyond the standard three, which are already the worker's.
const (
	fdSpec   = 3 // a memory file with a stepSpec
	fdReport = 4 // a pipe to the keeper; it closes when the program takes over
	fdLine   = 5 // a socket: a preloader's orders, or the order for this launch; there where stepSpec says so
)

// stepSpec is what the exec step is told. It never goes through arguments or environment, which others can read.
type stepSpec struct {
	Program string
	Args    []string
	Env     []string
	Dir     string
	Files   uint64
	Brand   keeper.Brand
	Sandbox *sandbox.Policy
	Parent  int // the keeper's pid

	Namespaces sandbox.Namespaces // into which this process was born, and what is missing of those that it was to have
	User       sandbox.User       // whom it becomes

	Preloader bool     // the program takes orders
	Preload   *preload // the program is to be forked; nil where it is to be executed
}

// stepReport is what the exec step says: by what it is held, before it executes the program, and why it failed, if it
// does. Where it stays as the first process of a PID namespace it says that when the program runs, and later how that
// ended. Each is one JSON value.
type stepReport struct {
	Isolation *sandbox.Result `json:",omitempty"`
	Program   int             `json:",omitempty"` // the program's pid in its namespace; 0 where it takes this process over
	Ended     *uint32         `json:",omitempty"` // the program's wait status
	Became    int             `json:",omitempty"` // the pid of the process that takes this one's place; it waits for the keeper's word

	Reason keeper.Reason `json:",omitempty"`
	Errno  int           `json:",omitempty"`
	Text   string        `json:",omitempty"`
}

// step turns this process into the worker's program, or reports why it cannot. It has its own session already. Its
// thread is locked: the parent-death signal and no_new_privs belong to the thread that executes the program.
func step() {
	report := os.NewFile(fdReport, "report")
	reason, err := execute(report)
	r := stepReport{Reason: reason, Text: err.Error()}
	var errno unix.Errno
	if errors.As(err, &errno) {
		r.Errno = int(errno)
	}
	if err := say(report, r); err != nil { // somebody else than the keeper has started it
		fmt.Fprintln(os.Stderr, "keeper launch:", r.Text)
	}
}

func say(report *os.File, r stepReport) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = report.Write(line)
	return err
}

func execute(report *os.File) (keeper.Reason, error) {
	spec, err := readSpec()
	if err != nil {
		return keeper.ReasonSetup, err
	}
	var signals <-chan os.Signal
	if spec.Namespaces.PID {
		signals = listenToSignals()
	}
	furnished, err := furnish(spec)
	if err != nil {
		return keeper.ReasonSetup, err
	}
	if spec.Preload != nil {
		why := spec.Preload.follow(spec, furnished, report, signals)
		furnished.Missing = append(furnished.Missing, fmt.Sprintf("%s (%v)", sandbox.MeansPreload, why))
	}
	isolation, err := prepare(spec, furnished)
	if err != nil {
		return keeper.ReasonSetup, err
	}
	if spec.Namespaces.PID {
		return preside(spec, report, stepReport{Isolation: &isolation}, signals)
	}
	if err := say(report, stepReport{Isolation: &isolation}); err != nil {
		return keeper.ReasonSetup, fmt.Errorf("cannot report to the keeper: %w", err)
	}
	if err := unix.Exec(spec.Program, spec.Args, spec.Env); err != nil {
		return keeper.ReasonExec, fmt.Errorf("cannot execute %q: %w", spec.Program, err)
	}
	return "", nil // not reached
}

func readSpec() (stepSpec, error) {
	var spec stepSpec
	file := os.NewFile(fdSpec, "spec")
	if file == nil {
		return spec, errors.New("cannot read what to launch: this command is for the keeper alone")
	}
	defer file.Close()
	if err := json.NewDecoder(file).Decode(&spec); err != nil {
		return spec, fmt.Errorf("cannot read what to launch: %w", err)
	}
	return spec, nil
}

// furnish makes the namespaces that this process was born into fit to be lived in.
func furnish(spec stepSpec) (held sandbox.Result, err error) {
	if err := closeOnExec(); err != nil {
		return held, fmt.Errorf("cannot close descriptors: %w", err)
	}
	return spec.Namespaces.Furnish()
}

// prepare makes this process what the worker is to find. The order matters: namespaces, limits and the Landlock domain
// need the rights of the keeper's user, and paths are opened with them; then it becomes the worker's user. The
// parent-death signal is armed last, because a change of the user disarms it, and then the parent is looked at, because
// it may have died before. What it does is also in internal/keeper/preloader/preload.py, in the same order.
func prepare(spec stepSpec, furnished sandbox.Result) (held sandbox.Result, err error) {
	unix.Umask(0o077)
	if spec.Files > 0 {
		limit := unix.Rlimit{Cur: spec.Files, Max: spec.Files}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return held, fmt.Errorf("cannot limit the descriptors to %d: %w", spec.Files, err)
		}
	}
	// A dump of memory holds secrets, and lies where nobody looks after it.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return held, fmt.Errorf("cannot forbid memory dumps: %w", err)
	}
	// Where a lower limit is in force already there is no brand, and the marks of the environment must do.
	if !spec.Preloader { // whose children could not change theirs
		_ = proc.SetBrand(spec.Brand)
	}
	if err := unix.Chdir(spec.Dir); err != nil {
		return held, fmt.Errorf("cannot enter the directory %q: %w", spec.Dir, err)
	}
	if err := resetSignals(); err != nil {
		return held, fmt.Errorf("cannot reset signals: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return held, fmt.Errorf("cannot forbid new privileges: %w", err)
	}
	policy, kept := spec.Sandbox, sandbox.Kept
	if spec.Preloader {
		policy, kept = spec.asPreloader()
	}
	if held, err = isolate(policy, spec.User, kept, furnished); err != nil {
		return held, err
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return held, fmt.Errorf("cannot arm the parent-death signal: %w", err)
	}
	if spec.Namespaces.PID && !keeperLives() || !spec.Namespaces.PID && unix.Getppid() != spec.Parent {
		return held, errors.New("cannot launch: the keeper has died")
	}
	return held, nil
}

// isolate takes from this thread, and from the program that it executes, what the worker does not need. It adds what is
// in force already.
func isolate(policy *sandbox.Policy, user sandbox.User, kept sandbox.Capabilities, already sandbox.Result) (held sandbox.Result, err error) {
	if policy == nil {
		held.Missing = []string{"landlock (switched off by the kind)"}
	} else if held, err = sandbox.Enter(*policy); err != nil {
		return held, err
	}
	held.Means = append(held.Means, already.Means...)
	held.Missing = append(held.Missing, already.Missing...)
	if err := user.Become(&held); err != nil {
		return held, err
	}
	if err := kept.Drop(); err != nil {
		return held, err
	}
	held.Means = append(held.Means, sandbox.MeansCapabilities)
	return held, nil
}

// closeOnExec marks every descriptor but the standard three, so that the worker inherits nothing else and the report's
// end says that the program has taken over.
func closeOnExec() error {
	const first = 3
	err := unix.CloseRange(first, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	dir, err := os.Open("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// sigaction is the kernel's form on the architectures that have a restorer, amd64 and arm64 among them.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// resetSignals gives every signal its default action and empties the mask. Execution itself resets only signals that
// are caught; one that is ignored, as under nohup, stays ignored, and a worker that never sees SIGTERM cannot flush.
func resetSignals() error {
	const ignored = 1 // SIG_IGN
	for signal := uintptr(1); signal <= 64; signal++ {
		var action sigaction
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&action)), unsafe.Sizeof(action.mask), 0, 0)
		if errno != 0 || action.handler != ignored {
			continue
		}
		action = sigaction{}
		_, _, errno = unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0)
		if errno != 0 {
			return errno
		}
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
}
