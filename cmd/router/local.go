package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"workspace-router/auth"
)

// listenLocal opens the socket that the command line reaches the router by, with mode 0600. The caller holds the lock of
// the data directory, so a socket that is there is one that a killed router left. Closing the listener removes it.
func listenLocal(dir string) (net.Listener, error) {
	path := filepath.Join(dir, auth.LocalSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove the socket of an earlier router: %w", err)
	}
	// Nobody can come in between: the data directory has mode 0700.
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the local socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot close the local socket to others: %w", err)
	}
	return listener, nil
}
