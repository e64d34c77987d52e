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
)

// switcher is a worker that changes to another protocol and then sends back what it reads.
func switcher(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		fmt.Fprintf(w, "plain %q", r.Header.Get("Upgrade")+r.Header.Get("HTTP2-Settings"))
		return
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Router-Error: planted\r\n\r\n", r.Header.Get("Upgrade"))
	_, _ = io.Copy(conn, buffered)
}

// dial opens a raw connection to the data plane.
func (r *rig) dial() (net.Conn, *bufio.Reader) {
	r.tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.tb.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// ask writes a raw request head and reads the answer's.
func (r *rig) ask(head string) (net.Conn, *bufio.Reader, *http.Response) {
	r.tb.Helper()
	conn, reader := r.dial()
	if _, err := io.WriteString(conn, head); err != nil {
		r.tb.Fatal(err)
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		r.tb.Fatal(err)
	}
	return conn, reader, response
}

const credential = "X-API-Key: " + adminKey + "\r\n"

func upgradeRequest(path, protocol, extra string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade" + extra + "\r\nUpgrade: " + protocol + "\r\n" + credential + "\r\n"
}

func TestUpgrade_WebSocketWhereTheKindAllowsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, switcher)
	conn, reader, response := r.ask(upgradeRequest("/w/alpha/query", "websocket", ""))
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("LIGHTRAG-WORKSPACE") != "alpha" ||
		response.Header.Get("X-Router-Error") != "" || response.Header.Get("X-Request-Id") == "" {
		t.Fatalf("got %d %v", response.StatusCode, response.Header)
	}
	for _, line := range []string{"hello\n", "again\n"} {
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.ReadString('\n'); got != line {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if r.pool.released.Load() != 0 {
		t.Error("the lease was released while the connection was open")
	}
	conn.Close()
	r.settled()
	if line := r.recorded(1)[0]; !strings.Contains(line, `"status":101,"bytes_in":12,`) {
		t.Errorf("got %s", line)
	}
}

func TestUpgrade_EndsWithItsLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, switcher)
	_, reader, response := r.ask(upgradeRequest("/w/alpha/query", "websocket", ""))
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d", response.StatusCode)
	}
	r.pool.lastLease().end()
	if _, err := io.ReadAll(reader); err != nil {
		t.Logf("the connection was cut: %v", err)
	}
	r.settled()
}

func TestUpgrade_EverythingElseIsRefused(t *testing.T) {
	t.Parallel()
	plain := strings.Replace(testKind, "upgrades: [websocket]\n", "", 1)
	tests := map[string]struct {
		kind, request string
		status        int
		code          string
	}{
		"websocket where it is not allowed": {plain, upgradeRequest("/w/alpha/query", "websocket", ""), 403, "upgrade_forbidden"},
		"websocket in capitals":             {plain, upgradeRequest("/w/alpha/query", "WebSocket", ", keep-alive"), 403, "upgrade_forbidden"},
		"another protocol":                  {testKind, upgradeRequest("/w/alpha/query", "spdy/3", ""), 403, "upgrade_forbidden"},
		"a choice of protocols":             {testKind, upgradeRequest("/w/alpha/query", "h2c, websocket", ""), 403, "upgrade_forbidden"},
		"by POST":                           {testKind, strings.Replace(upgradeRequest("/w/alpha/query", "websocket", ""), "GET", "POST", 1), 403, "upgrade_forbidden"},
		"without a permission for the route": {testKind, strings.Replace(upgradeRequest("/w/alpha/x", "websocket", ""), adminKey, readerKey, 1),
			403, "permission_denied"},
		"without a credential": {testKind, strings.Replace(upgradeRequest("/w/alpha/query", "websocket", ""), credential, "", 1), 401, "unauthenticated"},
		"a tunnel":             {testKind, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n" + credential + "\r\n", 403, "upgrade_forbidden"},
		"a tunnel to here":     {testKind, "CONNECT /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "\r\n", 403, "upgrade_forbidden"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, switcher, withKind(test.kind))
			_, _, response := r.ask(test.request)
			if response.StatusCode != test.status || response.Header.Get("X-Router-Error") != test.code {
				t.Errorf("got %d %q", response.StatusCode, response.Header.Get("X-Router-Error"))
			}
			if len(r.pool.wished()) != 0 {
				t.Error("a worker was asked for")
			}
		})
	}
}

// An offer of HTTP/2 in the clear is declined: the request is served as it is, and the worker hears nothing of it.
func TestUpgrade_AnOfferOfH2CIsDeclined(t *testing.T) {
	t.Parallel()
	r := newRig(t, switcher)
	_, _, response := r.ask("GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
		"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" + credential + "\r\n")
	content, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || string(content) != `plain ""` {
		t.Errorf("got %d %q, %v", response.StatusCode, content, err)
	}
	r.settled()
}
