package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// clients are connections to one subject that ask for the same small thing, each again as soon as it is answered.
type clients struct {
	s     *subject
	conns []*client
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func (s *subject) connect(ctx context.Context, n int) (*clients, error) {
	all := &clients{s: s}
	for range n {
		c, err := s.dial(ctx)
		if err != nil {
			return all, err
		}
		all.conns = append(all.conns, c)
	}
	return all, nil
}

func (s *subject) dial(ctx context.Context) (*client, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach %s: %w", s.name, err)
	}
	return &client{conn, bufio.NewReaderSize(conn, 2048)}, nil
}

func (a *clients) close() {
	for _, c := range a.conns {
		c.Close()
	}
}

// sample is one subject in one round.
type sample struct {
	requests int
	cpu      time.Duration
	over     time.Duration
	delays   []time.Duration
}

// request is the bytes of a request without a body.
func (s *subject) request(method, path, more string) []byte {
	return fmt.Appendf(nil, "%s %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n%s%s\r\n", method, s.prefix, path, s.header, more)
}

// load has all clients ask for the time.
func (a *clients) load(duration time.Duration) (sample, error) {
	request, pids := a.s.request(http.MethodGet, "/small", ""), a.s.tree()
	var stop atomic.Bool
	var all sync.WaitGroup
	delays, failures := make([][]time.Duration, len(a.conns)), make([]error, len(a.conns))
	begun, before := time.Now(), processorTime(pids)
	for i, c := range a.conns {
		all.Go(func() {
			for !stop.Load() && failures[i] == nil {
				asked := time.Now()
				failures[i] = c.ask(request)
				delays[i] = append(delays[i], time.Since(asked))
			}
		})
	}
	timer := time.AfterFunc(duration, func() { stop.Store(true) })
	defer timer.Stop()
	all.Wait()
	taken := sample{cpu: processorTime(pids) - before, over: time.Since(begun)}
	for _, list := range delays {
		taken.delays = append(taken.delays, list...)
	}
	taken.requests = len(taken.delays)
	if err := errors.Join(failures...); err != nil {
		return taken, fmt.Errorf("cannot measure %s: %w", a.s.name, err)
	}
	return taken, nil
}

// ask sends one request and reads the small answer.
func (c *client) ask(request []byte) error {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != int64(len(small))) {
		err = fmt.Errorf("status %d with %d bytes", response.StatusCode, n)
	}
	return err
}

// get asks for a path on a connection of its own and gives the body.
func (s *subject) get(ctx context.Context, path string) (string, error) {
	var text string
	err := s.open(ctx, s.request(http.MethodGet, path, ""), nil, func(response *http.Response) error {
		body, err := io.ReadAll(response.Body)
		text = string(body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("cannot get %s from %s: status %d: %s", path, s.name, response.StatusCode, body)
		}
		return err
	})
	return text, err
}

// open sends a request, with a body if there is one, and has the answer read.
func (s *subject) open(ctx context.Context, request []byte, body io.Reader, read func(*http.Response) error) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write(request); err != nil {
		return err
	}
	if body != nil {
		if _, err := io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{body}, make([]byte, 256<<10)); err != nil {
			return err
		}
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer func() {
		c.Close() // first: a body that has no end would be read to it
		response.Body.Close()
	}()
	return read(response)
}
