package proxy

import (
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// Streams that are opened and reset at once: no more handlers run than one connection may have streams, also where none
// of them ends for it, and a client that goes on regardless loses its connection, while others are served.
func TestFlood_RapidReset(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int64
	release := make(chan struct{})
	f := newFronted(t, echo, reach{}, withOwn(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		<-release
	})))
	p := protocols()[2]
	s := newStream2(t, f.connect(t, p))
	ended := make(chan error, 1)
	go func() { // what the server says
		for {
			frame, err := s.framer.ReadFrame()
			if err != nil {
				ended <- err
				return
			}
			if away, ok := frame.(*http2.GoAwayFrame); ok && away.ErrCode != http2.ErrCodeNo {
				ended <- http2.ConnectionError(away.ErrCode)
				return
			}
		}
	}()
	const streams = 20000
	for range streams {
		id, err := s.ask(wire{method: "GET", target: "/readyz", host: "localhost", header: [][2]string{wireKey}})
		if err == nil {
			err = s.framer.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil {
			break
		}
	}
	if err := receive(t, "the connection to end", ended); err == nil {
		t.Error("it ended in order")
	}
	if got := p.send(t, f.connect(t, p), wire{method: "GET", target: "/w/beta/query", host: "localhost", header: [][2]string{wireKey}}); got.status != http.StatusOK {
		t.Errorf("another client got %d %s", got.status, got.body)
	}
	close(release)
	eventually(t, "the handlers to end", func() bool { return running.Load() == 0 })
	if got := most.Load(); got > http2Streams {
		t.Errorf("%d handlers ran at one time, want at most %d", got, http2Streams)
	}
}

// More streams at once than a connection may have are refused one by one.
func TestFlood_ManyStreams(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := newFronted(t, func(http.ResponseWriter, *http.Request) { <-release }, reach{})
	s := newStream2(t, f.connect(t, protocols()[2]))
	for range http2Streams + 5 {
		if _, err := s.ask(wire{method: "GET", target: "/w/alpha/query", host: "localhost", header: [][2]string{wireKey}}); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	for refused < 5 {
		frame, err := s.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if reset, ok := frame.(*http2.RSTStreamFrame); ok && (reset.ErrCode == http2.ErrCodeProtocol || reset.ErrCode == http2.ErrCodeRefusedStream) {
			refused++
		}
	}
	eventually(t, "the others to be with the worker", func() bool { return f.pool.acquired.Load() == http2Streams })
	close(release)
	f.settled()
}

// A client that asks for answers and never reads them cannot make the router keep them.
func TestFlood_Pings(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{})
	s := newStream2(t, f.connect(t, protocols()[2]))
	const bound = 2 << 20 // many times what the sockets' buffers and the queue hold
	for i := 0; ; i++ {
		if err := s.framer.WritePing(false, [8]byte{}); err != nil {
			break // the server has closed the connection
		}
		if i == bound {
			t.Fatal("the client was never stopped")
		}
	}
	eventually(t, "the connection to be closed", func() bool { return f.front.open.Load() == 0 })
}

// Headers without end, in continuations, are cut short long before they are read.
func TestFlood_Continuations(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{})
	s := newStream2(t, f.connect(t, protocols()[2]))
	if err := s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}); err != nil {
		t.Fatal(err)
	}
	const bound = 100_000
	for i := 0; ; i++ {
		if err := s.framer.WriteContinuation(1, false, make([]byte, 1<<10)); err != nil {
			break
		}
		if i == bound {
			t.Fatal("100 MB of a header were taken")
		}
	}
	eventually(t, "the connection to be closed", func() bool { return f.front.open.Load() == 0 })
}
