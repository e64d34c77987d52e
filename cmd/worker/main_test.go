package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// binary is the worker, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "worker-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "worker")
	if output, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the worker: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

const (
	apiKey   = "a-key-of-the-tests"
	patience = 30 * time.Second
	examples = "../../examples/documents"
)

// worker is a running process on a directory.
type worker struct {
	t       *testing.T
	dir     string
	command *exec.Cmd
	client  *http.Client
	log     *safeBuffer
	done    chan struct{} // closed when the process was waited for
	waitErr error
}

func (w *worker) socket() string { return filepath.Join(w.dir, "s") }

// startWorker starts a worker on dir and waits until it answers.
func startWorker(t *testing.T, dir string, environment ...string) *worker {
	t.Helper()
	w := launch(t, dir, environment...)
	eventually(t, "the worker answers", func() bool {
		select {
		case <-w.done:
			t.Fatalf("the worker ended: %v\n%s", w.waitErr, w.log)
		default:
		}
		status, _ := w.try(http.MethodGet, "/health", nil, nil)
		return status == http.StatusOK
	})
	return w
}

// launch starts a worker and waits for nothing.
func launch(t *testing.T, dir string, environment ...string) *worker {
	t.Helper()
	w := &worker{t: t, dir: dir, command: exec.CommandContext(context.Background(), binary, "serve"), log: &safeBuffer{}, done: make(chan struct{})}
	w.command.Env = append([]string{
		"WORKER_SOCKET=" + w.socket(), "WORKING_DIR=" + filepath.Join(dir, "rag"), "INPUT_DIR=" + filepath.Join(dir, "in"),
		"WORKSPACE=alpha", "LIGHTRAG_API_KEY=" + apiKey, "PATH=" + os.Getenv("PATH"),
	}, environment...)
	w.command.Stderr = w.log
	w.client = &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.socket())
	}}}
	if err := w.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		w.waitErr = w.command.Wait()
		close(w.done)
	}()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = w.command.Process.Kill() // it may have ended already
		<-w.done
		if t.Failed() {
			t.Logf("the worker's log:\n%s", w.log)
		}
	})
	return w
}

// kill is kill -9.
func (w *worker) kill() {
	w.t.Helper()
	if err := w.command.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	<-w.done
	w.client.CloseIdleConnections()
}

// stop is SIGTERM; it says how long the process took and with which code it ended.
func (w *worker) stop() (time.Duration, int) {
	w.t.Helper()
	begun := time.Now()
	if err := w.command.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	return time.Since(begun), w.wait()
}

func (w *worker) wait() int {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(patience):
		w.t.Fatal("the worker does not end")
	}
	return w.command.ProcessState.ExitCode()
}

// try sends a request and decodes the answer if into is not nil. Status 0 is a request that did not succeed.
func (w *worker) try(method, path string, body, into any) (int, string) {
	var content io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case upload:
		content, contentType = b.form(w.t)
	case string:
		content = bytes.NewReader([]byte(b))
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, "http://worker"+path, content)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-API-Key", apiKey)
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(answer, into); err != nil {
			w.t.Fatalf("%s %s answered %q: %v", method, path, answer, err)
		}
	}
	return response.StatusCode, string(answer)
}

// call is a request that must succeed.
func (w *worker) call(method, path string, body, into any) string {
	w.t.Helper()
	status, answer := w.try(method, path, body, into)
	if status != http.StatusOK {
		w.t.Fatalf("%s %s answered %d: %s", method, path, status, answer)
	}
	return answer
}

type upload struct {
	name    string
	content []byte
}

func (u upload) form(t *testing.T) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", u.name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = part.Write(u.content)
	if err := errors.Join(err, form.Close()); err != nil {
		t.Fatal(err)
	}
	return &body, form.FormDataContentType()
}

func example(t *testing.T, name string) upload {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return upload{name, content}
}

// settle waits until nothing is left to index, and gives the documents of each status.
func (w *worker) settle() map[string]int {
	w.t.Helper()
	eventually(w.t, "everything is indexed", func() bool {
		var health struct {
			Active bool `json:"pipeline_active"`
		}
		status, _ := w.try(http.MethodGet, "/health", nil, &health)
		return status == http.StatusOK && !health.Active
	})
	var counts struct {
		Counts map[string]int `json:"status_counts"`
	}
	w.call(http.MethodGet, "/documents/status_counts", nil, &counts)
	return counts.Counts
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline:
			t.Fatalf("it did not happen that %s", what)
		case <-tick.C:
		}
	}
}
