package router

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
)

// activated starts a router with the sockets, as systemd does: the variables name the process that becomes the router.
func (l *line) activated(names string, listeners ...net.Listener) {
	l.t.Helper()
	command := exec.CommandContext(context.WithoutCancel(l.t.Context()), "/bin/sh",
		append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", filepath.Join(l.home, "router")}, l.arguments()...)...)
	for _, listener := range listeners {
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			l.t.Fatal(err)
		}
		defer file.Close()
		command.ExtraFiles = append(command.ExtraFiles, file)
	}
	l.launch(command, []string{"LISTEN_FDS=" + string(rune('0'+len(listeners))), "LISTEN_FDNAMES=" + names})
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func TestServe_TakesTheSocketsOfAServiceManager(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	data, operator := listenTCP(t), listenTCP(t)
	early := make(chan error, 1)
	go func() { // comes before there is a router, and is not refused
		response, err := freshClient().Get("http://" + data.Addr().String() + "/livez")
		if err == nil {
			response.Body.Close()
		}
		early <- err
	}()
	l.activated("operator:http", operator, data)
	l.served()
	if err := <-early; err != nil {
		t.Errorf("the request that came before the router: %v", err)
	}
	if want := "http://" + data.Addr().String(); l.URL != want {
		t.Errorf("listens on %s, want %s", l.URL, want)
	}
	if want := "http://" + operator.Addr().String(); l.Operator != want {
		t.Errorf("operators at %s, want %s", l.Operator, want)
	}
	l.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/echo"})
	if err := l.first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-l.exited
	// The sockets are the manager's: who comes now waits for the next start.
	conn, err := net.DialTimeout("tcp", data.Addr().String(), testkit.Patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := os.Lstat(l.DataDir + "/router.sock"); err == nil {
		t.Error("the local socket, which was the router's own, is left")
	}
}

func TestServe_RefusesASocketThatItHasNoUseFor(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	l.activated("http:metrics", listenTCP(t), listenTCP(t))
	<-l.exited
	if code := l.first.ProcessState.ExitCode(); code != 1 || !strings.Contains(l.said(), `"metrics"`) {
		t.Errorf("exit %d, want 1 and the socket's name in:\n%s", code, l.said())
	}
}
