package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
)

// sendPatience bounds how long the keeper may take to read a command.
const sendPatience = 10 * time.Second

// link is one keeper process and the connection to it.
type link struct {
	command *exec.Cmd // nil for a keeper that another router has started
	process proc.ID   // of such a one
	token   keeper.Token
	// attached says that hello was said; it belongs to the goroutine that converses.
	attached bool
	file     connection
	conn     *keeper.Conn
	down     chan struct{} // closed when nothing more comes from the keeper

	background sync.WaitGroup // what is done for the one that converses
}

// connection is a file or a socket.
type connection interface {
	io.ReadWriteCloser
	SetWriteDeadline(at time.Time) error
}

// dialKeeper starts a keeper. It gets nothing of the router's environment, which may hold secrets, and a session of its
// own, so that it outlives a terminal's Ctrl-C: it must stop the workers when the router is gone.
func dialKeeper(program string, data keeper.Data, groups string) (*link, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "keeper")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "router")
	log, err := openKeeperLog(data)
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer log.Close()
	command := exec.CommandContext(context.Background(), program, "run", "--data", string(data), "--cgroup", cmp.Or(groups, cgroup.Off))
	command.Dir = "/"
	command.Env = []string{"PATH=" + defaultPath, "LANG=C.UTF-8"}
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{theirs}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("cannot start the keeper: %w", err)
	}
	return &link{command: command, file: ours, conn: keeper.NewConn(ours), down: make(chan struct{})}, nil
}

// openKeeperLog opens what the keeper's own log is, for the last words of one that crashes.
func openKeeperLog(data keeper.Data) (*os.File, error) {
	path := data.KeeperLog()
	if err := makeDirectory(string(data), "logs"); err != nil {
		return nil, fmt.Errorf("cannot make the directory of logs: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the keeper's log: %w", err)
	}
	return file, nil
}

// send gives the keeper a command.
func (l *link) send(m keeper.Message) error {
	select {
	case <-l.down:
		return errKeeperDied
	default:
	}
	if err := l.file.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return fmt.Errorf("cannot command the keeper: %w", err)
	}
	return l.conn.Write(m)
}

var errKeeperDied = errors.New("the keeper died")

// wait reaps the keeper after its connection has ended. One that does not end by itself in time is left alone: it
// still holds workers that it cannot prove gone, and their locks.
func (l *link) wait(patience time.Duration) error {
	l.file.Close()
	if l.command == nil {
		return l.ends(patience)
	}
	reaped := make(chan error, 1)
	go func() { reaped <- l.command.Wait() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-reaped:
		if err != nil {
			return fmt.Errorf("the keeper ended: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("the keeper, process %d, has not ended after %v", l.command.Process.Pid, patience)
	}
}
