package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// A worker that died over a request has seen it, also where no other connection can be had afterwards: whoever is told that
// nothing was sent would send it to the next worker, which dies of it, too.
func TestRoundTrip_WhatWasSeenIsNotUnsent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	seen := make(chan string, 2)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		for range 2 {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			seen <- request.URL.Path
			if request.URL.Path == "/poison" {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}()
	var dialled atomic.Int32
	tr, err := New(Config{Dial: func(ctx context.Context) (net.Conn, error) {
		if dialled.Add(1) > 1 {
			return nil, errors.New("refused")
		}
		return (&net.Dialer{}).DialContext(ctx, "unix", listener.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	get := func(path string) error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://worker"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := tr.RoundTrip(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	if err := get("/fine"); err != nil || <-seen != "/fine" {
		t.Fatal(err)
	}
	err = get("/poison")
	var told interface{ NothingSent() bool }
	if <-seen != "/poison" || err == nil || errors.As(err, &told) && told.NothingSent() {
		t.Errorf("of what the worker has read is said: %v", err)
	}
	if dialled.Load() != 2 {
		t.Errorf("dialled %d times, want 2", dialled.Load())
	}
}
