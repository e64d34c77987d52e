package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"workspace-router/internal/keeper"
)

// maxQueued bounds what waits for a router that does not read; beyond it the router counts as lost.
const maxQueued = 1 << 14

// session is one router's connection. It knows nothing of launches: it hands on what it reads, and writes what it is
// given without ever making the owner wait.
type session struct {
	file *os.File
	conn *keeper.Conn

	// The owner's.
	pid    int // of the router; 0 where it is not known
	role   role
	keep   time.Duration // for how long launches are held when this router is lost
	asked  bool          // for the shutdown
	offer  keeper.Leave
	final  bool          // it does not take the session back
	parted chan struct{} // closed when a leaving router's requests count no more
	within time.Time     // until then the requests of a leaving router count

	listening bool // there is a goroutine that reads

	mu      sync.Mutex // guards what follows
	queue   []keeper.Message
	writing bool // something that was queued is being written
	closed  bool

	wake    chan struct{} // holds one token while the queue may have something
	flushed chan struct{} // closed when the writer has ended
}

// role is what a router's word counts for.
type role int

const (
	asking   role = iota // connected, and has not got the session
	serving              // has it
	offering             // has it, and gives it to the next that asks
	leaving              // another has it
)

func newSession(file *os.File) *session { return resumeSession(file, nil) }

// resumeSession goes on with a connection of which this much was read and not understood yet.
func resumeSession(file *os.File, unread []byte) *session {
	return &session{file: file, conn: keeper.ResumeConn(file, unread), wake: make(chan struct{}, 1), flushed: make(chan struct{})}
}

// read hands each message to take until the connection ends, and gives the reason; nil is an orderly end.
func (s *session) read(take func(keeper.Message)) error {
	for {
		m, err := s.conn.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		take(m)
	}
}

// write sends what is queued until close.
func (s *session) write() {
	defer close(s.flushed)
	for range s.wake {
		for {
			batch, closed := s.next()
			for _, m := range batch {
				if s.conn.Write(m) != nil {
					s.file.Close() // the reader sees it and reports the loss
					return
				}
			}
			if closed {
				return
			}
			if len(batch) == 0 {
				break
			}
		}
	}
}

func (s *session) next() (batch []keeper.Message, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch, s.queue = s.queue, nil
	s.writing = len(batch) > 0
	return batch, s.closed && len(batch) == 0
}

// drained reports whether all that was queued is written.
func (s *session) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || len(s.queue) == 0 && !s.writing
}

// send queues a message.
func (s *session) send(m keeper.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.queue) >= maxQueued {
		s.closed = true
		s.file.Close()
	} else {
		s.queue = append(s.queue, m)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close writes what is queued, for at most the given time, and ends the connection.
func (s *session) close(patience time.Duration) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case <-s.flushed:
	case <-time.After(patience):
	}
	s.file.Close()
}
