package main

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
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"workspace-router/bench/measure"
)

// process is a running worker.
type process struct {
	command *exec.Cmd
	http    *http.Client
	output  bytes.Buffer
}

// start runs a worker on a workspace and says how long it took until it answered.
func start(ctx context.Context, program, dir string) (*process, time.Duration, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, 0, err
	}
	socket := filepath.Join(dir, "s")
	p := &process{command: exec.CommandContext(ctx, program, "serve")}
	p.command.Dir = dir
	p.command.Env = []string{"WORKER_SOCKET=" + socket, "WORKING_DIR=" + dir, "INPUT_DIR=" + filepath.Join(dir, "in"), "LOG_LEVEL=warning"}
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	p.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	begun := time.Now()
	if err := p.command.Start(); err != nil {
		return nil, 0, fmt.Errorf("cannot start %q (is it built?): %w", program, err)
	}
	for {
		if err := p.call(ctx, http.MethodGet, "/health", nil, nil); err == nil {
			return p, time.Since(begun), nil
		}
		if err := measure.Pause(ctx, 200*time.Microsecond); err != nil {
			return nil, 0, errors.Join(err, p.stop(), errors.New(p.output.String()))
		}
	}
}

// stop ends the worker and waits for it.
func (p *process) stop() error {
	p.http.CloseIdleConnections()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("the worker ended with %w: %s", err, p.output.String())
	}
	return nil
}

// call sends a body as JSON, or as it is when it is a reader with a type, and decodes the answer.
func (p *process) call(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case form:
		content, contentType = b.body, b.contentType
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://worker"+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered with %s: %s", path, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

type form struct {
	body        io.Reader
	contentType string
}

func fileForm(name string, content []byte) (form, error) {
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	part, err := writer.CreateFormFile("file", name)
	if err != nil {
		return form{}, err
	}
	if _, err := part.Write(content); err != nil {
		return form{}, err
	}
	if err := writer.Close(); err != nil {
		return form{}, err
	}
	return form{&body, writer.FormDataContentType()}, nil
}

// settle waits until everything is indexed, and says how many chunks there are.
func (p *process) settle(ctx context.Context) (int, error) {
	for {
		var health struct {
			Active bool `json:"pipeline_active"`
		}
		if err := p.call(ctx, http.MethodGet, "/health", nil, &health); err != nil {
			return 0, err
		}
		if !health.Active {
			break
		}
		if err := measure.Pause(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
	var list struct {
		Statuses map[string][]struct {
			Chunks int    `json:"chunks_count"`
			Error  string `json:"error_msg"`
		}
	}
	if err := p.call(ctx, http.MethodGet, "/documents", nil, &list); err != nil {
		return 0, err
	}
	chunks := 0
	for status, documents := range list.Statuses {
		for _, d := range documents {
			if status != "processed" {
				return 0, fmt.Errorf("a document is %s: %s", status, d.Error)
			}
			chunks += d.Chunks
		}
	}
	return chunks, nil
}

// pss is the process's share of memory in MiB.
func (p *process) pss() (float64, error) { return measure.Memory(p.command.Process.Pid, "Pss:") }
