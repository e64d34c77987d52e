package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"workspace-router/bench/measure"
)

// server is one LightRAG, by itself or behind the router.
type server struct {
	base, key string
	client    *http.Client
}

// send asks for one thing and gives the body of an answer with status 200.
func (s server) send(ctx context.Context, method, path, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot ask for %s: %w", path, err)
	}
	request.Header.Set("X-API-Key", s.key)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for %s: %w", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered with status %d: %s", path, response.StatusCode, answer)
	}
	return answer, err
}

// labels is the request by which first answers and warm ones are measured: it reads, and asks no model.
func (s server) labels(ctx context.Context) error {
	_, err := s.send(ctx, http.MethodGet, "/graph/label/list", "")
	return err
}

// teach gives the server the i-th workspace's document and waits until it is indexed and the server at rest.
func (s server) teach(ctx context.Context, i int) error {
	body, err := json.Marshal(map[string]string{"text": document(i), "file_source": "notes.txt"})
	if err != nil {
		return fmt.Errorf("cannot write a document: %w", err)
	}
	if _, err := s.send(ctx, http.MethodPost, "/documents/text", string(body)); err != nil {
		return err
	}
	for {
		idle, err := s.idle(ctx)
		if err != nil || idle {
			return err
		}
		if err := measure.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// idle reports whether the server has one document, which it has indexed, and nothing to do.
func (s server) idle(ctx context.Context) (bool, error) {
	var counts struct {
		Of map[string]int `json:"status_counts"`
	}
	if err := s.read(ctx, "/documents/status_counts", &counts); err != nil {
		return false, err
	}
	if counts.Of["failed"] > 0 {
		return false, fmt.Errorf("%s could not index its document", s.base)
	}
	var health struct {
		Active bool `json:"pipeline_active"`
	}
	err := s.read(ctx, "/health", &health)
	return counts.Of["processed"] == 1 && !health.Active, err
}

func (s server) read(ctx context.Context, path string, into any) error {
	answer, err := s.send(ctx, http.MethodGet, path, "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("cannot read the answer to %s: %w", path, err)
	}
	return nil
}

// answers counts what came of questions.
type answers struct {
	right, wrong, lost int // wrong knows another's marker, lost does not know its own
	times              []time.Duration
}

// ask asks the i-th workspace's server for its marker.
func (a *answers) ask(ctx context.Context, s server, i, n int) error {
	began := time.Now()
	answer, err := s.send(ctx, http.MethodPost, "/query", question(n))
	if err != nil {
		return err
	}
	a.times = append(a.times, time.Since(began))
	switch known, foreign := verdict(answer, i); {
	case foreign:
		a.wrong++
	case !known:
		a.lost++
	default:
		a.right++
	}
	return nil
}
