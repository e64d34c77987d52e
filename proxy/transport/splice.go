package transport

import (
	"io"
)

// splicePiece is how much of a body the kernel moves at a time; whoever receives it can see that it goes on.
const splicePiece = 256 << 10

// Buffered is how many bytes of the body can be read without waiting for the worker. Not for use beside a read.
func (b *body) Buffered() int { return b.x.in.w - b.x.in.r }

// WriteTo sends the rest of the body. Where its length is known, and the writer can take from a socket (ReadFrom), the
// kernel moves it from one socket to the other.
func (b *body) WriteTo(w io.Writer) (written int64, err error) {
	to, takes := w.(io.ReaderFrom)
	if !takes || b.x.framing != ofLength {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, passed(b.err)
	}
	written, err = b.spliceLocked(w, to)
	if err == nil {
		err = io.EOF
	}
	b.endLocked(err)
	return written, passed(b.err)
}

func (b *body) spliceLocked(w io.Writer, to io.ReaderFrom) (written int64, err error) {
	in := &b.x.in
	for b.left > 0 {
		var n int64
		piece := min(b.left, splicePiece)
		if in.r < in.w {
			var m int
			m, err = w.Write(in.unused()[:min(piece, int64(in.w-in.r))])
			in.r, n = in.r+m, int64(m)
		} else {
			n, err = to.ReadFrom(&io.LimitedReader{R: b.x.conn.Conn, N: piece})
		}
		written, b.left = written+n, b.left-n
		switch {
		case err != nil:
			return written, err
		case n == 0:
			return written, io.ErrUnexpectedEOF
		}
	}
	return written, nil
}

// passed is the error of a whole copy: its end is none.
func passed(err error) error {
	if err == io.EOF { //nolint:errorlint // a body that was read to its end has this very value
		return nil
	}
	return err
}
