package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// Roles of the processes that this program starts of itself.
const (
	roleAway  = "away"  // leaves one that stays in a session of its own, and ends: the double fork of a daemon
	roleStay  = "stay"  // stays, deaf to everything but SIGKILL
	roleStorm = "storm" // forks until there are as many as HOSTILE_FORK_STORM says
	roleChain = "chain" // forks and ends, forks and ends
)

// chainLength bounds a chain that nobody kills: about a minute.
const chainLength = 100_000

func (f faults) forks() {
	environment := os.Environ()
	if f.forkClean {
		environment = []string{}
	}
	for range f.forkAway {
		spawn(environment, &syscall.SysProcAttr{Setsid: true}, roleAway)
	}
	for range f.forkGroup {
		spawn(environment, &syscall.SysProcAttr{Setpgid: true}, roleStay)
	}
	if f.forkStorm > 0 {
		spawn(append(environment, fmt.Sprintf("HOSTILE_FORK_STORM=%d", f.forkStorm)), &syscall.SysProcAttr{Setsid: true}, roleStorm)
	}
	if f.forkChain {
		spawn(environment, &syscall.SysProcAttr{Setsid: true}, roleChain)
	}
}

// spawn starts this program in another role. Away is waited for, as its end makes the orphan.
func spawn(environment []string, attributes *syscall.SysProcAttr, role string) {
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	command := exec.CommandContext(context.Background(), self, "child", role)
	command.Env, command.SysProcAttr = environment, attributes
	command.Stdout, command.Stderr = os.Stdout, os.Stderr // an orphan that holds on to the log's pipe
	if err := command.Start(); err != nil {
		fail(err)
	}
	if role == roleAway {
		if err := command.Wait(); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "hostile: cannot fork:", err)
	os.Exit(2)
}

func child(role string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	switch role {
	case roleAway:
		spawn(os.Environ(), &syscall.SysProcAttr{Setsid: true}, roleStay)
		return
	case roleStorm:
		r := reader{}
		storm(int(r.number("FORK_STORM", 0)))
	case roleChain:
		chain()
	}
	time.Sleep(time.Hour)
}

// storm forks without the runtime's knowledge, so that it is fast; the children do nothing but system calls.
func storm(count int) {
	for range count {
		if fork() == 0 {
			rest()
		}
	}
}

// chain is always one process, and never the same for long: whoever kills by a list is late.
func chain() {
	for range chainLength {
		if pid := fork(); pid != 0 {
			raw(syscall.SYS_EXIT_GROUP)
		}
		raw(syscall.SYS_SETSID)
		nap(200 * time.Microsecond)
	}
	raw(syscall.SYS_EXIT_GROUP)
}

func rest() {
	raw(syscall.SYS_SETSID)
	nap(time.Minute)
	raw(syscall.SYS_EXIT_GROUP)
}

// raw is a system call whose failure makes no difference.
func raw(number uintptr) { _, _, _ = syscall.RawSyscall(number, 0, 0, 0) }

// fork is fork(2). In the child only this thread lives, so that nothing but raw system calls may follow.
func fork() uintptr {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return 1 // the caller goes on as the parent
	}
	return pid
}
