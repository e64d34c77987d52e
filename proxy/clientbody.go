package proxy

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// countedBody is the client's body: it counts what was read and how long that was waited for, and keeps the error that
// reading ended with, so that a client's fault can be told from the worker's. The transport may read it after the
// handler has returned.
type countedBody struct {
	io.ReadCloser
	read   atomic.Int64
	last   atomic.Int64 // when a byte was last read, in ns since 1970; 0 for never
	since  atomic.Int64 // when the read that is under way began, likewise; 0 while none is
	waited atomic.Int64 // ns that reads have taken that are over
	ended  atomic.Bool  // there is nothing left to be read
	failed atomic.Pointer[error]
	atEnd  func() // called, if set, by whoever reads the last of it, before the end is told

	mu     sync.Mutex          // guards what follows
	client http.ResponseWriter // of the request, while its handler runs
}

// Pace of bodies: for each of so many bytes that have come, a client may take a second more than limits.body_timeout.
const bodyPace = 1 << 10

// lingering is for how long the rest of a body that nobody wants is taken in, so that the client reads the answer.
const lingering = 5 * time.Second

// Read counts.
func (b *countedBody) Read(p []byte) (int, error) {
	began := time.Now().UnixNano()
	b.since.Store(began)
	n, err := b.ReadCloser.Read(p)
	now := time.Now().UnixNano()
	b.since.Store(0)
	b.waited.Add(now - began)
	if n > 0 {
		b.read.Add(int64(n))
		b.last.Store(now)
	}
	switch {
	case err == nil:
	case err != io.EOF:
		b.failed.CompareAndSwap(nil, &err)
	default:
		b.ended.Store(true)
		if b.atEnd != nil {
			b.atEnd()
		}
	}
	return n, err
}

// quiet is how long no byte was read; 0 where none ever was.
func (b *countedBody) quiet() time.Duration {
	last := b.last.Load()
	if last == 0 {
		return 0
	}
	return time.Duration(time.Now().UnixNano() - last)
}

// failure is what reading ended with, if it was not the end.
func (b *countedBody) failure() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// left is how much longer the client may be waited for, and whether it is being waited for now. Time in which the worker
// takes nothing is not the client's.
func (b *countedBody) left(timeout time.Duration) (left time.Duration, waiting bool) {
	waited := b.waited.Load()
	since := b.since.Load()
	if since != 0 {
		waited += time.Now().UnixNano() - since
	}
	allowed := timeout + time.Duration(b.read.Load()/bodyPace)*time.Second
	return allowed - time.Duration(waited), since != 0
}

// belongsTo lets the body's reading be cut short until leave.
func (b *countedBody) belongsTo(client http.ResponseWriter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.client = client
}

// cut ends a read that is under way, whoever waits in it.
func (b *countedBody) cut() { b.deadline(time.Unix(1, 0)) }

// linger bounds what net/http does with a body that was not read: it takes in some of it, before the answer or after,
// and would wait for that as long as the client likes.
func (b *countedBody) linger() {
	if !b.ended.Load() && b.failure() == nil {
		b.deadline(time.Now().Add(lingering))
	}
}

func (b *countedBody) deadline(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil {
		// What it fails for is that the connection is gone, or was taken over.
		_ = http.NewResponseController(b.client).SetReadDeadline(at)
	}
}

// leave is called when the handler returns: the ResponseWriter is not to be used any more.
func (b *countedBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.client = nil
}
