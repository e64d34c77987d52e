package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// errNoKeeper says that there is none that another router has started.
var errNoKeeper = errors.New("no keeper runs")

// deniedError says that a keeper runs and does not give its session.
type deniedError struct{ keeper.Denied }

func (e *deniedError) Error() string {
	if e.Reason == keeper.DenyBusy {
		return fmt.Sprintf("the data directory is served by the router with pid %d", e.PID)
	}
	return fmt.Sprintf("the keeper with pid %d is stopping its workers", e.PID)
}

// attachKeeper connects to a keeper that runs already. It must be the process that holds the data directory's lock, and
// none of a launch's, because it is told every secret.
func attachKeeper(data keeper.Data, id keeper.DataID) (*link, error) {
	dialer := net.Dialer{Timeout: sendPatience}
	conn, err := dialer.DialContext(context.Background(), "unix", data.KeeperSocket())
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, errNoKeeper
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the keeper: %w", err)
	}
	peer, err := peerOf(conn)
	if err == nil {
		err = proveKeeper(data, id, peer)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot connect to the keeper: %w", err)
	}
	stat, err := proc.Read(int(peer.Pid))
	if err != nil {
		conn.Close()
		return nil, errNoKeeper
	}
	token, err := keeper.ReadToken(data)               // that of the keeper at the other end: it wrote it before it listened
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a keeper that has just ended has taken it away, and does not answer
		conn.Close()
		return nil, err
	}
	return &link{process: stat.ID, token: token, file: conn, conn: keeper.NewConn(conn), down: make(chan struct{})}, nil
}

// proveKeeper checks who listens at the keeper's socket.
func proveKeeper(data keeper.Data, id keeper.DataID, peer *unix.Ucred) error {
	if launch, branded := proc.BrandOf(int(peer.Pid), id); branded || int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("cannot trust process %d of user %d, launch %q, which listens at %q", peer.Pid, peer.Uid, launch, data.KeeperSocket())
	}
	lock, err := keeper.Lock(data.KeeperLock())
	if err == nil {
		lock.Close()
		return errNoKeeper // it has just ended
	}
	var locked *keeper.LockedError
	if !errors.As(err, &locked) {
		return err
	}
	if locked.PID != int(peer.Pid) {
		return fmt.Errorf("cannot trust process %d, which listens at %q: the keeper is process %d", peer.Pid, data.KeeperSocket(), locked.PID)
	}
	return nil
}

// peerOf asks the kernel who is at the other end of a Unix socket.
func peerOf(conn net.Conn) (peer *unix.Ucred, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return peer, failed
}

// ends waits until a keeper that this router did not start has ended.
func (l *link) ends(patience time.Duration) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); proc.Alive(l.process); <-poll.C {
		if time.Now().After(deadline) {
			return fmt.Errorf("the keeper, process %d, has not ended after %v", l.process.PID, patience)
		}
	}
	return nil
}
