package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// become makes this process fit to hold others: a session of its own, so that a terminal's signals do not reach it,
// and the place where orphans of its descendants go.
func become(data keeper.Data) error {
	if _, err := unix.Setsid(); err != nil && !errors.Is(err, unix.EPERM) { // EPERM: it leads one already
		return fmt.Errorf("cannot make a session: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become the subreaper: %w", err)
	}
	unix.Umask(0o077)
	for _, dir := range []string{filepath.Dir(data.KeeperLock()), data.Records(), filepath.Dir(data.KeeperLog())} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make the keeper's directories: %w", err)
		}
	}
	return nil
}

// openLog opens the keeper's own log. It says little; what was there when it grew large is moved aside.
func openLog(data keeper.Data) (*log.Logger, error) {
	const large = 1 << 20
	path := data.KeeperLog()
	if info, err := os.Stat(path); err == nil && info.Size() > large {
		_ = os.Rename(path, path+".1") // or it grows on
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the keeper's log: %w", err)
	}
	return log.New(file, fmt.Sprintf("keeper %d: ", os.Getpid()), log.LstdFlags|log.LUTC|log.Lmsgprefix), nil
}

func openRouter() (*os.File, error) {
	unix.CloseOnExec(fdRouter)
	if err := unix.SetNonblock(fdRouter, true); err != nil {
		return nil, fmt.Errorf("cannot talk to the router: descriptor %d: %w", fdRouter, err)
	}
	return os.NewFile(fdRouter, "router"), nil
}
