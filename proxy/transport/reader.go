package transport

import (
	"bytes"
	"io"
	"sync"
)

// readBuffer holds most answers whole. It is lent to a connection only while an answer is read from it.
const readBuffer = 8 << 10

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// reader is what came from a connection and was not used yet. Its zero value has no buffer until something is read.
type reader struct {
	src  io.Reader
	buf  []byte
	lent *[readBuffer]byte // what buf is of, unless it had to grow
	r, w int               // buf[r:w] is unused
	any  bool              // something was read
}

// release gives the buffer back. What is in it is lost.
func (in *reader) release() {
	if in.lent != nil {
		readBuffers.Put(in.lent)
	}
	in.buf, in.lent, in.r, in.w = nil, nil, 0, 0
}

func (in *reader) unused() []byte { return in.buf[in.r:in.w] }

// fill reads once, into room that it makes: by moving what is unused to the front or, up to limit bytes, by growing.
// It fails with io.ErrUnexpectedEOF at the end.
func (in *reader) fill(limit int) error {
	if in.buf == nil {
		in.lent, _ = readBuffers.Get().(*[readBuffer]byte)
		in.buf = in.lent[:]
	}
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.w == len(in.buf) {
		switch {
		case in.r > 0:
			in.w = copy(in.buf, in.unused())
			in.r = 0
		case len(in.buf) >= limit:
			return refusedf("its head or its trailers have more than %d bytes", limit)
		default:
			in.grow(min(2*len(in.buf), limit))
		}
	}
	n, err := in.src.Read(in.buf[in.w:])
	in.w += n
	in.any = in.any || n > 0
	switch {
	case n > 0:
		return nil
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

func (in *reader) grow(size int) {
	larger := make([]byte, size)
	n := copy(larger, in.unused())
	in.release()
	in.buf, in.w = larger, n
}

// read gives bytes as they come; io.EOF at the connection's end.
func (in *reader) read(p []byte) (int, error) {
	if in.r == in.w {
		n, err := in.src.Read(p)
		in.any = in.any || n > 0
		return n, err
	}
	n := copy(p, in.unused())
	in.r += n
	return n, nil
}

// hasLine reports whether a line can be had without waiting.
func (in *reader) hasLine() bool { return bytes.IndexByte(in.unused(), '\n') >= 0 }

// hasBlock reports whether block need not wait.
func (in *reader) hasBlock() bool {
	unused := in.unused()
	return bytes.HasPrefix(unused, []byte("\r\n")) || bytes.Contains(unused, []byte("\r\n\r\n"))
}

// line gives the next line of at most limit bytes without its CRLF. It is valid until the next call.
func (in *reader) line(limit int) ([]byte, error) {
	for seen := 0; ; {
		unused := in.unused()
		if at := bytes.IndexByte(unused[seen:], '\n'); at >= 0 {
			end := seen + at
			if end == 0 || unused[end-1] != '\r' {
				return nil, refusedf("a line ends without a carriage return")
			}
			in.r += end + 1
			return unused[:end-1], nil
		}
		if seen = len(unused); seen > limit {
			return nil, refusedf("a line has more than %d bytes", limit)
		}
		if err := in.fill(len(in.buf)); err != nil {
			return nil, err
		}
	}
}

// block gives lines with their ends, up to an empty one, which it takes too, and how many there are. It is valid until
// the next call. first, if set, judges the first line as soon as it is there, so that nobody waits for the end of what
// is not HTTP at all.
func (in *reader) block(limit int, first func(line []byte) error) (block []byte, lines int, err error) {
	for start := 0; ; { // of a line, counted from in.r
		unused := in.unused()
		at := bytes.IndexByte(unused[start:], '\n')
		if at < 0 {
			if lines == 0 && first != nil && len(unused) > 0 {
				if err := prefixed(unused); err != nil {
					return nil, 0, err
				}
			}
			if err := in.fill(limit); err != nil {
				return nil, 0, err
			}
			continue
		}
		line := unused[start : start+at+1]
		if len(line) < 2 || line[len(line)-2] != '\r' {
			return nil, 0, refusedf("a line ends without a carriage return")
		}
		if lines == 0 && first != nil {
			if err := first(line[:len(line)-2]); err != nil {
				return nil, 0, err
			}
		}
		if len(line) == 2 && (lines > 0 || first == nil) {
			in.r += start + 2
			return unused[:start], lines, nil
		}
		lines++
		start += len(line)
	}
}
