package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// subject is one thing between client and worker.
type subject struct {
	name    string
	command *exec.Cmd // nil for nothing
	address string
	prefix  string // of the path
	header  string // lines
}

// field is all of them, and the worker that they share.
type field struct {
	subjects []*subject
	worker   *subject
}

// The names by which the report knows those that it compares with.
const (
	direct    = "direct"
	reference = "httputil, http.Transport"
	control   = "the same once more (control)"
	leanBare  = "httputil, lean transport"
	routerStd = "router, transport: standard"
	router    = "router"
	nginx     = "nginx"
	haproxy   = "HAProxy"
	caddy     = "Caddy"
)

// assemble starts everything. The field is to be ended even with an error.
func assemble(ctx context.Context, o options, dir string) (*field, error) {
	f := &field{}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	socket := filepath.Join(dir, "w")
	at := func(s string) []string { return []string{variableSocket + "=" + socket, variableListen + "=" + s} }
	if f.worker, err = f.start(ctx, direct, exec.CommandContext(ctx, self, "-as", "worker"), at("127.0.0.1:0")); err != nil {
		return f, err
	}
	for name, role := range map[string]string{reference: "httputil", control: "httputil", leanBare: "lean"} {
		if _, err := f.start(ctx, name, exec.CommandContext(ctx, self, "-as", role), at("127.0.0.1:0")); err != nil {
			return f, err
		}
	}
	for name, transport := range map[string]string{router: "lean", routerStd: "standard"} {
		if err := f.startRouter(ctx, o, name, transport, self, filepath.Join(dir, transport)); err != nil {
			return f, err
		}
	}
	return f, f.startPeers(ctx, o, dir, socket)
}

// start runs a part that says where it listens.
func (f *field) start(ctx context.Context, name string, command *exec.Cmd, environment []string) (*subject, error) {
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, environment...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s (is it built?): %w", name, err)
	}
	s := &subject{name: name, command: command}
	f.subjects = append(f.subjects, s)
	lines := bufio.NewScanner(out)
	for s.address == "" && lines.Scan() {
		if where, found := strings.CutPrefix(lines.Text(), "listening "); found && !strings.HasPrefix(where, "/") {
			s.address = strings.TrimPrefix(strings.TrimSpace(where), "http://")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if s.address == "" {
		return nil, fmt.Errorf("cannot measure %s: it does not listen", name)
	}
	return s, await(ctx, s.address)
}

// kindFile is the worker as a kind of the router's.
const kindFile = `name: bench
description: the benchmark's worker
processes:
  - name: bench
    program: %s
    args: ["-as", "worker"]
    set: {BENCH_SOCKET: "{socket}"}
endpoints: {http: {network: unix}}
ready: {path: /health}
stop: {signal: TERM, grace: 2s}
cost: {memory: 64MiB, files: 2048}
routes:
  - {path: /, permission: "query:run"}
`

// startRouter runs the router as its users do: with its log, its figures and a key for each request.
func (f *field) startRouter(ctx context.Context, o options, name, transport, self, dir string) error {
	program, err := filepath.Abs(filepath.Join(o.programs, "router"))
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	kind, data := filepath.Join(dir, "bench.yaml"), filepath.Join(dir, "d")
	if err := os.WriteFile(kind, fmt.Appendf(nil, kindFile, self), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.CommandContext(ctx, program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	command.Stderr = log
	s, err := f.start(ctx, name, command, []string{
		"ROUTER_KIND_FILES=" + kind, "ROUTER_DEFAULT_KIND=bench", "ROUTER_TRANSPORT=" + transport, "ROUTER_LIMITS_BODY=4GiB",
	})
	if err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		return err
	}
	s.prefix, s.header = "/w/bench", "X-API-Key: "+strings.TrimSpace(string(key))+"\r\n"
	_, err = s.get(ctx, "/small") // starts the worker
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("%w: %s", err, text)
	}
	return nil
}

// end ends all, those first that were started last.
func (f *field) end() {
	for _, s := range slices.Backward(f.subjects) {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		_ = s.command.Wait()
	}
}

// await waits until somebody listens.
func await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("cannot reach %s", address), err)
		}
	}
}
