package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

const (
	chunkLine  = 4 << 10  // bytes that a chunk's size and extensions may take
	chunkWaste = 16 << 10 // bytes that chunks may take beyond what they carry, see chunks.waste
)

// chunks is where in a chunked body reading is.
type chunks struct {
	left  uint64 // of the present chunk
	end   bool   // its end comes next
	last  bool   // the trailers come next
	waste int64  // what the worker spent on chunks without sending anything by it
}

// readChunksLocked gives what is there. Once it has something it waits for nothing.
func (b *body) readChunksLocked(p []byte) (n int, err error) {
	in, c := &b.x.in, &b.chunks
	for n == 0 || in.hasLine() || c.left > 0 && in.r < in.w {
		switch {
		case c.last && n > 0 && !in.hasBlock():
			return n, nil
		case c.last:
			return n, b.readTrailersLocked()
		case c.left > 0 && len(p) == 0:
			return n, nil
		case c.left > 0:
			var got int
			got, err = b.readChunkLocked(p)
			n, p = n+got, p[got:]
		case c.end:
			err = c.readEnd(in)
		default:
			err = c.begin(in)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readChunkLocked reads some of the present chunk: past the buffer where much is wanted.
func (b *body) readChunkLocked(p []byte) (int, error) {
	in, c := &b.x.in, &b.chunks
	if in.r == in.w && len(p) < readBuffer {
		if err := in.fill(readBuffer); err != nil {
			return 0, err
		}
	}
	n, err := in.read(p[:min(uint64(len(p)), c.left)])
	c.left -= uint64(n)
	c.end = c.left == 0
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readEnd reads what stands behind a chunk.
func (c *chunks) readEnd(in *reader) error {
	for in.w-in.r < 2 {
		if in.w > in.r && in.buf[in.r] != '\r' {
			break
		}
		if err := in.fill(readBuffer); err != nil {
			return err
		}
	}
	if unused := in.unused(); len(unused) < 2 || unused[0] != '\r' || unused[1] != '\n' {
		return refusedf("a chunk is longer than its size says")
	}
	in.r += 2
	c.end = false
	return nil
}

// begin reads the line before a chunk.
func (c *chunks) begin(in *reader) error {
	line, err := in.line(chunkLine)
	if err != nil {
		return err
	}
	size, err := parseChunkSize(line)
	if err != nil {
		return err
	}
	// One byte in a chunk of its own is how a stream may come. Extensions, which carry nothing, may not go on for ever.
	c.waste = max(0, c.waste+int64(len(line))+2-16-2*int64(min(size, 1<<32)))
	if c.waste > chunkWaste {
		return refusedf("its chunks carry next to nothing")
	}
	c.left, c.last = size, size == 0
	return nil
}

// parseChunkSize reads "1f4", "1f4  " and "1f4;extension".
func parseChunkSize(line []byte) (size uint64, err error) {
	digits := line
	if at := bytes.IndexByte(line, ';'); at >= 0 {
		digits = line[:at]
		for _, c := range line[at:] {
			if !isText[c] {
				return 0, refusedf("a chunk's extension has the character %q", c)
			}
		}
	}
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 { // so that it stays below 2^60
		return 0, refusedf("a chunk's size is %.40q", line)
	}
	for _, c := range digits {
		value := hexValue(c)
		if value > 15 {
			return 0, refusedf("a chunk's size is %.40q", line)
		}
		size = size<<4 | uint64(value)
	}
	return size, nil
}

func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// readTrailersLocked reads to the message's end. It gives io.EOF where all is well.
func (b *body) readTrailersLocked() error {
	x := b.x
	block, lines, err := x.in.block(x.t.headBytes, nil)
	if err != nil {
		return err
	}
	if lines == 0 {
		return io.EOF
	}
	if err := canonicalize(block, lines); err != nil {
		return err
	}
	trailers := make(http.Header, lines)
	fillHeader(trailers, string(block), lines)
	if x.response.Trailer == nil {
		x.response.Trailer = make(http.Header, lines)
	}
	for name, values := range trailers {
		if !frames(name) { // too late to mean anything
			x.response.Trailer[name] = values
		}
	}
	return io.EOF
}
