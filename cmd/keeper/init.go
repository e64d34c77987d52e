package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// forwarded are the signals by which a kind's program can be asked to end.
var forwarded = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2}

// preside is the life of the first process of a launch that has its own PID namespace. It starts the program, hands it
// the signals that it gets, and reaps what is left to it. When the program ends, it says how and ends itself; the kernel
// kills what is left in the namespace before the keeper can reap it. It is held by all that holds the program, and
// returns only where the program cannot be executed.
func preside(spec stepSpec, report *os.File, started stepReport, signals <-chan os.Signal) (keeper.Reason, error) {
	// The program has the same user. Nothing of what this process could still do is to be had by way of its memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return keeper.ReasonSetup, fmt.Errorf("cannot close the launch's first process to others: %w", err)
	}
	program, err := syscall.ForkExec(spec.Program, spec.Args, &syscall.ProcAttr{
		Env:   spec.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return keeper.ReasonExec, fmt.Errorf("cannot execute %q: %w", spec.Program, err)
	}
	started.Program = program
	if err := say(report, started); err != nil {
		os.Exit(exitStep) // the keeper has died
	}
	attend(program, report, signals)
	return "", nil // not reached
}

// attend serves the program until it has ended, and then ends.
func attend(program int, report *os.File, signals <-chan os.Signal) {
	go func() {
		for s := range signals {
			_ = unix.Kill(program, s.(syscall.Signal)) //nolint:forcetypeassert // there are no others here
		}
	}()
	debug.FreeOSMemory() // it stays as long as the program does
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == nil && pid == program {
			conclude(report, status)
		}
	}
}

// conclude tells the program's end in full, and by the exit status in the manner of a shell for whoever has only that.
func conclude(report *os.File, status unix.WaitStatus) {
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	ended := uint32(status)
	_ = say(report, stepReport{Ended: &ended}) // whoever does not hear it has the exit status
	os.Exit(code)
}

// listenToSignals takes in what is to be handed to the program, from now on: a stop may come before the program runs.
func listenToSignals() <-chan os.Signal {
	signals := make(chan os.Signal, len(forwarded))
	signal.Notify(signals, forwarded...)
	return signals
}

// keeperLives reports whether somebody still reads what this process reports. In a PID namespace of its own it cannot
// see its parent.
func keeperLives() bool {
	list := []unix.PollFd{{Fd: fdReport}}
	_, err := unix.Poll(list, 0)
	return err == nil && list[0].Revents&unix.POLLERR == 0
}
