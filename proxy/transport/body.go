package transport

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// body is an answer's body. Close may be called while another goroutine reads.
type body struct {
	x *exchange

	// mu is held while something is read, so that the buffer is not given back meanwhile.
	mu     sync.Mutex
	left   int64 // of a body of known length
	chunks chunks
	err    error // what reading ended with
}

// Read gives bytes as they come. With the last of them the connection is free for the next request.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.readLocked(p)
	if err != nil {
		b.endLocked(err)
	}
	return n, b.err
}

func (b *body) readLocked(p []byte) (n int, err error) {
	switch b.x.framing {
	case inChunks:
		return b.readChunksLocked(p)
	case untilClose:
		return b.x.in.read(p)
	}
	n, err = b.x.in.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// endLocked notes what reading ended with, and lets go of the connection.
func (b *body) endLocked(err error) {
	whole := errors.Is(err, io.EOF)
	switch {
	case whole:
		err = io.EOF
	case b.x.decided.Load():
		err = errClosed
	default:
		err = fmt.Errorf("cannot read the answer's body: %w", b.x.explain(err))
	}
	b.err = err
	b.x.finish(whole)
}

// Close ends the answer. Unless it was read whole, its connection is closed, which ends a read that is under way.
func (b *body) Close() error {
	if b.x.decided.Swap(true) {
		return nil
	}
	b.x.conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = errClosed
		b.x.finish(false)
	}
	return nil
}
