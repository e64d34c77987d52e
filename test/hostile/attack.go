package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// roleAttack attacks from a child in a session of its own.
const roleAttack = "attack"

// attack tries what a worker must not be able to: ?what=NAME&on=TARGET, with escaped=1 from a child that has left its
// session. It answers with the error, empty where the attempt succeeded.
func attack(out http.ResponseWriter, r *http.Request) {
	what, on := r.FormValue("what"), r.FormValue("on")
	outcome := attempt(r.Context(), what, on)
	if r.FormValue("escaped") != "" {
		outcome = fromAfar(r.Context(), what, on)
	}
	reply(out, http.StatusOK, map[string]string{"error": outcome})
}

// fromAfar has a child make the attempt, and gives what it says.
func fromAfar(ctx context.Context, what, on string) string {
	self, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	command := exec.CommandContext(ctx, self, "child", roleAttack, what, on)
	command.Env, command.SysProcAttr = []string{}, &syscall.SysProcAttr{Setsid: true}
	text, err := command.Output()
	if err != nil {
		return fmt.Sprint("the child failed: ", err)
	}
	return strings.TrimSpace(string(text))
}

func attempt(ctx context.Context, what, on string) string {
	attempts := map[string]func(string) error{
		"read":           func(path string) error { _, err := os.ReadFile(path); return err },
		"list":           func(path string) error { _, err := os.ReadDir(path); return err },
		"write":          func(path string) error { return os.WriteFile(path, []byte("attacked"), 0o600) },
		"remove":         os.Remove,
		"truncate":       func(path string) error { return os.Truncate(path, 0) },
		"link":           func(path string) error { return os.Link(path, filepath.Join(os.Getenv("WORKING_DIR"), "stolen")) },
		"device":         func(path string) error { return unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(1, 1))) },
		"execute":        execute,
		"mount":          func(path string) error { return unix.Mount("none", path, "tmpfs", 0, "") },
		"setuid":         func(string) error { return unix.Setresuid(1, 1, 1) },
		"signal":         onProcess(func(pid int) error { return unix.Kill(pid, 0) }),
		"ptrace":         onProcess(unix.PtraceSeize),
		"memory":         onProcess(func(pid int) error { return openOnly(fmt.Sprintf("/proc/%d/mem", pid)) }),
		"environ":        onProcess(func(pid int) error { return openOnly(fmt.Sprintf("/proc/%d/environ", pid)) }),
		"files":          onProcess(func(pid int) error { return openOnly(fmt.Sprintf("/proc/%d/fd/0", pid)) }),
		"bind":           func(address string) error { return bind(ctx, address) },
		"memory segment": memorySegment,
		"message queue":  messageQueue,
		"connect":        func(address string) error { return connect(ctx, "tcp", address) },
		"mptcp":          func(string) error { return multipath() },
		"udp":            func(address string) error { return connect(ctx, "udp", address) },
		"abstract":       func(name string) error { return connect(ctx, "unix", "@"+name) },
		"attach":         func(socket string) error { return attach(ctx, socket) },
		"http":           func(socket string) error { return ask(ctx, socket, "http://worker/echo") },
		"operator":       func(socket string) error { return ask(ctx, socket, "http://router/api/v1/workers") },
		"url":            func(address string) error { return ask(ctx, "", address) },
	}
	try, found := attempts[what]
	if !found {
		return fmt.Sprintf("there is no attack %q", what)
	}
	if err := try(on); err != nil {
		return err.Error()
	}
	return ""
}

func onProcess(try func(int) error) func(string) error {
	return func(text string) error {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		return try(pid)
	}
}

func openOnly(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// execute runs a copy of a program that this worker has written.
func execute(program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	path := filepath.Join(os.Getenv("WORKING_DIR"), "copy")
	if err := os.WriteFile(path, text, 0o700); err != nil { //nolint:gosec // it is to be executable
		return err
	}
	return exec.CommandContext(context.Background(), path).Run()
}

func bind(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}

// multipath makes a socket for TCP over several paths, which has rules of its own.
func multipath() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func connect(ctx context.Context, network, address string) error {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// attach asks the keeper for its session, as a router would.
func attach(ctx context.Context, socket string) error {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, `{"v":1,"attach":{}}`+"\n"); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// ask sends a request to whoever listens at a socket, or else at the address, without a key.
func ask(ctx context.Context, socket, address string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
			var dialer net.Dialer
			if socket != "" {
				network, host = "unix", socket
			}
			return dialer.DialContext(ctx, network, host)
		}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}
