// Package model speaks to language and embedding models over HTTP, in the protocols of OpenAI and Ollama. Every call has
// a deadline. It starts no goroutine, keeps nothing between calls and never logs.
package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Bindings are the protocols.
const (
	OpenAI = "openai"
	Ollama = "ollama"
)

// Config says where a model is.
type Config struct {
	Binding string // OpenAI or Ollama
	Host    string // base URL, without a slash at the end
	APIKey  string // may be empty
	Name    string
	Timeout time.Duration // of one call, to its last byte
}

// ErrTimeout means that the model did not answer in time.
var ErrTimeout = errors.New("it did not answer in time")

// Error is what every call that fails returns.
type Error struct {
	Model string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("cannot use the model %q: %v", e.Model, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// StatusError is an answer of the model server that is no success.
type StatusError struct {
	Status int
	Detail string // the beginning of its body
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("it answered with status %d: %s", e.Status, e.Detail)
}

// maxDetail bounds what is kept of an error's body; maxAnswer what is read of any.
const (
	maxDetail = 300
	maxAnswer = 256 << 20
)

type client struct {
	config Config
	http   *http.Client
}

func newClient(config Config) (*client, error) {
	if config.Binding != OpenAI && config.Binding != Ollama {
		return nil, fmt.Errorf("cannot use a model by %q, want %q or %q", config.Binding, OpenAI, Ollama)
	}
	if config.Host == "" || config.Name == "" || config.Timeout <= 0 {
		return nil, errors.New("cannot use a model without host, name and timeout")
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        2,
		IdleConnTimeout:     10 * time.Second, // a worker at rest holds no connection
	}
	return &client{config: config, http: &http.Client{Transport: transport}}, nil
}

// post sends a request and hands the answer's body to read.
func (c *client) post(ctx context.Context, path string, body any, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, ErrTimeout)
	defer cancel()
	if err := c.try(ctx, path, body, read); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return &Error{Model: c.config.Name, Err: err}
	}
	return nil
}

func (c *client) try(ctx context.Context, path string, body any, read func(io.Reader) error) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.Host+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.config.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.config.APIKey)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		detail, _ := io.ReadAll(io.LimitReader(response.Body, maxDetail)) // what cannot be read is not told
		return &StatusError{Status: response.StatusCode, Detail: string(bytes.ToValidUTF8(bytes.TrimSpace(detail), nil))}
	}
	return read(io.LimitReader(response.Body, maxAnswer))
}

// Close gives back idle connections.
func (c *client) Close() { c.http.CloseIdleConnections() }
