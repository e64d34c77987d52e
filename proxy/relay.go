package proxy

import (
	"io"
	"net/http"
)

// largeAnswer is from how many bytes on an answer of known length is worth handing to the kernel.
const largeAnswer = 256 << 10

// readyBody is a worker's answer whose reader can tell whether bytes of it are here already.
type readyBody interface {
	io.ReadCloser
	io.WriterTo
	// Buffered is how many bytes can be read without asking the worker's connection.
	Buffered() int
}

// relay is the body of an answer of known length on its way to the client. What was written goes out before anything is
// waited for, so that no byte is kept back; and a small answer, which is here as a whole, goes out in one piece with its
// head when the handler returns, without a flush of its own.
type relay struct {
	io.ReadCloser
	ready readyBody // the same, where it can tell
	w     *writer
	large bool // the kernel may move it
}

// relayed gives the body of the answer as a relay, unless its length is not known: httputil flushes what is not known
// by itself.
func relayed(response *http.Response, w *writer) io.ReadCloser {
	if response.ContentLength <= 0 || w.x.r.Method == http.MethodHead {
		return response.Body
	}
	ready, tells := response.Body.(readyBody)
	_, direct := w.ResponseWriter.(io.ReaderFrom)
	return &relay{response.Body, ready, w, tells && direct && response.ContentLength >= largeAnswer}
}

// Read reads into the buffer of the reverse proxy, which writes it to the client. A large body's rest goes past it.
func (r *relay) Read(p []byte) (int, error) {
	if r.ready != nil && r.ready.Buffered() > 0 {
		return r.ReadCloser.Read(p)
	}
	r.w.Flush()
	if !r.large {
		return r.ReadCloser.Read(p)
	}
	if _, err := r.ready.WriteTo(r.w); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// ReadFrom sends what comes from a reader, by way of the kernel where both ends are sockets. The answer has begun.
func (w *writer) ReadFrom(from io.Reader) (int64, error) {
	to, direct := w.ResponseWriter.(io.ReaderFrom)
	if !direct {
		return io.Copy(struct{ io.Writer }{w}, from)
	}
	n, err := to.ReadFrom(from)
	w.bytes += n
	return n, err
}
