package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"workspace-router/internal/catalog"
	"workspace-router/internal/workspace"
)

// served is a running router.
type served struct {
	command  *exec.Cmd
	data     string // the address of the listener for data
	operator string // and of that for operators
	key      string
	client   *http.Client
}

// within runs a router on the data directory while f measures it, and ends it in order.
func within(ctx context.Context, o options, data string, f func(*served) error) error {
	s, err := serve(ctx, o, data)
	if err != nil {
		return err
	}
	err = f(s)
	s.client.CloseIdleConnections()
	if failure := s.command.Process.Signal(syscall.SIGTERM); failure != nil {
		return errors.Join(err, failure)
	}
	return errors.Join(err, s.command.Wait())
}

func serve(ctx context.Context, o options, data string) (*served, error) {
	program, err := filepath.Abs(filepath.Join(o.programs, "router"))
	if err != nil {
		return nil, err
	}
	s := &served{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.running}}}
	s.command = exec.CommandContext(ctx, program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	s.command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "ROUTER_LOG_LEVEL=warn",
		fmt.Sprintf("ROUTER_POOL_MAX_WORKERS=%d", max(o.running, o.starts)), // so that no start waits for an eviction,
	}
	s.command.Stderr = io.Discard // its access log, for the most part
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %q (is it built?): %w", program, err)
	}
	lines := bufio.NewScanner(out)
	for s.operator == "" && lines.Scan() {
		what, address, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "listening":
			s.data = strings.TrimSpace(address)
		case "operators":
			s.operator = strings.TrimSpace(address)
		}
	}
	if s.operator == "" {
		return nil, errors.Join(errors.New("the router does not serve"), s.command.Wait())
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		return nil, err
	}
	s.key = strings.TrimSpace(string(key))
	for {
		if _, err := s.get(ctx, s.data+"/readyz"); err == nil {
			return s, nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// register makes the workspaces in the catalog of a router that is not running.
func register(ctx context.Context, data string, n int) error {
	c, err := catalog.Open(ctx, catalog.Config{Path: filepath.Join(data, "catalog.db")})
	if err != nil {
		return err
	}
	for i := range n {
		wanted := catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: workspace.Name(name(i)), Kind: "embedded"}
		if _, _, err := c.Create(ctx, wanted); err != nil {
			return errors.Join(err, c.Close())
		}
	}
	return c.Close()
}

func name(i int) string { return fmt.Sprintf("workspace-%05d", i) }

// get sends one request and gives the body of a good answer.
func (s *served) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-API-Key", s.key)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", url, response.StatusCode, body)
	}
	return body, err
}

// ask has the workspace answer and says how long that took.
func (s *served) ask(ctx context.Context, i int) (time.Duration, error) {
	begun := time.Now()
	_, err := s.get(ctx, s.data+"/w/"+name(i)+"/documents")
	return time.Since(begun), err
}

// phases gives how long after its first request each start of this router came to each phase.
func (s *served) phases(ctx context.Context) (map[string][]time.Duration, error) {
	body, err := s.get(ctx, s.data+"/api/v1/events")
	if err != nil {
		return nil, err
	}
	var events []struct {
		Type     string             `json:"type"`
		PhasesMS map[string]float64 `json:"phases_ms"`
	}
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("cannot read the events: %w", err)
	}
	phases := map[string][]time.Duration{}
	for _, e := range events {
		if e.Type != "first_byte" {
			continue
		}
		for phase, after := range e.PhasesMS {
			phases[phase] = append(phases[phase], time.Duration(after*float64(time.Millisecond)))
		}
	}
	return phases, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
