package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"workspace-router/internal/rag/settings"
)

func listen(ctx context.Context, config settings.Settings) (net.Listener, error) {
	if config.Socket != "" {
		return listenSocket(ctx, config.Socket)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort(config.Host, strconv.Itoa(config.Port)))
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}

// listenSocket listens on a path that only this user can connect to. A socket that a killed worker left there is
// replaced; one that somebody answers on is not.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	var dial net.Dialer
	connection, err := dial.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		connection.Close()
		return nil, fmt.Errorf("cannot listen on %q: another program does", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot replace the old socket: %w", err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	// The mode must be right from the first moment on. Nothing else of this process makes a file now.
	old := syscall.Umask(0o177)
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}

// notify sends a state to systemd, or to whoever started this program with NOTIFY_SOCKET.
func notify(ctx context.Context, socket, state string) error {
	if socket == "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(socket, "@"); ok { // an abstract name
		socket = "\x00" + rest
	}
	var dial net.Dialer
	connection, err := dial.DialContext(ctx, "unixgram", socket)
	if err != nil {
		return fmt.Errorf("cannot reach %q: %w", "NOTIFY_SOCKET", err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(state)); err != nil {
		return fmt.Errorf("cannot send %q: %w", state, err)
	}
	return nil
}
