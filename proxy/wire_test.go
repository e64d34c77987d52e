package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wire is a request as bytes, which no client library has a say in.
type wire struct {
	method, target, host string
	header               [][2]string
	body                 string
}

// heard is what came back: an answer, or that the server ended the stream or the connection instead.
type heard struct {
	status int // 0: no answer
	header http.Header
	body   string
}

// a protocol in which a wire can be sent.
type protocol struct {
	name   string
	secure bool
	send   func(testing.TB, net.Conn, wire) heard
}

func protocols() []protocol {
	return []protocol{
		{"HTTP/1.1", false, overHTTP1}, {"HTTP/1.1 over TLS", true, overHTTP1},
		{"HTTP/2 in the clear", false, overHTTP2}, {"HTTP/2 over TLS", true, overHTTP2},
	}
}

// connect opens a connection for a protocol.
func (f *fronted) connect(t testing.TB, p protocol) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if !p.secure {
		return conn
	}
	config := f.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	if strings.HasPrefix(p.name, "HTTP/2") {
		config.NextProtos = []string{"h2"}
	}
	return tls.Client(conn, config)
}

func overHTTP1(t testing.TB, conn net.Conn, w wire) heard {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", w.method, w.target, w.host)
	for _, line := range w.header {
		fmt.Fprintf(&b, "%s: %s\r\n", line[0], line[1])
	}
	if w.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(w.body))
	}
	if _, err := io.WriteString(conn, b.String()+"\r\n"+w.body); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: w.method})
	if err != nil {
		return heard{}
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	return heard{response.StatusCode, response.Header, string(content)}
}

// stream2 is a connection of HTTP/2, frame by frame.
type stream2 struct {
	tb     testing.TB
	framer *http2.Framer
	next   uint32
	block  bytes.Buffer
	encode *hpack.Encoder
}

func newStream2(tb testing.TB, conn net.Conn) *stream2 {
	tb.Helper()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		tb.Fatal(err)
	}
	s := &stream2{tb: tb, framer: http2.NewFramer(conn, conn), next: 1}
	s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.encode = hpack.NewEncoder(&s.block)
	if err := s.framer.WriteSettings(); err != nil {
		tb.Fatal(err)
	}
	return s
}

// ask sends a request's head and body on a stream of its own.
func (s *stream2) ask(w wire) (id uint32, err error) {
	id = s.next
	s.next += 2
	s.block.Reset()
	field := func(name, value string) { _ = s.encode.WriteField(hpack.HeaderField{Name: name, Value: value}) } // into memory
	field(":method", w.method)
	if w.method != http.MethodConnect {
		field(":scheme", "http")
		field(":path", w.target)
	}
	field(":authority", w.host)
	for _, line := range w.header {
		field(strings.ToLower(line[0]), line[1])
	}
	rest := s.block.Bytes()
	for first := true; first || len(rest) > 0; first = false {
		part := rest[:min(len(rest), 16<<10)]
		rest = rest[len(part):]
		if first {
			err = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: part, EndStream: w.body == "", EndHeaders: len(rest) == 0})
		} else {
			err = s.framer.WriteContinuation(id, len(rest) == 0, part)
		}
		if err != nil {
			return id, err
		}
	}
	if w.body != "" {
		err = s.framer.WriteData(id, true, []byte(w.body))
	}
	return id, err
}

func overHTTP2(t testing.TB, conn net.Conn, w wire) heard {
	t.Helper()
	s := newStream2(t, conn)
	id, err := s.ask(w)
	if err != nil {
		t.Fatal(err)
	}
	return s.answer(id)
}

// answer reads until the stream has ended.
func (s *stream2) answer(id uint32) heard {
	got := heard{header: http.Header{}}
	for {
		frame, err := s.framer.ReadFrame()
		if err != nil {
			return heard{}
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID != id {
				continue
			}
			for _, field := range f.Fields {
				if field.Name == ":status" {
					_, _ = fmt.Sscan(field.Value, &got.status)
					continue
				}
				got.header.Add(field.Name, field.Value)
			}
			if f.StreamEnded() {
				return got
			}
		case *http2.DataFrame:
			if f.StreamID != id {
				continue
			}
			got.body += string(f.Data())
			if f.StreamEnded() {
				return got
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return heard{}
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return heard{}
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := s.framer.WriteSettingsAck(); err != nil {
					return heard{}
				}
			}
		}
	}
}
