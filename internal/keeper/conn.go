package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// readAhead is how much is read at least at a time.
const readAhead = 4 << 10

// Conn frames messages over a stream. Read is for one goroutine, Write for any number.
type Conn struct {
	r       io.Reader
	unread  []byte // what came and was not given out
	scanned int    // bytes of it that hold no end of a line

	mu sync.Mutex // guards whole lines on w
	w  io.Writer
}

// NewConn frames messages over rw, which the caller closes.
func NewConn(rw io.ReadWriter) *Conn { return ResumeConn(rw, nil) }

// ResumeConn goes on over rw where another Conn has left off; unread is what that one had of its Unread.
func ResumeConn(rw io.ReadWriter, unread []byte) *Conn {
	return &Conn{r: rw, w: rw, unread: slices.Clone(unread)}
}

var errTooLong = fmt.Errorf("it is too long: more than %d bytes", MaxMessage)

// Read waits for the next message. It returns io.EOF where the other side closed the connection between two lines. After
// a deadline of the stream has passed it can be called again.
func (c *Conn) Read() (Message, error) {
	line, err := c.line()
	if errors.Is(err, io.EOF) {
		return Message{}, io.EOF
	}
	if err != nil {
		return Message{}, fmt.Errorf("cannot read a message: %w", err)
	}
	var m Message
	if err := json.Unmarshal(line, &m); err != nil {
		return Message{}, fmt.Errorf("cannot decode a message of %d bytes: %w", len(line), err)
	}
	if m.Version != Version {
		return Message{}, fmt.Errorf("cannot understand protocol version %d, want %d", m.Version, Version)
	}
	return m, nil
}

// line gives the next line without its end. It is valid until the next call.
func (c *Conn) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(c.unread[c.scanned:], '\n'); i >= 0 {
			line := c.unread[:c.scanned+i]
			c.unread, c.scanned = c.unread[c.scanned+i+1:], 0
			if len(line) >= MaxMessage {
				return nil, errTooLong
			}
			return line, nil
		}
		c.scanned = len(c.unread)
		if c.scanned >= MaxMessage {
			return nil, errTooLong
		}
		if len(c.unread) == 0 {
			c.unread = nil // so that a long message's memory is not kept
		}
		c.unread = slices.Grow(c.unread, readAhead)
		n, err := c.r.Read(c.unread[len(c.unread):cap(c.unread)])
		c.unread = c.unread[:len(c.unread)+n]
		switch {
		case n > 0: // an error comes again
		case errors.Is(err, io.EOF) && len(c.unread) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}

// Unread is what has come and was not given out by Read, which must not be under way.
func (c *Conn) Unread() []byte { return slices.Clone(c.unread) }

// Write sends a message; the version is filled in.
func (c *Conn) Write(m Message) error {
	m.Version = Version
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot encode a message: %w", err)
	}
	if len(line)+1 > MaxMessage {
		return fmt.Errorf("cannot send a message of %d bytes, the limit is %d", len(line)+1, MaxMessage)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot send a message: %w", err)
	}
	return nil
}
