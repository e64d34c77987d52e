package transport

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchanged is everything that a caller can see of an exchange, and the worker of the request.
type exchanged struct {
	Status   int
	Text     string
	Proto    string
	Length   int64
	Coding   []string
	Header   http.Header
	Body     string
	Trailer  http.Header
	Interim  []string
	Failed   bool // before the answer
	Broken   bool // in its body
	Received string
}

// exchange sends a request over one of the two transports.
func observe(tb testing.TB, transport http.RoundTripper, request *http.Request) (seen exchanged) {
	tb.Helper()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		seen.Interim = append(seen.Interim, fmt.Sprint(code, header))
		return nil
	}}
	response, err := transport.RoundTrip(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		seen.Failed = true
		return seen
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Header.Del("Connection") // net/http removes it where it says "close", with whatever else it says
	seen.Status, seen.Text, seen.Proto, seen.Length = response.StatusCode, response.Status, response.Proto, response.ContentLength
	seen.Coding, seen.Header, seen.Trailer, seen.Body, seen.Broken = response.TransferEncoding, response.Header, response.Trailer, string(body), err != nil
	return seen
}

// recorded is a worker that gives the same answer to all, and notes each request byte by byte.
func recorded(tb testing.TB, raw string) (*worker, <-chan string) {
	tb.Helper()
	requests := make(chan string, 8)
	return script(tb, func(_ int, conn net.Conn, in *bufio.Reader) {
		var text strings.Builder
		request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(in, &text)))
		if err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
		requests <- normal(text.String())
		_, _ = io.WriteString(conn, raw)
	}), requests
}

// normal sorts the lines of a request's head: their order means nothing.
func normal(request string) string {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	list := strings.Split(head, "\r\n")
	slices.Sort(list[1:])
	return strings.Join(list, "\n") + "\n\n" + body
}

const okHead = "HTTP/1.1 200 OK\r\n"

// alikeAnswers are answers that both transports must take for the same.
var alikeAnswers = map[string]string{
	"length":                         plain,
	"no content":                     okHead + "Content-Length: 0\r\n\r\n",
	"to the end":                     okHead + "\r\nuntil the end",
	"to the end, empty":              okHead + "\r\n",
	"closing":                        okHead + "Connection: close\r\nContent-Length: 2\r\n\r\nok",
	"closing among others":           okHead + "Connection: Foo, Close\r\nContent-Length: 2\r\n\r\nok",
	"chunked":                        okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n...\r\n0\r\n\r\n",
	"chunked, in capitals":           okHead + "TRANSFER-ENCODING: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"chunked, capital digits":        okHead + "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n",
	"chunked, leading zeros":         okHead + "Transfer-Encoding: chunked\r\n\r\n0000002\r\nok\r\n0\r\n\r\n",
	"chunked, extension":             okHead + "Transfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;x\r\n\r\n",
	"chunked, padded":                okHead + "Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n",
	"chunked, empty":                 okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked, one byte each":         okHead + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 20000) + "0\r\n\r\n",
	"chunked, large":                 okHead + "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" + strings.Repeat("y", 100000) + "\r\n0\r\n\r\n",
	"chunked wins over length":       okHead + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"chunked, cut in a chunk":        okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nok",
	"chunked, cut after a chunk":     okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	"chunked, cut before the end":    okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
	"chunked, too long a chunk":      okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
	"chunked, no size":               okHead + "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
	"chunked, negative":              okHead + "Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
	"chunked, wasteful":              okHead + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("e", 1000)+"\r\nx\r\n", 100) + "0\r\n\r\n",
	"trailer":                        okHead + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
	"trailers, not announced":        okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nx-other: 2\r\nX-Sum: 3\r\n\r\n",
	"trailer, announced only":        okHead + "Trailer: X-Sum, , X-b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"trailer, announced, not framed": okHead + "Trailer: X-Sum\r\nContent-Length: 2\r\n\r\nok",
	"trailer, forbidden":             okHead + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"short":                          okHead + "Content-Length: 10\r\n\r\nshort",
	"same length twice":              okHead + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
	"lengths differ":                 okHead + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
	"list of lengths":                okHead + "Content-Length: 2, 2\r\n\r\nok",
	"negative length":                okHead + "Content-Length: -2\r\n\r\nok",
	"signed length":                  okHead + "Content-Length: +2\r\n\r\nok",
	"huge length":                    okHead + "Content-Length: 99999999999999999999\r\n\r\nok",
	"no number":                      okHead + "Content-Length: two\r\n\r\nok",
	"empty length":                   okHead + "Content-Length:\r\n\r\nok",
	"two codings":                    okHead + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"coding twice":                   okHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"identity":                       okHead + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
	"204":                            "HTTP/1.1 204 No Content\r\n\r\n",
	"204 with a length":              "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
	"304":                            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: \"x\"\r\n\r\n",
	"404":                            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
	"599":                            "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n",
	"no reason":                      "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
	"reason of several words":        "HTTP/1.1 200 It is all right\r\nContent-Length: 2\r\n\r\nok",
	"103 before":                     "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain,
	"100 and 102 before":             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + plain,
	"HTTP/1.0":                       "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.0, kept":                 "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.0, to the end":           "HTTP/1.0 200 OK\r\n\r\nuntil the end",
	"headers":                        okHead + "x-lower: a\r\nX-UPPER: b\r\nx-many: 1\r\nX-Many: 2\r\nX-Empty:\r\nX-Blank:   \r\nX-Space:  a b \t\r\nX_Under: c\r\nETag: d\r\nContent-Length: 0\r\n\r\n",
	"header of bytes above ASCII":    okHead + "X-Latin: caf\xe9\r\nContent-Length: 0\r\n\r\n",
	"cookies":                        okHead + "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n",
	"many headers":                   okHead + strings.Repeat("X-A: b\r\n", 500) + "Content-Length: 0\r\n\r\n",
	"large header":                   okHead + "X-A: " + strings.Repeat("b", 60000) + "\r\nContent-Length: 2\r\n\r\nok",
	"cut in the head":                okHead + "Content-Le",
	"cut in the status line":         "HTTP/1.",
	"nothing":                        "",
	"garbage":                        "SSH-2.0-nothing\r\n",
	"no colon":                       okHead + "nothing\r\nContent-Length: 0\r\n\r\n",
	"no name":                        okHead + ": x\r\nContent-Length: 0\r\n\r\n",
	"NUL in a value":                 okHead + "X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
	"NUL in a name":                  okHead + "X-\x00A: b\r\nContent-Length: 0\r\n\r\n",
	"folded from the first line":     okHead + " X-A: b\r\nContent-Length: 0\r\n\r\n",
	"status of two digits":           "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
	"status of four digits":          "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
	"status of letters":              "HTTP/1.1 2xx OK\r\nContent-Length: 0\r\n\r\n",
}

// A worker must not notice which transport asks, nor a client which one answers.
func TestAlike_Answers(t *testing.T) {
	t.Parallel()
	if len(alikeAnswers) < 60 {
		t.Errorf("%d exchanges are compared, want at least 60", len(alikeAnswers))
	}
	for name, raw := range alikeAnswers {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if _, body, _ := strings.Cut(raw, "\r\n\r\n"); method == http.MethodHead && body != "" && !strings.HasPrefix(body, "HTTP/") {
				continue // what comes behind is no answer
			}
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				w, requests := recorded(t, raw)
				want := observe(t, w.standard(), newRequest(t, method, "/a?b=c", nil))
				want.Received = receive(t, "the request", requests)
				got := observe(t, w.lean(), newRequest(t, method, "/a?b=c", nil))
				got.Received = receive(t, "the request", requests)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("standard (-) and lean (+):\n%s", diff)
				}
			})
		}
	}
}

// requestCase is a request that both transports must send as the same bytes.
type requestCase struct {
	method, path, body string
	change             func(*http.Request)
}

func withHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

// unsized hides a body's length.
func unsized(r *http.Request) { r.ContentLength = -1 }

var alikeRequests = map[string]requestCase{
	"GET":                 {"GET", "/", "", nil},
	"query":               {"GET", "/a/b?c=d&e=%20f", "", nil},
	"encoded path":        {"GET", "/a%2Fb/%C3%A9", "", nil},
	"opaque":              {"GET", "/", "", func(r *http.Request) { r.URL.Opaque = "/a|b" }},
	"opaque with a query": {"GET", "/?x=y", "", func(r *http.Request) { r.URL.Opaque = "/a|b" }},
	"no path":             {"GET", "", "", nil},
	"empty query":         {"GET", "/a", "", func(r *http.Request) { r.URL.ForceQuery = true }},
	"star":                {"OPTIONS", "/", "", func(r *http.Request) { r.URL.Path = "*" }},
	"host":                {"GET", "/", "", func(r *http.Request) { r.Host = "a.example:8080" }},
	"host is an address":  {"GET", "/", "", func(r *http.Request) { r.Host = "[::1]:8080" }},
	"no user agent":       {"GET", "/", "", withHeader("User-Agent", "")},
	"several values":      {"GET", "/", "", withHeader("X-A", "1", "2")},
	"an empty value":      {"GET", "/", "", withHeader("X-A", "")},
	"closing":             {"GET", "/", "", func(r *http.Request) { r.Close = true }},
	"framing in the headers": {"GET", "/", "", func(r *http.Request) {
		r.Header["Content-Length"] = []string{"7"}
		r.Header["Transfer-Encoding"] = []string{"x"}
	}},
	"Te":                 {"GET", "/", "", withHeader("Te", "trailers")},
	"another method":     {"PROPFIND", "/", "", nil},
	"empty method":       {"GET", "/", "", func(r *http.Request) { r.Method = "" }},
	"empty POST":         {"POST", "/", "", nil},
	"empty PUT":          {"PUT", "/", "", nil},
	"empty PATCH":        {"PATCH", "/", "", nil},
	"empty DELETE":       {"DELETE", "/", "", nil},
	"POST":               {"POST", "/", "body", nil},
	"GET with a body":    {"GET", "/", "body", nil},
	"DELETE with a body": {"DELETE", "/", "body", nil},
	"large POST":         {"POST", "/", strings.Repeat("0123456789", 20000), nil},
	"chunked POST":       {"POST", "/", "body", unsized},
	"chunked POST with trailers": {"POST", "/", "body", func(r *http.Request) {
		unsized(r)
		r.Trailer = http.Header{"X-Sum": {"1"}}
	}},
	"nothing is shorter than its length": {"POST", "/", "body", func(r *http.Request) { r.ContentLength = 10 }},
	"a line end in a header":             {"GET", "/", "", withHeader("X-A", "b\r\nX-C: d")},
	"a name that is none":                {"GET", "/", "", withHeader("X A", "b")},
	"a method that is none":              {"GET", "/", "", func(r *http.Request) { r.Method = "G T" }},
	"a line end in the target":           {"GET", "/", "", func(r *http.Request) { r.URL.RawQuery = "a\r\nb" }},
}

func TestAlike_Requests(t *testing.T) {
	t.Parallel()
	for name, test := range alikeRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, requests := recorded(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			var seen []exchanged
			for _, transport := range []http.RoundTripper{w.standard(), w.lean()} {
				var body io.Reader
				if test.body != "" {
					body = strings.NewReader(test.body)
				}
				request := newRequest(t, test.method, test.path, body)
				if test.change != nil {
					test.change(request)
				}
				before := maps.Clone(request.Header)
				got := observe(t, transport, request)
				if !got.Failed {
					got.Received = receive(t, "the request", requests)
				}
				if diff := cmp.Diff(before, request.Header); diff != "" {
					t.Errorf("the caller's header was changed:\n%s", diff)
				}
				seen = append(seen, got)
				for len(requests) > 0 {
					<-requests // of one that failed
				}
			}
			if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
				t.Errorf("standard (-) and lean (+):\n%s", diff)
			}
		})
	}
}
