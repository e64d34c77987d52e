package proxy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"workspace-router/internal/kind"
)

// Whatever path comes in, the worker decodes what the router classified: the request that is sent is read back as a
// worker's server would, and must have the same path and, byte for byte, the same query.
func FuzzForward_TheWorkerDecodesWhatWasClassified(f *testing.F) {
	for _, seed := range [][2]string{
		{"/w/alpha/query", "a=1"}, {"/query", ""}, {"/w/alpha/a%2Fb", "%zz"}, {"/a%2Fb\"c", ";"}, {"/w/alpha/%20x", "a=b&&c"},
		{"/w/alpha/ä", "ä"}, {"/%77/alpha/x%3Fy", "?"}, {"/w/alpha/x%23", "#"}, {"/w/alpha/[x]", "[]"}, {"/w/alpha/a;b", ";"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		target := path
		if query != "" {
			target += "?" + query
		}
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n")))
		if err != nil {
			return // the server refuses it
		}
		parsed, err := kind.ParsePath(rawPath(in))
		if err != nil {
			return
		}
		if segment, rest := parsed.CutSegment(); segment == "w" && rest.Raw != "" {
			if _, below := rest.CutSegment(); below.Raw != "" {
				parsed = below
			}
		}
		out := httptest.NewRequest(http.MethodGet, "http://worker/", nil)
		out.RequestURI = ""
		rewriteURL(out, in.URL, parsed)
		var wire bytes.Buffer
		if err := out.Write(&wire); err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		seen, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatalf("%q went out as %q: %v", target, wire.String(), err)
		}
		if seen.URL.Path != parsed.Decoded {
			t.Errorf("%q was classified as %q, and the worker decodes %q", target, parsed.Decoded, seen.URL.Path)
		}
		if seen.URL.RawQuery != in.URL.RawQuery {
			t.Errorf("the query %q became %q", in.URL.RawQuery, seen.URL.RawQuery)
		}
		if raw := rawPath(seen); raw != parsed.Raw {
			t.Errorf("%q was sent as %q", parsed.Raw, raw)
		}
	})
}
