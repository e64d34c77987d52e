package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"workspace-router/auth"
	"workspace-router/configs"
)

// connection says which router a command talks to.
type connection struct{ data, server, key string }

func (f *connection) bind(command *cobra.Command) {
	flags := command.PersistentFlags()
	flags.StringVar(&f.data, "data", "", "the local router that serves this `DIR` (ROUTER_DATA)")
	flags.StringVar(&f.server, "server", "", "the router at this `URL` instead ("+configs.EnvironmentURL+")")
	flags.StringVar(&f.key, "key", "", "the `KEY` for --server; better given as "+configs.EnvironmentKey+", which other users cannot see")
}

// client talks to the operator API of one router.
type client struct {
	http  *http.Client
	base  string // without a slash at the end
	token string
	local string // the data directory, where it is the local router
}

// connect chooses the router: --server, else --data, else ROUTER_URL, else the configured data directory.
func (f *connection) connect(a *app) (*client, error) {
	server := f.server
	switch {
	case f.server != "" && f.data != "":
		return nil, usagef("--server and --data name two routers, want one")
	case f.server == "" && f.data == "":
		server = a.variable(configs.EnvironmentURL)
	}
	if server != "" {
		return f.remote(a, server)
	}
	data := f.data
	if data == "" {
		config, _, err := configs.Load(configs.Source{Environ: a.environ})
		if err != nil {
			return nil, fmt.Errorf("cannot find the data directory; give it with --data, or put the configuration right:\n%w", err)
		}
		data = config.Data
	}
	return localClient(data)
}

func (f *connection) remote(a *app, server string) (*client, error) {
	address, err := url.Parse(server)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, usagef("--server: got %q, want a URL such as http://127.0.0.1:9622", server)
	}
	key := f.key
	if key == "" {
		key = a.variable(configs.EnvironmentKey)
	}
	if key == "" {
		return nil, usagef("%s needs a key: set %s, or give --key", server, configs.EnvironmentKey)
	}
	return &client{http: &http.Client{Transport: http.DefaultTransport, CheckRedirect: noRedirect}, base: strings.TrimRight(server, "/"), token: key}, nil
}

// noRedirect keeps the key from being sent to wherever an answer points.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// localClient talks to the router of a data directory through its socket, with the token beside it.
func localClient(dir string) (*client, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot find the data directory: %w", err)
	}
	token, err := os.ReadFile(filepath.Join(dir, auth.LocalTokenFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notServed(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the local router's token: %w", err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", filepath.Join(dir, auth.LocalSocket))
	}}
	return &client{http: &http.Client{Transport: transport}, base: "http://localhost", token: string(token), local: dir}, nil
}

func notServed(dir string) error {
	return fmt.Errorf("no router serves %q; start one with \"router serve --data %s\", or say with --data or --server which one is meant", dir, dir)
}

// apiError is an error that the router answered with.
type apiError struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (e *apiError) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if text == "" {
		text = fmt.Sprintf("the router answered with status %d", e.Status)
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.RequestID != "" && e.Status >= http.StatusInternalServerError {
		text += ", request " + e.RequestID
	}
	return text
}

// send makes one request and gives the answer, which the caller closes. body may be nil.
func (c *client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("cannot write the request: %w", err)
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		var refused *net.OpError
		if c.local != "" && errors.As(err, &refused) && refused.Op == "dial" {
			return nil, notServed(c.local)
		}
		return nil, fmt.Errorf("cannot reach the router: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close()
		return nil, readError(response)
	}
	return response, nil
}

func readError(response *http.Response) error {
	answer := &apiError{}
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	var within struct { // the tenant API's envelope
		Error struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	switch {
	case err != nil:
	case json.Unmarshal(content, &within) == nil && within.Error.Code != "":
		answer.Code, answer.Detail, answer.RequestID = within.Error.Code, within.Error.Message, within.Error.RequestID
	case json.Unmarshal(content, answer) != nil:
		answer = &apiError{}
	}
	answer.Status = response.StatusCode
	return answer
}

// requestTimeout bounds a request that is answered as a whole. It is beyond what the router takes for an operation.
const requestTimeout = 5 * time.Minute

// call makes one request and gives the whole answer.
func (c *client) call(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	content, _, err := c.exchange(ctx, method, path, body)
	return content, err
}

func (c *client) exchange(ctx context.Context, method, path string, body any) (json.RawMessage, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the router's answer: %w", err)
	}
	return content, response.Header, nil
}

// page gives one page of a listing of the tenant API, and where the next one begins; blank at the end.
func (c *client) page(ctx context.Context, path string) (entries []json.RawMessage, next string, err error) {
	content, header, err := c.exchange(ctx, http.MethodGet, path, nil)
	if err == nil {
		content, err = opened(content)
	}
	if err == nil {
		entries, err = decode[[]json.RawMessage](content)
	}
	if err != nil {
		return nil, "", err
	}
	return entries, header.Get("X-Next-Cursor"), nil
}

// decode reads an answer into a value.
func decode[T any](content json.RawMessage) (value T, err error) {
	if err := json.Unmarshal(content, &value); err != nil {
		return value, fmt.Errorf("cannot read the router's answer: %w", err)
	}
	return value, nil
}
