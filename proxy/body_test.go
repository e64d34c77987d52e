package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

func TestBody_IsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1000
	small := withSettings(func(c *Settings) { c.MaxBody = limit })
	byKind := withKind(testKind + "max_body: 1000\n")
	tests := map[string]struct {
		option  rigOption
		length  int
		chunked bool
		status  int
	}{
		"as much as allowed":           {small, limit, false, 200},
		"one more":                     {small, limit + 1, false, 413},
		"as much as allowed, chunked":  {small, limit, true, 200},
		"one more, chunked":            {small, limit + 1, true, 413},
		"as much as the kind allows":   {byKind, limit, false, 200},
		"one more than the kind":       {byKind, limit + 1, false, 413},
		"much more than both, chunked": {byKind, 200 * limit, true, 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				fmt.Fprint(w, n)
			}, test.option)
			body := io.Reader(strings.NewReader(strings.Repeat("x", test.length)))
			if test.chunked {
				body = io.MultiReader(body) // whose length the client does not know
			}
			response, err := r.open(t.Context(), http.MethodPost, "/w/alpha/query", body)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			content, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status {
				t.Fatalf("got %d %q, %v", response.StatusCode, content, err)
			}
			if test.status == 200 && string(content) != fmt.Sprint(test.length) {
				t.Errorf("the worker read %s bytes", content)
			}
			if test.status == 413 && response.Header.Get("X-Router-Error") != "body_too_large" {
				t.Errorf("got %q", content)
			}
			if test.status == 413 && !test.chunked && len(r.pool.wished()) != 0 {
				t.Error("a worker was asked for")
			}
			r.settled()
		})
	}
}

// A body that is refused early is not even asked for: the client that waits for "100 Continue" never gets one.
func TestExpect_TheBodyIsAskedForOnlyWhenItIsWanted(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if expect := r.Header.Get("Expect"); expect != "" {
			t.Errorf("the worker saw Expect: %s", expect)
		}
		echo(w, r)
	})
	conn, reader := r.dial()
	fmt.Fprintf(conn, "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n%s\r\n", credential)
	first, err := http.ReadResponse(reader, nil)
	if err != nil || first.StatusCode != http.StatusContinue {
		t.Fatalf("got %v, %v", first, err)
	}
	fmt.Fprint(conn, "body")
	second, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := io.ReadAll(second.Body); string(content) != "POST /query body" {
		t.Errorf("got %d %q", second.StatusCode, content)
	}
	for name, head := range map[string]string{
		"413": "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n" + credential,
		"404": "POST /w/nowhere/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n" + credential,
		"401": "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n",
		"417": "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: miracles\r\n" + credential,
	} {
		if _, _, response := r.ask(head + "\r\n"); fmt.Sprint(response.StatusCode) != name {
			t.Errorf("got %d, want %s", response.StatusCode, name)
		}
	}
	r.settled()
}

func TestForward_TrailersGoBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Trailer.Get("X-Sum"))
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "2")
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/w/alpha/query", io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", adminKey)
	request.Trailer = http.Header{"X-Sum": {"sum"}}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || string(content) != "sum" {
		t.Errorf("the worker saw the trailer %q, %v", content, err)
	}
	if response.Trailer.Get("X-Announced") != "1" || response.Trailer.Get("X-Unannounced") != "2" {
		t.Errorf("got the trailers %v", response.Trailer)
	}
}

func TestForward_InterimAnswersGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.Header().Set("Clear-Site-Data", "*")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Clear-Site-Data")
		fmt.Fprint(w, "done")
	})
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprintf("%d %s %s", code, h.Get("Link"), h.Get("Clear-Site-Data")))
			return nil
		},
	})
	response, err := r.open(ctx, http.MethodGet, "/w/alpha/query", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || string(content) != "done" || len(hints) != 1 || hints[0] != "103 </style.css>; rel=preload " {
		t.Errorf("got %q after %q, %v", content, hints, err)
	}
	if response.Header.Get("LIGHTRAG-WORKSPACE") != "alpha" || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("the answer after it lost the router's headers: %v", response.Header)
	}
}

// Answers without a body, and requests with one where it is unusual, over one connection: nothing is left on it.
func TestForward_UnusualBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Seen", fmt.Sprintf("%s %d %q", r.Method, r.ContentLength, body))
		switch r.URL.RawQuery {
		case "204":
			w.WriteHeader(http.StatusNoContent)
		case "304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "4")
			fmt.Fprint(w, "text")
		}
	})
	conn, reader := r.dial()
	for _, test := range []struct {
		method, query, framing, body string
		status                       int
		seen, text                   string
	}{
		{"HEAD", "", "", "", 200, `HEAD 0 ""`, ""},
		{"GET", "204", "", "", 204, `GET 0 ""`, ""},
		{"GET", "304", "", "", 304, `GET 0 ""`, ""},
		{"DELETE", "", "Content-Length: 12\r\n", `{"ids":["a"]`, 200, `DELETE 12 "{\"ids\":[\"a\"]"`, "text"},
		{"GET", "", "Content-Length: 2\r\n", "ab", 200, `GET 2 "ab"`, "text"},
		{"GET", "", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 200, `GET -1 "ab"`, "text"},
		{"POST", "204", "Content-Length: 0\r\n", "", 204, `POST 0 ""`, ""},
		{"POST", "", "", "", 200, `POST 0 ""`, "text"},
	} {
		fmt.Fprintf(conn, "%s /w/alpha/query?%s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s", test.method, test.query, credential, test.framing, test.body)
		response, err := http.ReadResponse(reader, &http.Request{Method: test.method})
		if err != nil {
			t.Fatalf("%+v: %v", test, err)
		}
		content, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != test.status || response.Header.Get("Seen") != test.seen || string(content) != test.text {
			t.Errorf("%+v: got %d %q, the worker saw %s, %v", test, response.StatusCode, content, response.Header.Get("Seen"), err)
		}
	}
	r.settled()
}

// A worker may answer before it has read the whole body; the client gets that answer.
func TestForward_AnAnswerMayComeBeforeTheBodyEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, "early")
	})
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = writer.Write([]byte("begun")) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	response, err := r.open(ctx, http.MethodPost, "/w/alpha/query", reader)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if content, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusConflict || string(content) != "early" {
		t.Errorf("got %d %q", response.StatusCode, content)
	}
}

// A body whose framing is broken is the client's fault, and the worker is not blamed.
func TestBody_BrokenFramingIsTheClientsFault(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	_, _, response := r.ask("POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n" + credential + "Transfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n")
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("X-Router-Error") != "bad_request" {
		t.Errorf("got %d %q", response.StatusCode, response.Header.Get("X-Router-Error"))
	}
	r.settled()
}

// Requests whose end two programs could see in different places: each is refused, or reaches the worker as exactly one.
func TestSmuggling_ARequestIsOneRequest(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, framing := range map[string]string{
		"length and chunked":       "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":              "Content-Length: 0\r\nContent-Length: 46\r\n\r\n" + smuggled,
		"a list of lengths":        "Content-Length: 0, 46\r\n\r\n" + smuggled,
		"a signed length":          "Content-Length: +0\r\n\r\n" + smuggled,
		"two encodings":            "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"encoding twice":           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"an unknown encoding":      "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a space before the colon": "Content-Length : 46\r\n\r\n" + smuggled,
		"a folded header":          "X-A: b\r\n Content-Length: 46\r\n\r\n" + smuggled,
		"a bare line feed":         "X-A: b\nContent-Length: 0\r\n\r\n" + smuggled,
		"a bare carriage return":   "X-A: b\rContent-Length: 46\r\n\r\n" + smuggled,
		"length by connection":     "Content-Length: 46\r\nConnection: Content-Length\r\n\r\n" + smuggled,
		"a chunk's extension":      "Transfer-Encoding: chunked\r\n\r\n0;a=\"\r\n\r\n" + smuggled,
		"underscored encoding":     "Content-Length: 46\r\nTransfer_Encoding: chunked\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paths := &syncBuffer{}
			r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
				fmt.Fprintln(paths, r.RequestURI)
				_, _ = io.Copy(io.Discard, r.Body)
			})
			conn, reader := r.dial()
			fmt.Fprint(conn, "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n"+credential+framing)
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
			readAnswers(reader)
			r.settled()
			if got := paths.String(); got != "" && got != "/query\n" {
				t.Errorf("the worker was sent %q", got)
			}
		})
	}
}

// readAnswers reads until the server closes the connection.
func readAnswers(reader *bufio.Reader) {
	for {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}
}
