package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"workspace-router/bench/measure"
)

// plain is a lightrag-server that was started as its users do, without a router.
type plain struct {
	server
	command *exec.Cmd
	dir     string // all that it keeps
}

// startPlain starts one on a directory of its own and returns with its first answer.
func startPlain(ctx context.Context, o options, model []string, dir string) (*plain, time.Duration, error) {
	for _, folder := range []string{dir, filepath.Join(dir, "logs"), filepath.Join(dir, "run")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, 0, fmt.Errorf("cannot make a server's directory: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "run", ".env"), nil, 0o600); err != nil {
		return nil, 0, fmt.Errorf("cannot write a server's settings: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, 0, err
	}
	p := &plain{
		server: server{base: "http://127.0.0.1:" + strconv.Itoa(port), key: "of-the-benchmark", client: &http.Client{Transport: &http.Transport{}}},
		dir:    dir,
	}
	p.command = exec.CommandContext(ctx, o.server)
	p.command.Dir = filepath.Join(dir, "run")
	p.command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "HOST=127.0.0.1", "PORT=" + strconv.Itoa(port),
		"WORKING_DIR=" + filepath.Join(dir, "rag_storage"), "INPUT_DIR=" + filepath.Join(dir, "inputs"), "LOG_DIR=" + filepath.Join(dir, "logs"),
		"LIGHTRAG_API_KEY=" + p.key, "OPENBLAS_NUM_THREADS=1",
	}, model...)
	output, err := os.Create(filepath.Join(dir, "output.log")) // the router keeps what a worker prints, too
	if err != nil {
		return nil, 0, fmt.Errorf("cannot keep what a server prints: %w", err)
	}
	defer output.Close() // the server has its own
	p.command.Stdout, p.command.Stderr = output, output
	began := time.Now()
	if err := p.command.Start(); err != nil {
		return nil, 0, fmt.Errorf("cannot start %q: %w", o.server, err)
	}
	for {
		if err = p.labels(ctx); err == nil {
			return p, time.Since(began), nil
		}
		if ended := measure.Pause(ctx, 5*time.Millisecond); ended != nil {
			return nil, 0, errors.Join(ended, err, p.stop())
		}
	}
}

// stop ends the server in order.
func (p *plain) stop() error {
	p.client.CloseIdleConnections()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot end a server: %w", err)
	}
	_ = p.command.Wait() // it always ends by the signal
	return nil
}

// freePort finds one on which nobody listens at the moment.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("cannot find a port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
