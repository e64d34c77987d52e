package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"bufio"
)

const hidden = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"

// refusedAnswers could be taken for different messages by different programs, or are none. %H stands for an answer that
// somebody hopes to have taken for that of the next request.
var refusedAnswers = map[string]string{
	"bare LF in the head":             "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
	"bare LF behind a header":         okHead + "X-A: b\nContent-Length: 2\r\n\r\nok",
	"bare LF before the body":         okHead + "Content-Length: 2\r\n\nok",
	"bare CR in a value":              okHead + "X-A: b\rContent-Length: 9\r\nContent-Length: 2\r\n\r\nok",
	"bare CR before a colon":          okHead + "X-A\r: b\r\nContent-Length: 2\r\n\r\nok",
	"CR CR LF":                        okHead + "X-A: b\r\r\nContent-Length: 2\r\n\r\nok",
	"folded":                          okHead + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
	"folded length":                   okHead + "Content-Length:\r\n 2\r\n\r\nok",
	"folded coding":                   okHead + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	"folded with a tab":               okHead + "X-A: b\r\n\tc\r\nContent-Length: 2\r\n\r\nok",
	"space before the colon":          okHead + "Content-Length : 2\r\n\r\nok",
	"space in a name":                 okHead + "Content Length: 2\r\n\r\nok",
	"space before a name":             okHead + "X-A: b\r\n Content-Length: 2\r\n\r\nok",
	"no name":                         okHead + ": b\r\nContent-Length: 2\r\n\r\nok",
	"name above ASCII":                okHead + "X-\xc3\xa9: b\r\nContent-Length: 2\r\n\r\nok",
	"NUL in a name":                   okHead + "Content-Length\x00: 2\r\n\r\nok",
	"NUL in a value":                  okHead + "Content-Length: 2\x00\r\n\r\nok",
	"NUL in the reason":               "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok",
	"DEL in a value":                  okHead + "X-A: \x7f\r\nContent-Length: 2\r\n\r\nok",
	"lengths differ":                  okHead + "Content-Length: 2\r\nContent-Length: 44\r\n\r\nok%H",
	"lengths differ, spelled":         okHead + "Content-Length: 2\r\ncontent-length: 02\r\n\r\nok",
	"length in a list":                okHead + "Content-Length: 2,2\r\n\r\nok",
	"length in a list, differing":     okHead + "Content-Length: 2, 44\r\n\r\nok%H",
	"negative length":                 okHead + "Content-Length: -1\r\n\r\nok",
	"length with a plus":              okHead + "Content-Length: +2\r\n\r\nok",
	"length with an underscore":       okHead + "Content-Length: 1_0\r\n\r\n0123456789",
	"length in base 16":               okHead + "Content-Length: 0x2\r\n\r\nok",
	"length with a space within":      okHead + "Content-Length: 1 0\r\n\r\n0123456789",
	"length just too large":           okHead + "Content-Length: 9223372036854775808\r\n\r\nok",
	"length far too large":            okHead + "Content-Length: 18446744073709551618\r\n\r\nok",
	"length of no digits":             okHead + "Content-Length: \r\n\r\nok",
	"length with a vertical tab":      okHead + "Content-Length: \v2\r\n\r\nok",
	"coding of HTTP/1.0":              "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"coding twice":                    okHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"coding twice, spelled":           okHead + "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
	"coding in a list":                okHead + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"coding of another kind":          okHead + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"coding with a vertical tab":      okHead + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
	"coding with a parameter":         okHead + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
	"coding in quotes":                okHead + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	"empty coding":                    okHead + "Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nok",
	"version 2":                       "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"version 1.2":                     "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"version 0.9":                     "just text",
	"version in small letters":        "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"status below 100":                "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
	"signed status":                   "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok",
	"status without a space behind":   "HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nok",
	"an empty line first":             "\r\n" + plain,
	"too large a head":                okHead + "X-A: " + strings.Repeat("b", 300<<10) + "\r\n\r\n",
	"too many lines":                  okHead + strings.Repeat("A: b\r\n", 5000) + "\r\n",
	"a status line without an end":    "HTTP/1.1 200 " + strings.Repeat("O", 300<<10),
	"a trailer that frames":           okHead + "Trailer: X-A, content-length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"an upgrade nobody asked for":     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"interim answers without an end":  strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 2000) + plain,
	"a chunk of -1":                   chunked("-1\r\n"),
	"a chunk of 0x2":                  chunked("0x2\r\nok\r\n0\r\n\r\n"),
	"a chunk of +2":                   chunked("+2\r\nok\r\n0\r\n\r\n"),
	"a chunk of no digits":            chunked(";a\r\nok\r\n0\r\n\r\n"),
	"a chunk of too many digits":      chunked("00000000000000002\r\nok\r\n0\r\n\r\n"),
	"a chunk too large for a number":  chunked("10000000000000002\r\nok\r\n0\r\n\r\n"),
	"a space before a chunk's size":   chunked(" 2\r\nok\r\n0\r\n\r\n"),
	"a space within a chunk's size":   chunked("2 0\r\nok\r\n0\r\n\r\n"),
	"bare LF behind a chunk's size":   chunked("2\nok\r\n0\r\n\r\n"),
	"bare LF in a chunk's extension":  chunked("2;a\nb\r\nok\r\n0\r\n\r\n"),
	"bare CR in a chunk's extension":  chunked("2;a\rb\r\nok\r\n0\r\n\r\n"),
	"NUL in a chunk's extension":      chunked("2;a\x00\r\nok\r\n0\r\n\r\n"),
	"an extension without an end":     chunked("2;" + strings.Repeat("a", 10000) + "\r\nok\r\n0\r\n\r\n"),
	"bare LF behind a chunk":          chunked("2\r\nok\n0\r\n\r\n"),
	"a chunk longer than it says":     chunked("2\r\noken\r\n0\r\n\r\n"),
	"a chunk shorter than it says":    chunked("5\r\nok\r\n0\r\n\r\n"),
	"bare LF at the end":              chunked("2\r\nok\r\n0\r\n\n"),
	"a trailer with a space":          chunked("0\r\nX A: b\r\n\r\n"),
	"a trailer with bare LF":          chunked("0\r\nX-A: b\n\r\n"),
	"a folded trailer":                chunked("0\r\nX-A: b\r\n c\r\n\r\n"),
	"trailers without an end":         chunked("0\r\n" + strings.Repeat("X-A: b\r\n", 50000) + "\r\n"),
	"something else behind the chunk": chunked("2\r\nok\r\n%H"),
}

func chunked(body string) string { return okHead + "Transfer-Encoding: chunked\r\n\r\n" + body }

// Nothing of an answer that is refused is passed on as whole, and its connection is not used again.
func TestSmuggling_AmbiguousAnswersAreRefused(t *testing.T) {
	t.Parallel()
	for name, raw := range refusedAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := answers(t, strings.ReplaceAll(raw, "%H", hidden), false)
			transport := w.lean()
			_, body, err := get(t, transport, "/")
			if err == nil {
				t.Errorf("it was passed on as %q", body)
			}
			if strings.Contains(body, "hidden") {
				t.Errorf("the body is %q", body)
			}
			if nothingSent(err) {
				t.Errorf("%v: says that nothing was sent", err)
			}
			if n := transport.kept(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// What a worker says beyond its answer is never taken for the answer to the next request.
func TestSmuggling_NothingIsLeftForTheNextRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ method, raw string }{
		"behind a length":     {"GET", plain + hidden},
		"behind chunks":       {"GET", chunked("2\r\nok\r\n0\r\n\r\n") + hidden},
		"behind a HEAD":       {"HEAD", okHead + "Content-Length: 44\r\n\r\n" + hidden},
		"behind a 204":        {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n" + hidden},
		"behind a 304":        {"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden},
		"behind nothing":      {"GET", okHead + "Content-Length: 0\r\n\r\n" + hidden},
		"chunks and a length": {"GET", okHead + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + hidden},
		"length and chunks":   {"GET", okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden},
		"a line end":          {"GET", plain + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := script(t, func(n int, conn net.Conn, in *bufio.Reader) {
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					raw := test.raw
					if n > 0 {
						raw = plain
					}
					if _, err := io.WriteString(conn, raw); err != nil {
						return
					}
				}
			})
			transport := w.lean()
			if _, body, err := send(t, transport, newRequest(t, test.method, "/", nil)); err != nil || strings.Contains(body, "hidden") {
				t.Fatalf("got %q, %v", body, err)
			}
			if _, body, err := get(t, transport, "/"); err != nil || body != "ok" || w.dialed.Load() != 2 {
				t.Errorf("the next request got %q, %v, over connection %d", body, err, w.dialed.Load())
			}
		})
	}
}

// Said late, it is found before the next request goes out.
func TestSmuggling_WhatIsSaidWhileNobodyAsks(t *testing.T) {
	t.Parallel()
	said := make(chan struct{})
	speak := make(chan struct{})
	w := script(t, func(n int, conn net.Conn, in *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			_, _ = io.WriteString(conn, plain)
			if n == 0 {
				<-speak
				_, _ = io.WriteString(conn, hidden)
				close(said)
			}
		}
	})
	transport := w.lean()
	if _, body, err := get(t, transport, "/"); err != nil || body != "ok" || transport.kept() != 1 {
		t.Fatalf("got %q, %v; %d kept", body, err, transport.kept())
	}
	close(speak)
	receive(t, "the worker to speak", said)
	if _, body, err := get(t, transport, "/"); err != nil || body != "ok" || w.dialed.Load() != 2 {
		t.Errorf("got %q, %v, over connection %d", body, err, w.dialed.Load())
	}
}

// A request that could be taken for two is not sent at all.
func TestSmuggling_AmbiguousRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	for name, change := range map[string]func(*http.Request){
		"line end in a value":          header("X-A", "b\r\nContent-Length: 5"),
		"LF in a value":                header("X-A", "b\nc"),
		"CR in a value":                header("X-A", "b\rc"),
		"NUL in a value":               header("X-A", "b\x00"),
		"line end in a name":           header("X-A: b\r\nX-C", "d"),
		"space in a name":              header("Content-Length ", "5"),
		"colon in a name":              header("X:A", "b"),
		"no name":                      header("", "b"),
		"line end in the method":       func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"CONNECT":                      func(r *http.Request) { r.Method = "CONNECT" },
		"space in the query":           func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX: y" },
		"line end in the opaque path":  func(r *http.Request) { r.URL.Opaque = "/a\r\nX: y" },
		"space in the opaque path":     func(r *http.Request) { r.URL.Opaque = "/a b" },
		"another host's URL as target": func(r *http.Request) { r.URL.Opaque = "//b.example/a" },
		"no absolute path":             func(r *http.Request) { r.URL.Path = "a" },
		"line end in the host":         func(r *http.Request) { r.Host = "a\r\nX: y" },
		"space in the host":            func(r *http.Request) { r.Host = "a b" },
		"no host":                      func(r *http.Request) { r.Host, r.URL.Host = "", "" },
		"no URL":                       func(r *http.Request) { r.URL = nil },
		"a trailer that frames": func(r *http.Request) {
			unsized(r)
			r.Body, r.Trailer = io.NopCloser(strings.NewReader("x")), http.Header{"Content-Length": nil}
		},
		"a trailer that is no name": func(r *http.Request) {
			unsized(r)
			r.Body, r.Trailer = io.NopCloser(strings.NewReader("x")), http.Header{"X\r\nY": nil}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serve(t, func(http.ResponseWriter, *http.Request) {})
			request := newRequest(t, http.MethodPost, "/", nil)
			body := &closingBody{Reader: strings.NewReader("body")}
			request.Body, request.ContentLength = body, 4
			change(request)
			_, _, err := send(t, w.lean(), request)
			if !errors.Is(err, ErrRequest) || !nothingSent(err) || w.dialed.Load() != 0 {
				t.Errorf("got %v after %d connections", err, w.dialed.Load())
			}
			if request.Body == body && !body.closed.Load() {
				t.Error("the body was not closed")
			}
		})
	}
}

// However headers are spelled, the transport alone says where a request ends.
func TestSmuggling_OnlyTheTransportFramesRequests(t *testing.T) {
	t.Parallel()
	for _, spelled := range []string{"Content-Length", "content-length", "CONTENT-LENGTH", "Transfer-Encoding", "tRANSFER-eNCODING", "Trailer", "host", "HOST"} {
		w, requests := recorded(t, plain)
		request := newRequest(t, http.MethodPost, "/", strings.NewReader("body"))
		request.Header[spelled] = []string{"planted"}
		if _, _, err := send(t, w.lean(), request); err != nil {
			t.Errorf("%s: %v", spelled, err)
		}
		if got := receive(t, "the request", requests); strings.Contains(got, "planted") || strings.Count(got, "Content-Length: 4") != 1 {
			t.Errorf("%s: the worker got %q", spelled, got)
		}
	}
}

// The worker's own credential cannot be added to, or replaced, by the request.
func TestS7_TheWorkersOwnHeadersAreTheOnlyOnesOfTheirNames(t *testing.T) {
	t.Parallel()
	w, requests := recorded(t, plain)
	transport := w.lean(func(c *Config) { c.Header = http.Header{"x-api-key": {"own"}} })
	request := newRequest(t, http.MethodGet, "/", nil)
	request.Header["X-Api-Key"] = []string{"planted", "twice"}
	request.Header["x-API-key"] = []string{"planted"}
	if _, _, err := send(t, transport, request); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the request", requests); strings.Contains(got, "planted") || strings.Count(got, "X-Api-Key: own\n") != 1 {
		t.Errorf("the worker got %q", got)
	}
	if got := request.Header["X-Api-Key"]; len(got) != 2 {
		t.Errorf("the caller's request was changed: %q", got)
	}
}
