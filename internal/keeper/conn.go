package keeper

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Conn frames messages over a stream. Read is for one goroutine, Write for any number.
type Conn struct {
	lines *bufio.Scanner

	mu sync.Mutex // guards whole lines on w
	w  io.Writer
}

// NewConn frames messages over rw, which the caller closes.
func NewConn(rw io.ReadWriter) *Conn {
	lines := bufio.NewScanner(rw)
	lines.Buffer(make([]byte, 4<<10), MaxMessage)
	return &Conn{lines: lines, w: rw}
}

// Read waits for the next message. It returns io.EOF where the other side closed the connection between two lines.
func (c *Conn) Read() (Message, error) {
	if !c.lines.Scan() {
		if err := c.lines.Err(); err != nil {
			return Message{}, fmt.Errorf("cannot read a message: %w", err)
		}
		return Message{}, io.EOF
	}
	var m Message
	if err := json.Unmarshal(c.lines.Bytes(), &m); err != nil {
		return Message{}, fmt.Errorf("cannot decode a message of %d bytes: %w", len(c.lines.Bytes()), err)
	}
	if m.Version != Version {
		return Message{}, fmt.Errorf("cannot understand protocol version %d, want %d", m.Version, Version)
	}
	return m, nil
}

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
