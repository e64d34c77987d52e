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
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"workspace-router/bench/measure"
)

// loner starts workers by themselves, each on a new workspace.
type loner struct {
	program, dir string
	made         atomic.Int64
}

func newLoner(program, dir string) (*loner, error) {
	program, err := filepath.Abs(program)
	return &loner{program: program, dir: dir}, err
}

// start says how long a worker took from its spawn until it listed its documents: the same request that cold workspaces
// are asked.
func (l *loner) start(ctx context.Context) (time.Duration, error) {
	took, end, err := l.spawn(ctx)
	if err != nil {
		return 0, err
	}
	return took, end()
}

// spawn does so and leaves the worker running until end is called.
func (l *loner) spawn(ctx context.Context) (took time.Duration, end func() error, err error) {
	own := filepath.Join(l.dir, fmt.Sprint("alone", l.made.Add(1)))
	if err := os.Mkdir(own, 0o700); err != nil {
		return 0, nil, err
	}
	return startOne(ctx, l.program, own)
}

// together starts n workers, as many at the same time as the router does by itself, and says when each had answered
// since the first was asked for.
func (l *loner) together(ctx context.Context, n int) ([]time.Duration, error) {
	times, errs, ends := make([]time.Duration, n), make([]error, n), make([]func() error, n)
	permits := make(chan struct{}, runtime.NumCPU())
	var group sync.WaitGroup
	begun := time.Now()
	for i := range n {
		group.Go(func() {
			permits <- struct{}{}
			defer func() { <-permits }()
			waited := time.Since(begun)
			var took time.Duration
			took, ends[i], errs[i] = l.spawn(ctx)
			times[i] = waited + took
		})
	}
	group.Wait()
	for _, end := range ends {
		if end != nil {
			errs = append(errs, end())
		}
	}
	return times, errors.Join(errs...)
}

func startOne(ctx context.Context, program, dir string) (took time.Duration, end func() error, err error) {
	socket := filepath.Join(dir, "s")
	command := exec.CommandContext(ctx, program, "serve")
	command.Dir = dir
	command.Env = []string{"WORKER_SOCKET=" + socket, "WORKING_DIR=" + dir, "INPUT_DIR=" + filepath.Join(dir, "in"), "LOG_LEVEL=warning"}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	begun := time.Now()
	if err := command.Start(); err != nil {
		return 0, nil, fmt.Errorf("cannot start %q (is it built?): %w", program, err)
	}
	err = errors.New("not asked yet")
	for err != nil {
		if err = list(ctx, client); err == nil {
			break
		}
		if ended := measure.Pause(ctx, 200*time.Microsecond); ended != nil {
			return 0, nil, errors.Join(ended, err, command.Wait())
		}
	}
	return time.Since(begun), func() error {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return command.Wait()
	}, nil
}

func list(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://worker/documents", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// inTurns starts a worker alone and asks a workspace that was never asked, one after the other, so that both meet the
// same machine.
func (s *served) inTurns(ctx context.Context, l *loner, n int) (alone, through []time.Duration, err error) {
	for i := range n {
		took, err := l.start(ctx)
		if err != nil {
			return nil, nil, err
		}
		alone = append(alone, took)
		if took, err = s.ask(ctx, i); err != nil {
			return nil, nil, err
		}
		through = append(through, took)
	}
	return alone, through, nil
}

// together asks n cold workspaces at once.
func (s *served) together(ctx context.Context, n int) ([]time.Duration, error) {
	times, errs := make([]time.Duration, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { times[i], errs[i] = s.ask(ctx, i) })
	}
	group.Wait()
	return times, errors.Join(errs...)
}
