package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/preloader"
	"workspace-router/internal/keeper/sandbox"
)

// handOverPatience bounds how long a preloader may take before the program is executed.
const handOverPatience = 5 * time.Second

// preload is what the exec step of a launch is told whose program is to be forked.
type preload struct {
	Before []string // the interpreter and its options
	Group  string   // the launch's control group; empty where it has none
	Open   bool     // the preloader's files are bounded by its mounts, so that another /proc is not closed to its children
}

// asPreloader gives what a preloader is held by: its children are held by it, too, so it takes nothing from them that a
// worker may have. Where the machine's files are out of its reach by its mounts, Landlock is for the rest of what it does.
func (s stepSpec) asPreloader() (*sandbox.Policy, sandbox.Capabilities) {
	_, _ = unix.FcntlInt(fdLine, unix.F_SETFD, 0)
	policy := s.Sandbox
	if s.Namespaces.Mounts && policy != nil {
		policy = &sandbox.Policy{Open: true, Connect: true, AnyPort: true}
	}
	return policy, sandbox.KeptToSetUp
}

// follow has a preloader make the process that runs the program, and stays for as long as it is needed; it returns, with
// the reason, where the program has to be executed. Until the process runs, this one gives up nothing that it needs for that.
func (p *preload) follow(spec stepSpec, furnished sandbox.Result, report *os.File, signals <-chan os.Signal) error {
	line := preloader.NewLine(os.NewFile(fdLine, "line"))
	defer line.Close()
	if spec.Namespaces.Flags() != 0 && !p.Open {
		return errors.New("the preloader's children may not enter namespaces")
	}
	rules, held, err := sandbox.Draw(spec.Sandbox)
	if err != nil {
		return err
	}
	defer rules.Close()
	order, files, err := p.order(spec, rules)
	defer closeAll(files)
	if err != nil {
		return err
	}
	pid, err := line.HandOver(order, append([]*os.File{os.Stdin, os.Stdout, os.Stderr}, files...), handOverPatience)
	if err != nil {
		return err
	}
	if err := p.join(pid); err != nil {
		return err
	}
	if err := inspect(pid, spec, order); err != nil {
		return err
	}
	held = p.means(spec, held, furnished)
	if !spec.Namespaces.PID {
		if err := say(report, stepReport{Isolation: &held, Became: pid}); err != nil {
			return err
		}
		for { // until the keeper ends this process
			_ = unix.Pause()
		}
	}
	if err := line.Go(); err != nil {
		return err
	}
	p.preside(spec, held, pid, report, signals)
	return nil // not reached
}

// preside goes on as the first process of the launch's PID namespace. It gives up what it has beyond the program, but for
// the Landlock domain: it could not send a signal to a process that is in another one.
func (p *preload) preside(spec stepSpec, held sandbox.Result, program int, report *os.File, signals <-chan os.Signal) {
	var own sandbox.Result
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = spec.User.Become(&own)
	}
	if err == nil {
		err = sandbox.Kept.Drop()
	}
	if err == nil {
		err = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	}
	if err == nil {
		err = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	if err != nil || !keeperLives() || say(report, stepReport{Isolation: &held, Program: program}) != nil {
		os.Exit(exitStep) // with all that is in the namespace
	}
	debug.FreeOSMemory()
	attend(program, report, signals)
}

// join moves the forked process, which was born into the preloader's control group, into the launch's.
func (p *preload) join(pid int) error {
	if p.Group == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(p.Group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		return fmt.Errorf("cannot move the forked process into the launch's control group: %w", err)
	}
	return nil
}

// means says by what the forked process is held: the same as if the program were executed.
func (p *preload) means(spec stepSpec, rules, furnished sandbox.Result) sandbox.Result {
	rules.Means = append(append(rules.Means, furnished.Means...), sandbox.MeansPreload)
	rules.Missing = append(rules.Missing, furnished.Missing...)
	spec.User.Note(&rules)
	rules.Means = append(rules.Means, sandbox.MeansCapabilities)
	return rules
}

// order says what the process is to become. The files are in the order in which it takes them.
func (p *preload) order(spec stepSpec, rules sandbox.Rules) (o preloader.Order, files []*os.File, err error) {
	names := []string{"mnt", "ipc", "net"}
	o = preloader.Order{
		Args: spec.Args, Original: append(append([]string{}, p.Before...), spec.Args...), Env: spec.Env, Dir: spec.Dir,
		Files: spec.Files, Brand: uint64(spec.Brand), User: spec.User.ID, Processes: spec.User.Processes, Kept: uint64(sandbox.Kept),
		Landlock: rules.Set != nil, RestrictSelf: sandbox.RestrictSelf, Filter: rules.Filter,
		Parent: spec.Parent, Death: int(unix.SIGKILL),
	}
	if spec.Namespaces.PID {
		names = append(names, "pid")
		o.Contained, o.Parent, o.Death = true, os.Getpid(), 0
	}
	if p.Open { // else it has those of this process already
		for _, name := range names {
			file, err := os.Open("/proc/self/ns/" + name)
			if err != nil {
				return o, files, fmt.Errorf("cannot open a namespace: %w", err)
			}
			files = append(files, file)
		}
	}
	o.Namespaces = len(files)
	if rules.Set != nil {
		fd, err := unix.FcntlInt(rules.Set.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return o, files, fmt.Errorf("cannot hand on the Landlock ruleset: %w", err)
		}
		files = append(files, os.NewFile(uintptr(fd), "ruleset"))
	}
	return o, files, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

// inspect looks from outside at what the process says it is. What the kernel does not show of it, its Landlock domain
// above all, is left to its own word, and to what its system calls returned.
func inspect(pid int, spec stepSpec, order preloader.Order) error {
	status, err := readStatus(pid)
	if err != nil {
		return err
	}
	user := strconv.Itoa(spec.User.ID)
	if spec.User.ID == 0 {
		user = strconv.Itoa(os.Geteuid())
	}
	want := map[string]string{"NoNewPrivs": "1", "Threads": "1", "CapInh": "0", "CapAmb": "0", "Uid": user}
	if order.Filter != nil {
		want["Seccomp"] = "2"
	}
	for name, value := range want {
		if got := status[name]; got != value {
			return fmt.Errorf("the forked process has %s %q, want %q", name, got, value)
		}
	}
	for _, name := range []string{"CapEff", "CapPrm"} {
		set, err := strconv.ParseUint(status[name], 16, 64)
		if err != nil && status[name] != "0" || set&^uint64(sandbox.Kept) != 0 {
			return fmt.Errorf("the forked process has %s %q", name, status[name])
		}
	}
	own, err1 := os.ReadFile("/proc/self/cgroup")
	its, err2 := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("cannot look at the forked process: %w", err)
	}
	if !bytes.Equal(own, its) {
		return errors.New("the forked process is in another control group")
	}
	for _, name := range []string{"mnt", "ipc", "net", "pid"} {
		own, err1 := os.Readlink("/proc/self/ns/" + name)
		its, err2 := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + name)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("cannot look at the forked process: %w", err)
		}
		if own != its {
			return fmt.Errorf("the forked process is in another %s namespace", name)
		}
	}
	return nil
}
