package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
)

// probedLimit is any number that the kernel takes.
const probedLimit = 4096

// lacking says why this machine does not give a namespace; empty is that it does.
type lacking struct{ pid, ipc, network, mounts string }

// grant gives what there is of what is wanted, and names the rest.
func (l lacking) grant(wanted sandbox.Namespaces) sandbox.Namespaces {
	given := wanted
	given.Missing = slices.Clone(wanted.Missing)
	if wanted.PID && l.pid != "" {
		given.PID = false
		given.Missing = append(given.Missing, fmt.Sprintf("%s (%s)", sandbox.MeansProcesses, l.pid))
	}
	if wanted.IPC && l.ipc != "" {
		given.IPC = false
		given.Missing = append(given.Missing, fmt.Sprintf("%s (%s)", sandbox.MeansIPC, l.ipc))
	}
	if wanted.Network && l.network != "" {
		given.Network = false
		given.Missing = append(given.Missing, fmt.Sprintf("%s (%s)", sandbox.MeansNetwork, l.network))
	}
	if wanted.Mounts && l.mounts != "" {
		given.Mounts = false
		given.Missing = append(given.Missing, fmt.Sprintf("%s (%s)", sandbox.MeansMounts, l.mounts))
	}
	return given
}

// orNone forks with what the machine gives or, where it has no room for another namespace, as its administrator can limit
// them, with none.
func (l lacking) orNone(wanted sandbox.Namespaces, fork func(sandbox.Namespaces) (forked, error)) (forked, error) {
	given := l.grant(wanted)
	f, err := fork(given)
	if given.Flags() != 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS)) {
		return fork(lacking{pid: err.Error(), ipc: err.Error(), network: err.Error(), mounts: err.Error()}.grant(given))
	}
	return f, err
}

// probeNamespaces finds out what this machine gives, by a process that is born into each and furnishes it.
func probeNamespaces() (l lacking) {
	if err := probeNamespace(sandbox.MeansProcesses, sandbox.Namespaces{PID: true}); err != nil {
		l.pid = err.Error()
	}
	if err := probeNamespace(sandbox.MeansIPC, sandbox.Namespaces{IPC: true}); err != nil {
		l.ipc = err.Error()
	}
	if err := probeNamespace(sandbox.MeansNetwork, sandbox.Namespaces{Network: true}); err != nil {
		l.network = err.Error()
	}
	// A table of mounts of one's own takes the same rights, and comes with the first.
	l.mounts = l.pid
	return l
}

func probeNamespace(means string, wanted sandbox.Namespaces) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer read.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"keeper", "probe", means}, &syscall.ProcAttr{
		Dir: "/", Env: []string{"GOGC=off", "GOMAXPROCS=1"},
		Files: []uintptr{write.Fd(), write.Fd(), write.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: wanted.Flags()},
	})
	write.Close()
	if err != nil {
		return fmt.Errorf("cannot fork into it: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(read, 4<<10))
	var status unix.WaitStatus
	for {
		if _, waited := unix.Wait4(pid, &status, 0, nil); waited != unix.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return err
	case len(text) > 0:
		return fmt.Errorf("%s", strings.TrimSpace(string(text)))
	case !status.Exited() || status.ExitStatus() != 0:
		return fmt.Errorf("the process in it ended with %#x", uint32(status))
	}
	return nil
}

// probe is what probeNamespace starts. It says nothing where all is well.
func probe(means string) int {
	wanted := sandbox.Namespaces{
		PID:     means == sandbox.MeansProcesses || means == sandbox.MeansCount,
		IPC:     means == sandbox.MeansIPC,
		Network: means == sandbox.MeansNetwork,
	}
	if means == sandbox.MeansCount {
		wanted.Processes = probedLimit
	}
	held, err := wanted.Furnish()
	if err != nil {
		fmt.Println(err)
		return exitFailed
	}
	for _, missing := range held.Missing {
		fmt.Println(missing)
	}
	return 0
}
