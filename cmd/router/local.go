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

// listenLocal opens the socket that the command line reaches the router by, with mode 0600, unless it was given. The
// caller holds the lock of the data directory, so a socket that is there is one that a killed router left. Closing the
// listener removes it.
func listenLocal(dir string, from *given) (*gate, error) {
	path := filepath.Join(dir, auth.LocalSocket)
	address := &net.UnixAddr{Name: path, Net: "unix"}
	if g := from.take(socketLocal, path, address); g != nil {
		if !sameAddress(g.Addr(), address) {
			defer g.Close()
			return nil, fmt.Errorf("cannot use the socket %q at %s: the command line looks for it at %q", socketLocal, g.Addr(), path)
		}
		return g, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove the socket of an earlier router: %w", err)
	}
	// Nobody can come in between: the data directory has mode 0700.
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the local socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot close the local socket to others: %w", err)
	}
	return &gate{Listener: listener, name: socketLocal, setting: path}, nil
}
