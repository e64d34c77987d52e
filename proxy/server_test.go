package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// serveLimited runs a server with small limits.
func serveLimited(t *testing.T, cfg ServerConfig) net.Conn {
	t.Helper()
	server, err := NewServer(cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.RequestURI, body)
	}), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
		<-served
	})
	return conn
}

func TestNewServer_CutsOffASlowHead(t *testing.T) {
	t.Parallel()
	conn := serveLimited(t, ServerConfig{HeaderTimeout: 20 * time.Millisecond})
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n") // and never the rest
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestNewServer_CutsOffASilentConnection(t *testing.T) {
	t.Parallel()
	conn := serveLimited(t, ServerConfig{IdleTimeout: 20 * time.Millisecond})
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if content, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(content), "/ ") {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestNewServer_RefusesALargeHead(t *testing.T) {
	t.Parallel()
	conn := serveLimited(t, ServerConfig{HeaderBytes: 1000})
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 10000))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %v, %v", response, err)
	}
}

// A body may take longer than every limit on heads and silence.
func TestNewServer_LetsABodyTakeItsTime(t *testing.T) {
	t.Parallel()
	const limit = time.Second // enough for the head on a machine that is busy with other tests
	conn := serveLimited(t, ServerConfig{HeaderTimeout: limit, IdleTimeout: limit})
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
	<-time.After(limit + limit/2)
	fmt.Fprint(conn, "dy")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := io.ReadAll(response.Body); string(content) != "/ body" {
		t.Errorf("got %q", content)
	}
}

func TestNewServer_ChecksWhatItIsGiven(t *testing.T) {
	t.Parallel()
	if _, err := NewServer(ServerConfig{HeaderTimeout: -1}, http.NotFoundHandler(), zap.NewNop()); err == nil {
		t.Error("a negative limit was accepted")
	}
	if _, err := NewServer(ServerConfig{}, nil, zap.NewNop()); err == nil {
		t.Error("no handler was accepted")
	}
	server, err := NewServer(ServerConfig{}, http.NotFoundHandler(), zap.NewNop())
	if err != nil || server.ReadHeaderTimeout <= 0 || server.IdleTimeout <= 0 || server.MaxHeaderBytes <= 0 || server.ReadTimeout != 0 || server.WriteTimeout != 0 {
		t.Errorf("got %+v, %v", server, err)
	}
}
