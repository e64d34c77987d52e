package measure

import (
	"bufio"
	"context"
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
)

// Router is a running router, of the built programs.
type Router struct {
	Data     string // the address of the listener for data
	Operator string // and of that for operators
	Key      string // the admin key
	Client   *http.Client

	command *exec.Cmd
}

// Serve runs a router of the programs' directory on the data directory, with the environment beside PATH and HOME, and
// returns when it is ready. What it logs is thrown away.
func Serve(ctx context.Context, programs, data string, environ ...string) (*Router, error) {
	program, err := filepath.Abs(filepath.Join(programs, "router"))
	if err != nil {
		return nil, fmt.Errorf("cannot find the router: %w", err)
	}
	r := &Router{Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	r.command = exec.CommandContext(ctx, program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	r.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "ROUTER_LOG_LEVEL=warn"}, environ...)
	r.command.Dir = filepath.Dir(data)
	r.command.Cancel = func() error { return r.command.Process.Signal(syscall.SIGTERM) } // so that its workers end, too
	r.command.Stderr = io.Discard                                                        // its access log, for the most part
	out, err := r.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot read what the router prints: %w", err)
	}
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %q (is it built?): %w", program, err)
	}
	lines := bufio.NewScanner(out)
	for r.Operator == "" && lines.Scan() {
		what, address, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "listening":
			r.Data = strings.TrimSpace(address)
		case "operators":
			r.Operator = strings.TrimSpace(address)
		}
	}
	if r.Operator == "" {
		return nil, errors.Join(errors.New("the router does not serve"), r.command.Wait())
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the admin key: %w", err), r.Stop())
	}
	r.Key = strings.TrimSpace(string(key))
	for {
		if _, err := r.Get(ctx, r.Data+"/readyz"); err == nil {
			return r, nil
		}
		if err := Pause(ctx, 5*time.Millisecond); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
}

// PID is the router's process.
func (r *Router) PID() int { return r.command.Process.Pid }

// Get asks one URL, with the admin key, and gives the body of an answer with status 200.
func (r *Router) Get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s: %w", url, err)
	}
	return r.Send(request)
}

// Send does so with a request of the caller's.
func (r *Router) Send(request *http.Request) ([]byte, error) {
	request.Header.Set("X-API-Key", r.Key)
	response, err := r.Client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the router: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer to %s: %w", request.URL.Path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %s", request.URL.Path, response.StatusCode, body)
	}
	return body, nil
}

// Stop ends the router in order and waits for it.
func (r *Router) Stop() error {
	r.Client.CloseIdleConnections()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot end the router: %w", err)
	}
	if err := r.command.Wait(); err != nil {
		return fmt.Errorf("the router ended with %w", err)
	}
	return nil
}

// Kill ends the router by SIGKILL and waits for it. Its workers end by themselves soon after.
func (r *Router) Kill() error {
	r.Client.CloseIdleConnections()
	if err := r.command.Process.Kill(); err != nil {
		return fmt.Errorf("cannot kill the router: %w", err)
	}
	_ = r.command.Wait() // it was killed
	return nil
}
