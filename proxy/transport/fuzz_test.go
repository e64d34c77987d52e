package transport

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// canned is a connection to a worker that has said all that it will ever say. It comes in pieces of some size.
type canned struct {
	closer
	said  *bytes.Reader
	piece int
}

func (c *canned) Read(p []byte) (int, error)  { return c.said.Read(p[:min(len(p), c.piece)]) }
func (c *canned) Write(p []byte) (int, error) { return len(p), nil }

// reading is what a reader makes of bytes.
type reading struct {
	Status  int
	Text    string
	Header  http.Header
	Length  int64
	Body    string
	Trailer http.Header
	Close   bool
	Left    int // bytes behind the message
}

// readLean reads as the transport does; false if it refuses.
func readLean(t *testing.T, data []byte, method string, piece int) (reading, bool) {
	said := bytes.NewReader(data)
	conn := &canned{closer: closer{func() {}}, said: said, piece: piece}
	transport, err := New(Config{Dial: func(context.Context) (net.Conn, error) { return conn, nil }})
	if err != nil {
		t.Fatal(err)
	}
	x, err := transport.newExchange(newRequest(t, method, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	response, err := x.over(newConn(conn))
	if err != nil {
		return reading{}, false
	}
	// What is left in the buffer is lost with its end, so it is counted by the exchange's own rule: nothing, or not kept.
	body, err := io.ReadAll(response.Body)
	if response.Body.Close() != nil || err != nil {
		return reading{}, false
	}
	return reading{
		Status: response.StatusCode, Text: response.Status, Header: response.Header, Length: response.ContentLength, Body: string(body),
		Trailer: response.Trailer, Close: response.Close, Left: said.Len(),
	}, true
}

// readStandard reads as net/http does, interim answers included.
func readStandard(t *testing.T, data []byte, method string) (reading, bool) {
	t.Helper()
	said := bytes.NewReader(data)
	in := bufio.NewReader(said)
	for {
		response, err := http.ReadResponse(in, newRequest(t, method, "/", nil))
		if err != nil {
			return reading{}, false
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return reading{}, false
		}
		if response.StatusCode/100 == 1 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		return reading{
			Status: response.StatusCode, Text: response.Status, Header: response.Header, Length: response.ContentLength, Body: string(body),
			Trailer: response.Trailer, Close: response.Close, Left: said.Len() + in.Buffered(),
		}, true
	}
}

// alike leaves out in what the two differ knowingly: see DESIGN.md.
func alike(r reading) reading {
	r.Header = maps.Clone(r.Header)
	delete(r.Header, "Connection")
	if slices.ContainsFunc(r.Header["Pragma"], func(s string) bool { return s == "no-cache" }) {
		delete(r.Header, "Cache-Control") // net/http adds it
	}
	r.Trailer = maps.Clone(r.Trailer)
	for name := range r.Trailer {
		if frames(name) {
			delete(r.Trailer, name)
		}
	}
	if len(r.Trailer) == 0 {
		r.Trailer = nil
	}
	r.Left, r.Close = 0, false
	return r
}

// FuzzAnswer holds the parser to net/http's: what it accepts net/http accepts, and takes for the same. It may refuse more.
// The size of the pieces in which the bytes come makes no difference.
func FuzzAnswer(f *testing.F) {
	for _, table := range []map[string]string{alikeAnswers, refusedAnswers} {
		for _, raw := range table {
			if len(raw) < 4096 {
				f.Add([]byte(strings.ReplaceAll(raw, "%H", hidden)), false, uint16(7))
			}
		}
	}
	f.Add([]byte("HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n"+hidden), true, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, head bool, piece uint16) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		got, accepted := readLean(t, data, method, 1<<20)
		inPieces, same := readLean(t, data, method, int(piece)+1)
		got.Left, inPieces.Left = 0, 0
		if diff := cmp.Diff(got, inPieces); accepted != same || diff != "" {
			t.Fatalf("in pieces of %d: %v, else %v:\n%s", int(piece)+1, same, accepted, diff)
		}
		if !accepted {
			return
		}
		want, known := readStandard(t, data, method)
		if !known {
			t.Fatalf("net/http refuses what is taken for %+v", got)
		}
		if diff := cmp.Diff(alike(want), alike(got)); diff != "" {
			t.Fatalf("net/http (-) and this (+):\n%s", diff)
		}
		if want.Close && !got.Close {
			t.Fatal("net/http would close the connection")
		}
	})
}

// FuzzRequest holds what is sent to net/http's reader: it sees one request, with the path, headers and body that were
// asked for, and nothing behind it.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a", "b=c", "X-A", "b", "host", []byte("body"), false)
	f.Add("POST", "/a b", "", "content-length", "1", "[::1]:80", []byte(""), true)
	f.Add("POST", "/", "a\r\nb", "X-A: b\r\nX", "d\r\n", "a/b", []byte("x\r\n0\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, method, path, query, name, value, host string, content []byte, sized bool) {
		w, err := New(Config{Dial: func(context.Context) (net.Conn, error) { return nil, io.EOF }})
		if err != nil {
			t.Fatal(err)
		}
		r := newRequest(t, "GET", "/", bytes.NewReader(content))
		r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.Header = method, path, query, host, http.Header{name: {value}}
		length := int64(len(content))
		if !sized {
			length = -1
		}
		head, err := w.writeHead(nil, r, length)
		if err != nil {
			return
		}
		message := append(head, content...)
		if length < 0 {
			message = append(head, "0\r\n\r\n"...)
		}
		in := bufio.NewReader(bytes.NewReader(append(message, "GET /next HTTP/1.1\r\nHost: next\r\n\r\n"...)))
		got, err := http.ReadRequest(in)
		if err != nil {
			return // a path or host that net/http does not know is refused by the worker as a whole
		}
		if got.Method != or(method, "GET") || got.ContentLength != length || len(got.Header) > 1 {
			t.Fatalf("%q became %s of %d bytes with %q", head, got.Method, got.ContentLength, got.Header)
		}
		if _, err := io.Copy(io.Discard, got.Body); err != nil {
			t.Fatal(err)
		}
		if next, err := http.ReadRequest(in); err != nil || next.Host != "next" {
			t.Fatalf("behind %q: %v", message, err)
		}
	})
}
