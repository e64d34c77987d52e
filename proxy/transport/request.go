package transport

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// writeBuffer holds the heads of most requests, and the pieces in which bodies are sent.
const writeBuffer = 32 << 10

var writeBuffers = sync.Pool{New: func() any { return new([writeBuffer]byte) }}

// outgoing is a request's head as it is sent, in a buffer that has room for a piece of the body behind it.
type outgoing struct {
	buf  []byte // the head
	lent *[writeBuffer]byte
}

func newOutgoing() outgoing {
	lent, _ := writeBuffers.Get().(*[writeBuffer]byte)
	return outgoing{buf: lent[:0], lent: lent}
}

func (o *outgoing) release() {
	if o.lent != nil {
		writeBuffers.Put(o.lent)
	}
	o.buf, o.lent = nil, nil
}

// writeHead writes the head of the request. All its errors are ErrRequest.
func (t *Transport) writeHead(dst []byte, r *http.Request, length int64) ([]byte, error) {
	method := or(r.Method, http.MethodGet)
	if !isName(method) || method == http.MethodConnect {
		return nil, badRequestf("its method is %q", method)
	}
	if r.URL == nil {
		return nil, badRequestf("it has no URL")
	}
	dst = append(append(dst, method...), ' ')
	dst, err := appendTarget(dst, r)
	if err != nil {
		return nil, err
	}
	host := or(r.Host, r.URL.Host)
	if host == "" || !httpguts.ValidHostHeader(host) {
		return nil, badRequestf("its host is %q", host)
	}
	dst = append(append(dst, " HTTP/1.1\r\nHost: "...), host...)
	dst = append(dst, '\r', '\n')
	if dst, err = appendHeader(dst, r.Header, t.own); err != nil {
		return nil, err
	}
	dst = append(dst, t.ownLines...)
	if r.Close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if dst, err = appendFraming(dst, r, method, length); err != nil {
		return nil, err
	}
	return append(dst, '\r', '\n'), nil
}

// appendTarget writes the path and the query, byte for byte as the URL has them.
func appendTarget(dst []byte, r *http.Request) ([]byte, error) {
	start := len(dst)
	if r.URL.Opaque != "" {
		dst = append(dst, r.URL.RequestURI()...)
	} else {
		dst = append(dst, or(r.URL.EscapedPath(), "/")...)
		if r.URL.ForceQuery || r.URL.RawQuery != "" {
			dst = append(append(dst, '?'), r.URL.RawQuery...)
		}
	}
	for _, c := range dst[start:] {
		if c <= ' ' || c == 0x7f {
			return nil, badRequestf("its target is %.100q", dst[start:])
		}
	}
	if dst[start] != '/' && string(dst[start:]) != "*" {
		return nil, badRequestf("its target is %.100q, want a path", dst[start:])
	}
	return dst, nil
}

// appendHeader writes header lines. Those that frame the message are left out, in whatever spelling, since the
// transport writes them itself, and so are those of without.
func appendHeader(dst []byte, header http.Header, without []string) ([]byte, error) {
	for name, values := range header {
		if frames(name) || among(without, name) {
			continue
		}
		if !isName(name) {
			return nil, badRequestf("a header's name is %q", name)
		}
		if name == "User-Agent" && len(values) == 1 && values[0] == "" {
			continue // how a caller of net/http says that there is none
		}
		for _, value := range values {
			if !isValue(value) {
				return nil, badRequestf("the header %q has a value that HTTP does not allow", name) // which may be a secret
			}
			dst = append(append(append(append(dst, name...), ':', ' '), value...), '\r', '\n')
		}
	}
	return dst, nil
}

// among finds a name without regard to case.
func among(names []string, name string) bool {
	for _, other := range names {
		if len(other) == len(name) && strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

// frames reports whether a header tells where the message ends, or names its host.
func frames(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// appendFraming says how long the body is; -1 is unknown.
func appendFraming(dst []byte, r *http.Request, method string, length int64) ([]byte, error) {
	switch {
	case length > 0:
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), length, 10)
		return append(dst, '\r', '\n'), nil
	case length == 0:
		if method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
			dst = append(dst, "Content-Length: 0\r\n"...)
		}
		return dst, nil
	}
	dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	if len(r.Trailer) == 0 {
		return dst, nil
	}
	dst = append(dst, "Trailer: "...)
	for name := range r.Trailer {
		if !isName(name) || frames(name) {
			return nil, badRequestf("a trailer's name is %q", name)
		}
		dst = append(append(dst, name...), ',')
	}
	dst[len(dst)-1] = '\r'
	return append(dst, '\n'), nil
}

// bodyLength is how many bytes the request's body has; -1 where that is not known.
func bodyLength(r *http.Request) int64 {
	switch {
	case r.Body == nil, r.Body == http.NoBody:
		return 0
	case r.ContentLength > 0:
		return r.ContentLength
	}
	return -1
}

func isName(s string) bool {
	for i := range len(s) {
		if !isToken[s[i]] {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	for i := range len(s) {
		if !isText[s[i]] {
			return false
		}
	}
	return true
}
