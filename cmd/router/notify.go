package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What the service manager is told, as sd_notify(3) has it.
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
)

// notifyReloading begins what notifyReady ends.
func notifyReloading() (string, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "", fmt.Errorf("cannot read the clock: %w", err)
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", time.Duration(now.Nano()).Microseconds()), nil
}

// notifyMain names another process as the service's main one. Only the main one may say so.
func notifyMain(pid int) string { return fmt.Sprintf("MAINPID=%d\n%s", pid, notifyReady) }

// notifyTimeout bounds a word to a service manager that does not read.
const notifyTimeout = time.Second

// notifier tells the service manager what state the service is in.
type notifier struct{ socket string } // blank where there is none

func newNotifier() notifier { return notifier{os.Getenv("NOTIFY_SOCKET")} }

// tell sends one message, if somebody wants it.
func (n notifier) tell(ctx context.Context, state string) error {
	if n.socket == "" {
		return nil
	}
	address := n.socket
	if strings.HasPrefix(address, "@") {
		address = "\x00" + address[1:] // a name outside of the file system
	}
	dialer := net.Dialer{Timeout: notifyTimeout}
	conn, err := dialer.DialContext(ctx, "unixgram", address)
	if err != nil {
		return fmt.Errorf("cannot reach the service manager: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return fmt.Errorf("cannot tell the service manager %q: %w", state, err)
	}
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("cannot tell the service manager %q: %w", state, err)
	}
	return nil
}
