package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// fronted is a rig behind everything that stands between a socket and the chain.
type fronted struct {
	*rig
	front   *Front
	address string
	clear   *http.Client // HTTP/2 without TLS; nil where the rig speaks TLS
}

// how a fronted rig is reached.
type reach struct {
	tls    bool
	config ListenerConfig
	server ServerConfig
}

const pairNames = "localhost"

// newFronted starts a rig's chain on a listener of its own.
func newFronted(t *testing.T, worker http.HandlerFunc, how reach, options ...rigOption) *fronted {
	t.Helper()
	f := &fronted{rig: newParts(t, worker, options...)}
	fill(&how.config.Connections, 1000)
	fill(&how.config.UnreadTimeout, patience)
	fill(&how.config.HeaderTimeout, patience)
	var err error
	if f.front, err = NewFront(how.config, f.deps.Observer); err != nil {
		t.Fatal(err)
	}
	handler, err := New(f.config, f.deps)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	f.client = &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	scheme := "http"
	if how.tls {
		scheme = "https"
		how.server.TLS, transport.TLSClientConfig = testTLS(t)
		transport.ForceAttemptHTTP2 = true
	}
	how.server.CountError = f.deps.Observer.Metrics.HTTP2Error
	server, err := NewServer(how.server, handler, f.deps.Observer.Logger)
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
		_ = Serve(server, f.front.Guard(listener, func() {}))
	}()
	f.address = listener.Addr().String()
	f.url = scheme + "://" + f.address
	if !how.tls {
		protocols := &http.Protocols{}
		protocols.SetUnencryptedHTTP2(true)
		unencrypted := &http.Transport{DisableCompression: true, Protocols: protocols}
		f.clear = &http.Client{Transport: unencrypted, Timeout: patience, CheckRedirect: f.client.CheckRedirect}
		t.Cleanup(unencrypted.CloseIdleConnections)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-served
	})
	return f
}

// testTLS makes both sides of a connection that is trusted.
func testTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	text := testkit.Certificate(t, time.Hour, pairNames, "127.0.0.1", "*.localhost")
	pair, err := tls.X509KeyPair([]byte(text), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := NewCertificates([]tls.Certificate{pair})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	return certificates.Config(), &tls.Config{RootCAs: roots, ServerName: pairNames}
}

// counted is the value of one of the metrics.
func (r *rig) counted(name string) float64 {
	r.tb.Helper()
	for line := range strings.Lines(r.metrics()) {
		if rest, found := strings.CutPrefix(line, "workspace_router_"+name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				r.tb.Fatal(err)
			}
			return value
		}
	}
	return 0
}

// raw sends bytes on a connection of their own, and reads the first answer and whether the connection was closed.
func (f *fronted) raw(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text) // the answer may come before the end of it
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	return response, string(content)
}

func TestFront_EveryProtocolReachesTheWorker(t *testing.T) {
	t.Parallel()
	plain, secure := newFronted(t, echo, reach{}), newFronted(t, echo, reach{tls: true})
	old := &http.Transport{TLSClientConfig: secure.client.Transport.(*http.Transport).TLSClientConfig.Clone()}
	t.Cleanup(old.CloseIdleConnections)
	for name, test := range map[string]struct {
		f      *fronted
		client *http.Client
		proto  string
	}{
		"HTTP/1.1":            {plain, plain.client, "HTTP/1.1"},
		"HTTP/2 in the clear": {plain, plain.clear, "HTTP/2.0"},
		"HTTP/2 over TLS":     {secure, secure.client, "HTTP/2.0"},
		"HTTP/1.1 over TLS":   {secure, &http.Client{Transport: old}, "HTTP/1.1"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, test.f.url+"/w/alpha/query", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", adminKey)
		response, err := test.client.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		content, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.Proto != test.proto || string(content) != "POST /query body" {
			t.Errorf("%s: got %s %d %q", name, response.Proto, response.StatusCode, content)
		}
	}
}

// What net/http refuses by itself has the router's form, and is in the log.
func TestFront_WhatCannotBeReadIsAnsweredLikeTheRest(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{server: ServerConfig{HeaderBytes: 8 << 10}}, withConfig(func(c *Config) { c.HeaderBytes = 8 << 10 }))
	head := "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential
	tests := map[string]struct {
		text   string
		status int
		code   string
	}{
		"no request":               {"this is nothing at all\r\n\r\n", 400, "bad_request"},
		"a header without a colon": {head + "X\r\n\r\n", 400, "bad_request"},
		"no Host":                  {"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"},
		"two Hosts":                {head + "Host: other\r\n\r\n", 400, "bad_request"},
		"an unknown version":       {"GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505, "bad_request"},
		"an unknown encoding":      {head + "Transfer-Encoding: magic\r\n\r\n", 501, "bad_request"},
		"an unknown expectation":   {head + "Expect: miracles\r\nContent-Length: 1\r\n\r\n", 417, "bad_request"},
		"a head beyond the bound":  {head + "X-Large: " + strings.Repeat("x", 10<<10) + "\r\n\r\n", 431, "header_too_large"},
		"a head far beyond it":     {head + "X-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, "header_too_large"},
		"a path beyond the bound":  {"GET /" + strings.Repeat("x", 10<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, "header_too_large"},
		"many small headers":       {head + strings.Repeat("X: y\r\n", 2000) + "\r\n", 431, "header_too_large"},
	}
	for name, test := range tests {
		response, content := f.raw(t, test.text)
		var told struct {
			Code      string `json:"code"`
			Status    int    `json:"status"`
			RequestID string `json:"request_id"`
			Detail    string `json:"detail"`
		}
		err := json.Unmarshal([]byte(content), &told)
		if err != nil || response.StatusCode != test.status || response.Header.Get("X-Router-Error") != test.code || told.Code != test.code ||
			told.Status != test.status || told.Detail == "" || response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %v %q, want %d %s", name, response.StatusCode, response.Header, content, test.status, test.code)
		}
		id := response.Header.Get("X-Request-Id")
		if id == "" || id != told.RequestID {
			t.Errorf("%s: the request's id is %q and %q", name, id, told.RequestID)
		}
		eventually(t, "a line in the log of "+name, func() bool { return strings.Contains(strings.Join(f.lines(), "\n"), id) })
	}
	// A good request behind all this is served, and is not counted as a bad one.
	if response, content := f.raw(t, head+"\r\n"); response.StatusCode != 200 {
		t.Errorf("got %d %q", response.StatusCode, content)
	}
	// Two of them were read, and refused by the chain.
	if got := f.counted("unreadable_requests_total"); got != float64(len(tests)-3) {
		t.Errorf("%v requests are counted as unreadable, want %d", got, len(tests)-3)
	}
}

// Over TLS the answer is net/http's own; that there was one is recorded all the same. So is a head that breaks off.
func TestFront_WhatCannotBeReadOverTLSIsCounted(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{tls: true, server: ServerConfig{HeaderTimeout: time.Second}})
	_, client := f.url, f.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	client.NextProtos = []string{"http/1.1"}
	for i, text := range []string{"this is nothing\r\n\r\n", "GET / HTTP/1.1\r\nHost: loc"} {
		conn, err := tls.Dial("tcp", f.address, client)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, text)
		_, _ = io.ReadAll(conn)
		conn.Close()
		eventually(t, "it to be counted", func() bool { return f.counted("unreadable_requests_total") == float64(i+1) })
	}
	// Who only connects, and who leaves after a request, is no such case.
	conn, err := tls.Dial("tcp", f.address, client)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n%s\r\n", credential)
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 200 {
		t.Errorf("got %v, %v", response, err)
	}
	conn.Close()
	eventually(t, "the connections to be closed", func() bool { return f.front.open.Load() == 0 })
	if got := f.counted("unreadable_requests_total"); got != 2 {
		t.Errorf("%v are counted, want 2", got)
	}
}

func TestFront_OneConnectionTooManyIsClosed(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{config: ListenerConfig{Connections: 2}})
	var held []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
	}
	eventually(t, "both to be accepted", func() bool { return f.front.open.Load() == 2 })
	third, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	_ = third.SetReadDeadline(time.Now().Add(patience))
	if _, err := third.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the third connection is open: %v", err)
	}
	if got := f.counted("connections_refused_total"); got != 1 {
		t.Errorf("%v connections were refused, want 1", got)
	}
	held[0].Close()
	eventually(t, "its place to be free", func() bool { return f.front.open.Load() == 1 })
	if got := f.get("/w/alpha/query"); got.status != 200 {
		t.Errorf("got %d", got.status)
	}
}

// A connection that became a WebSocket is one as long as it is open.
func TestFront_AnUpgradedConnectionCounts(t *testing.T) {
	t.Parallel()
	f := newFronted(t, upgradeAndWait, reach{})
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s\r\n", credential)
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", response, err)
	}
	if got := f.front.open.Load(); got != 1 {
		t.Errorf("%d connections are open, want 1", got)
	}
	conn.Close()
	eventually(t, "it to be closed", func() bool { return f.front.open.Load() == 0 })
	f.settled()
}

// upgradeAndWait changes the protocol and waits for the other side to leave.
func upgradeAndWait(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(io.Discard, conn)
}

// The PROXY protocol counts where it is expected from, and nowhere else.
func TestFront_ProxyProtocol(t *testing.T) {
	t.Parallel()
	const (
		v1   = "PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\n"
		v2   = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x08\xc0\x00\x02\x01\x13\x88\x01\xbb"
		ask  = "GET /w/alpha/query HTTP/1.1\r\nHost: rag.example\r\nConnection: close\r\n" + credential + "\r\n"
		here = "127.0.0.0/8"
	)
	for name, test := range map[string]struct {
		from, text, client string
		status             int
	}{
		"version 1":                    {here, v1 + ask, "203.0.113.7", 200},
		"version 2":                    {here, v2 + ask, "203.0.113.8", 200},
		"the balancer's own check":     {here, "PROXY UNKNOWN\r\n" + ask, "127.0.0.1", 200},
		"missing where it is demanded": {here, ask, "", 0},
		"from elsewhere, with it":      {"10.0.0.0/8", v1 + ask, "", 400},
		"from elsewhere, without it":   {"10.0.0.0/8", ask, "127.0.0.1", 200},
		"not configured at all":        {"", v1 + ask, "", 400},
		"a second header behind it":    {here, v1 + v1 + ask, "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			how := reach{}
			if test.from != "" {
				how.config.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix(test.from)}
			}
			f := newFronted(t, reflect, how)
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprint(conn, test.text)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if test.status == 0 {
				if err == nil {
					t.Errorf("it was answered with %d", response.StatusCode)
				}
				return
			}
			if err != nil || response.StatusCode != test.status {
				t.Fatalf("got %v, %v", response, err)
			}
			if test.status != 200 {
				return
			}
			var h http.Header
			if err := json.NewDecoder(response.Body).Decode(&h); err != nil || h.Get("X-Forwarded-For") != test.client {
				t.Errorf("the worker was told of %q, want %q (%v)", h.Get("X-Forwarded-For"), test.client, err)
			}
			response.Body.Close()
			eventually(t, "the log to name the client", func() bool { return strings.Contains(strings.Join(f.lines(), ""), test.client) })
		})
	}
}

// Without a reader on the other side what is sent to it ends in an error, and its lease with it.
func TestFront_AClientThatReadsNothingIsCut(t *testing.T) {
	t.Parallel()
	f := newFronted(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}, reach{config: ListenerConfig{UnreadTimeout: 500 * time.Millisecond}})
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n%s\r\n", credential)
	eventually(t, "the request to come", func() bool { return f.pool.acquired.Load() == 1 })
	f.settled()
}

func TestNewFront_ChecksWhatItIsGiven(t *testing.T) {
	t.Parallel()
	r := newParts(t, echo)
	whole := ListenerConfig{Connections: 1, UnreadTimeout: 1, HeaderTimeout: 1}
	if _, err := NewFront(whole, r.deps.Observer); err != nil {
		t.Error(err)
	}
	if _, err := NewFront(whole, Observer{}); err == nil {
		t.Error("no observer was accepted")
	}
	for _, change := range []func(*ListenerConfig){
		func(c *ListenerConfig) { c.Connections = 0 }, func(c *ListenerConfig) { c.UnreadTimeout = 0 }, func(c *ListenerConfig) { c.HeaderTimeout = -1 },
	} {
		wrong := whole
		change(&wrong)
		if _, err := NewFront(wrong, r.deps.Observer); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
	if _, err := NewCertificates(nil); err == nil {
		t.Error("no certificate was accepted")
	}
}

// Of several certificates the one that fits the name is shown.
func TestCertificates_FollowTheName(t *testing.T) {
	t.Parallel()
	var list []tls.Certificate
	for _, name := range []string{"rag.example", "*.rag.example"} {
		text := testkit.Certificate(t, time.Hour, name)
		pair, err := tls.X509KeyPair([]byte(text), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pair)
	}
	certificates, err := NewCertificates(list)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"rag.example": "rag.example", "alpha.rag.example": "*.rag.example", "elsewhere.example": "rag.example", "": "rag.example",
	} {
		client, server := net.Pipe()
		go func() {
			_ = tls.Server(server, certificates.Config()).HandshakeContext(t.Context())
			server.Close()
		}()
		conn := tls.Client(client, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // only looked at
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q: got the certificate of %q, want %q", name, got, want)
		}
		client.Close()
	}
}
