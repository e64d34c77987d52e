package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// machine is the real system.
type machine struct {
	lacks lacking // found out when the keeper begins
}

// fork starts the exec step of a launch, whose standard output and error become output. A machine that turns out not to
// have room for another namespace, as its administrator can limit them, gives the launch none.
func (m machine) fork(s keeper.Start, id keeper.DataID, files channels, group cgroup.Group) (forked, error) {
	within := func(group *os.File) (forked, error) {
		return m.lacks.orNone(s.Namespaces, func(given sandbox.Namespaces) (forked, error) { return forkInto(s, id, files, given, group) })
	}
	return orOutside(group, within)
}

// forkInto forks into the namespaces and, where it is not nil, into the control group of that descriptor.
func forkInto(s keeper.Start, id keeper.DataID, files channels, given sandbox.Namespaces, group *os.File) (forked, error) {
	inherited, order := files.order(s, group)
	spec, err := specFile(stepSpec{
		Program: s.Program, Args: s.Args, Dir: s.Dir, Files: s.Files, Sandbox: s.Sandbox,
		// The mark comes first, where a reader of the environment finds it without reading the rest.
		Env:    append([]string{markOf(s, id)}, s.Env...),
		Brand:  keeper.NewBrand(id, s.Launch),
		Parent: os.Getpid(), Namespaces: given, User: s.User,
		Preloader: s.Preloader, Preload: order,
	})
	if err != nil {
		return forked{}, err
	}
	defer unix.Close(spec)
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return forked{}, fmt.Errorf("cannot open the worker's input: %w", err)
	}
	defer null.Close()
	report, write, err := os.Pipe()
	if err != nil {
		return forked{}, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer write.Close()
	system := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: given.Flags()}
	if group != nil {
		system.UseCgroupFD, system.CgroupFD = true, int(group.Fd())
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"keeper", "launch"}, &syscall.ProcAttr{
		Dir: "/",
		// The exec step is marked from its first moment. It is too short-lived for garbage or parallel work.
		Env:   []string{markOf(s, id), "GOGC=off", "GOMAXPROCS=1"},
		Files: append([]uintptr{null.Fd(), files.output.Fd(), files.output.Fd(), uintptr(spec), write.Fd()}, inherited...),
		Sys:   system,
	})
	if err != nil {
		report.Close()
		return forked{}, fmt.Errorf("cannot fork: %w", err)
	}
	stat, err := proc.Read(pid) // it cannot be reaped meanwhile: only this goroutine does
	if err != nil {
		report.Close()
		_ = unix.Kill(pid, unix.SIGKILL)
		return forked{}, err
	}
	return forked{root: stat.ID, report: report, contained: given.PID}, nil
}

// program gives the process that runs a launch's program: the child of root with that pid in their namespace, or root
// itself where that child has ended already.
func (machine) program(root proc.ID, inside int) proc.ID {
	if id, found := proc.Child(root, inside); found {
		return id
	}
	return root
}

func (machine) child(pid int) (proc.ID, error) {
	stat, err := proc.Read(pid)
	if err == nil && (stat.Parent != os.Getpid() || stat.Dead()) {
		err = fmt.Errorf("process %d is no living child", pid)
	}
	return stat.ID, err
}

func markOf(s keeper.Start, id keeper.DataID) string {
	return keeper.MarkName + "=" + keeper.Mark{Data: id, Launch: s.Launch, Nonce: s.Nonce}.String()
}

// specFile puts the spec where only the exec step finds it.
func specFile(spec stepSpec) (fd int, err error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return -1, fmt.Errorf("cannot encode the launch: %w", err)
	}
	fd, err = unix.MemfdCreate("launch", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot make a memory file: %w", err)
	}
	for rest := text; len(rest) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, rest)
		rest = rest[max(n, 0):]
	}
	if err == nil {
		_, err = unix.Seek(fd, 0, 0)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot write a memory file: %w", err)
	}
	return fd, nil
}

func (machine) census(scope proc.Scope) (proc.Census, error) { return proc.Take(scope) }

func (machine) signal(id proc.ID, signal unix.Signal) error { return proc.Signal(id, signal) }

// group kills a whole process group in one step, which no fork within it escapes. The pid must be that of a root that
// is not reaped: it leads its session and group, so that nobody else's processes are in it.
func (machine) group(pid int) {
	_ = unix.Kill(-pid, unix.SIGKILL) // none left is as good
}

// wait reaps one child, whichever has ended. It says by its brand whose it was before that is lost with it.
func (m machine) wait(id keeper.DataID) (dead ended, found bool) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		pid := childOf(&info)
		if err != nil || pid == 0 {
			return ended{}, false
		}
		dead.launch, _ = proc.BrandOf(pid, id)
		dead.pid, err = unix.Wait4(pid, &dead.status, unix.WNOHANG, nil)
		return dead, err == nil && dead.pid == pid
	}
}

// childOf reads the pid that waitid gives: the first word of the part of siginfo_t that depends on the signal, which
// begins at the alignment of a pointer.
func childOf(info *unix.Siginfo) int {
	const word = unsafe.Sizeof(uintptr(0))
	offset := (unsafe.Sizeof(info.Signo) + unsafe.Sizeof(info.Errno) + unsafe.Sizeof(info.Code) + word - 1) / word * word
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}
