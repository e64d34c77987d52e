package testkit

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Router is a running `router serve`.
type Router struct {
	URL      string // of the listener
	Operator string // of the operator's listener
	Key      string // the admin key
	DataDir  string
	Binaries Binaries
	Process  *os.Process
	Client   *http.Client // trusts the router's certificates; nil is the usual one

	command *exec.Cmd
	exited  chan struct{}
	mu      sync.Mutex // guards output
	output  strings.Builder
}

var address = regexp.MustCompile(`(https?://[0-9.:]+)`)

// StartRouter runs `router serve` over dataDir with the given environment beside PATH and HOME, and returns when it
// serves. It is killed at the end of the test if it still runs, and nothing of it may then be left.
func StartRouter(tb testing.TB, binaries Binaries, dataDir string, environment ...string) *Router {
	tb.Helper()
	return StartRouterWith(tb, binaries, dataDir, []string{"--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}, environment...)
}

// StartRouterWith is StartRouter with other flags than those that let the system choose the addresses.
func StartRouterWith(tb testing.TB, binaries Binaries, dataDir string, flags []string, environment ...string) *Router {
	tb.Helper()
	r := &Router{DataDir: dataDir, Binaries: binaries, Client: clientFor(tb, environment), exited: make(chan struct{})}
	// Not the test's context: that ends before clean-ups, and some tests end the router in their own way.
	r.command = exec.CommandContext(context.WithoutCancel(tb.Context()), binaries.Path("router"), append([]string{"serve", "--data", dataDir}, flags...)...)
	r.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, environment...)
	r.command.Dir = filepath.Dir(dataDir)
	r.command.Stderr = writerFunc(func(p []byte) (int, error) { r.record(p); return len(p), nil })
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		tb.Fatal(err)
	}
	r.Process = r.command.Process
	served := make(chan struct{})
	go r.watch(stdout, served)
	tb.Cleanup(func() {
		r.Kill()
		NothingLeft(tb, dataDir)
		if tb.Failed() {
			tb.Logf("the router of %s said:\n%s", dataDir, r.Output())
		}
	})
	select {
	case <-served:
	case <-r.exited:
		tb.Fatalf("the router ended before it served:\n%s", r.Output())
	case <-time.After(Patience):
		tb.Fatalf("the router does not serve:\n%s", r.Output())
	}
	key, err := os.ReadFile(filepath.Join(dataDir, "admin.key"))
	if err != nil {
		tb.Fatal(err)
	}
	r.Key = strings.TrimSpace(string(key))
	Eventually(tb, "the router to be ready", func() error {
		response, err := r.Do(tb.Context(), Request{Path: "/readyz", NoKey: true})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", response.Status, response.Body)
		}
		return err
	})
	return r
}

// watch reads what the router prints and takes the two addresses from it, in the order in which they are printed.
func (r *Router) watch(stdout io.Reader, served chan<- struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		r.record(append(lines.Bytes(), '\n'))
		if found := address.FindString(lines.Text()); found != "" {
			switch {
			case r.URL == "":
				r.URL = found
			case r.Operator == "":
				r.Operator = found
				close(served)
			}
		}
	}
	_ = r.command.Wait()
	close(r.exited)
}

func (r *Router) record(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.output.Write(p)
}

// Output is all that the router has printed and logged.
func (r *Router) Output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.String()
}

// Serving is the pid of the router that serves: the one that was started, or whichever an upgrade has put in its place;
// 0 while the one hands over to the other.
func (r *Router) Serving() int {
	content, err := os.ReadFile(filepath.Join(r.DataDir, "locks", "router"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return pid
}

// Kill ends the router by SIGKILL, with those that an upgrade has started, and waits for the end of all; workers and
// keeper may live on for a moment.
func (r *Router) Kill() {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		_ = r.Process.Kill()
		list, _ := Processes(r.DataDir) // of what has ended nothing is left to be killed
		for _, process := range list {
			if fields := strings.Fields(process); len(fields) > 2 && filepath.Base(fields[1]) == "router" && fields[2] == "serve" {
				if pid, err := strconv.Atoi(fields[0]); err == nil && pid > 1 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
		select {
		case <-r.exited:
			return
		case <-again.C:
		}
	}
}

// Terminate ends the router by SIGTERM and returns the exit status of the one that was started, when all have ended.
func (r *Router) Terminate(tb testing.TB) int {
	tb.Helper()
	Eventually(tb, "a router to serve", func() error {
		pid := r.Serving()
		if pid <= 1 {
			return errors.New("none says so")
		}
		return syscall.Kill(pid, syscall.SIGTERM)
	})
	select {
	case <-r.exited:
	case <-time.After(Patience):
		tb.Fatalf("the router does not end on SIGTERM:\n%s", r.Output())
	}
	return r.command.ProcessState.ExitCode()
}

// Request is one request to the router, with the admin key unless Header says otherwise.
type Request struct {
	Method, Path, Body string
	Header             http.Header
	NoKey              bool
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (r Response) JSON(into any) error {
	if err := json.Unmarshal([]byte(r.Body), into); err != nil {
		return fmt.Errorf("cannot decode %q: %w", r.Body, err)
	}
	return nil
}

// Do sends one request and reads the answer.
func (r *Router) Do(ctx context.Context, request Request) (Response, error) {
	response, err := r.Open(ctx, request)
	if err != nil {
		return Response{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}, err
}

// Open sends one request and leaves the answer's body to the caller.
func (r *Router) Open(ctx context.Context, request Request) (*http.Response, error) {
	if request.Method == "" {
		request.Method = http.MethodGet
	}
	var body io.Reader
	if request.Body != "" {
		body = strings.NewReader(request.Body)
	}
	message, err := http.NewRequestWithContext(ctx, request.Method, r.URL+request.Path, body)
	if err != nil {
		return nil, err
	}
	if request.Header != nil {
		message.Header = request.Header.Clone()
	}
	if !request.NoKey {
		message.Header.Set("X-API-Key", r.Key)
	}
	if request.Body != "" && message.Header.Get("Content-Type") == "" {
		message.Header.Set("Content-Type", "application/json")
	}
	return cmp.Or(r.Client, http.DefaultClient).Do(message)
}

// Must sends one request, reads the answer and fails the test unless its status is the wanted one.
func (r *Router) Must(tb testing.TB, status int, request Request) Response {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	response, err := r.Do(ctx, request)
	if err != nil {
		tb.Fatalf("%s %s: %v", request.Method, request.Path, err)
	}
	if response.Status != status {
		tb.Fatalf("%s %s: got %d %s, want %d", request.Method, request.Path, response.Status, response.Body, status)
	}
	return response
}

// CLI runs a command of bin/router against this router and returns its output and exit status.
func (r *Router) CLI(tb testing.TB, arguments ...string) (stdout, stderr string, code int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	command := exec.CommandContext(ctx, r.Binaries.Path("router"), append(arguments, "--data", r.DataDir)...)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("router %v: %v", arguments, err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// Worker is one entry of `worker list -o json`.
type Worker struct {
	Workspace string `json:"workspace"`
	State     string `json:"state"`
	PID       int    `json:"pid"`
	Launch    string `json:"launch"`
	Leases    int    `json:"leases"`
}

// Workers lists the live workers.
func (r *Router) Workers(tb testing.TB) []Worker {
	tb.Helper()
	stdout, stderr, code := r.CLI(tb, "worker", "list", "-o", "json")
	if code != 0 {
		tb.Fatalf("worker list: exit %d: %s", code, stderr)
	}
	var list []Worker
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		tb.Fatalf("cannot decode %q: %v", stdout, err)
	}
	return list
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
