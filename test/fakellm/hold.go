package fakellm

import (
	"context"
	"sync/atomic"
)

// gate is what chats wait for while somebody holds it; nil is open.
type gate struct{ held atomic.Pointer[chan struct{}] }

func (g *gate) hold() (release func()) {
	closed := make(chan struct{})
	g.held.Store(&closed)
	var done atomic.Bool
	return func() {
		if done.CompareAndSwap(false, true) {
			g.held.CompareAndSwap(&closed, nil)
			close(closed)
		}
	}
}

// Hold lets every chat that comes from now on wait until release is called, which may be done twice. It is how a test
// makes a model slow for as long as it likes.
func (s *Server) Hold() (release func()) { return s.before.hold() }

// HoldWithin is Hold for streamed answers, which wait when half of their words are sent.
func (s *Server) HoldWithin() (release func()) { return s.within.hold() }

// Waiting counts the chats that wait at present.
func (s *Server) Waiting() int { return int(s.waiting.Load()) }

// pass waits for the gate, and reports whether the client is still there.
func (s *Server) pass(ctx context.Context, g *gate) bool {
	held := g.held.Load()
	if held == nil {
		return true
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case <-*held:
		return true
	case <-ctx.Done():
		return false
	}
}
