package supervisor

import (
	"io"
	"net/http"
)

// stream is the body of a worker's answer. It notes when bytes move, so that a stream that is stuck does not pin its
// worker for ever (S3, Config.StreamIdle).
type stream struct {
	lease *Lease
	io.ReadCloser
}

// Read notes the time of what it reads.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if n > 0 {
		s.lease.moved()
	}
	return n, err
}

// sendingBody is a body that can tell what of it is here already, and send itself.
type sendingBody interface {
	io.WriterTo
	Buffered() int
}

// sending is a stream whose body can do that.
type sending struct{ *stream }

// Buffered is how many bytes can be read without asking the worker's connection.
func (s sending) Buffered() int {
	body, _ := s.ReadCloser.(sendingBody)
	return body.Buffered()
}

// WriteTo sends the rest of the body, by way of the kernel where it can be, and notes the time of each piece.
func (s sending) WriteTo(w io.Writer) (int64, error) {
	body, _ := s.ReadCloser.(sendingBody)
	return body.WriteTo(&noted{s.lease, w})
}

// noted is where a body is sent to.
type noted struct {
	lease *Lease
	io.Writer
}

// Write notes the time of what is sent.
func (n *noted) Write(p []byte) (int, error) {
	sent, err := n.Writer.Write(p)
	if sent > 0 {
		n.lease.moved()
	}
	return sent, err
}

// ReadFrom notes the time of a piece that is sent as a whole.
func (n *noted) ReadFrom(from io.Reader) (int64, error) {
	sent, err := io.Copy(n.Writer, from)
	if sent > 0 {
		n.lease.moved()
	}
	return sent, err
}

// duplex is the stream of an upgraded connection: bytes in either direction are progress.
type duplex struct {
	*stream
	writer io.Writer
}

// Write notes the time of what it writes.
func (d *duplex) Write(p []byte) (int, error) {
	n, err := d.writer.Write(p)
	if n > 0 {
		d.lease.moved()
	}
	return n, err
}

func (l *Lease) moved() { l.lastByte.Store(l.launch.pool.now()) }

// watch puts itself between the answer's body and its reader. The answer has begun.
func (l *Lease) watch(response *http.Response) {
	l.moved()
	s := &l.body
	if s.ReadCloser != nil { // a second request on the same lease
		s = new(stream)
	}
	writer, upgraded := response.Body.(io.Writer)
	*s = stream{lease: l, ReadCloser: response.Body}
	if upgraded && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body = &duplex{stream: s, writer: writer}
		return
	}
	if _, sends := s.ReadCloser.(sendingBody); sends {
		response.Body = sending{s}
		return
	}
	response.Body = s
}

// stuckSince reports whether every lease of the launch is an answer that has begun and moved no byte since the given
// time. It gives the time of the last byte.
func (l *launch) stuckSince(limit int64) (last int64, stuck bool) {
	stuck = true
	l.leases.each(func(lease *Lease) bool {
		at := lease.lastByte.Load()
		if at == 0 || at > limit {
			stuck = false
			return false
		}
		last = max(last, at)
		return true
	})
	return last, stuck && last > 0
}
