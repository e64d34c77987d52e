package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
)

// noise is bytes whose order can be seen.
func noise(n int) []byte {
	dice := rand.NewChaCha8([32]byte{1})
	p := make([]byte, n)
	_, _ = dice.Read(p)
	return p
}

// socketPair is a connection whose other end is read into a buffer.
func socketPair(t *testing.T) (to *net.TCPConn, got func() []byte) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan []byte, 1)
	go func() {
		conn, err := listener.Accept()
		listener.Close()
		if err != nil {
			all <- nil
			return
		}
		defer conn.Close()
		text, _ := io.ReadAll(conn)
		all <- text
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn), func() []byte {
		conn.Close()
		return receive(t, "the other end", all)
	}
}

// A body comes out the same whether it is read or sent from socket to socket, and leaves its connection for the next.
func TestWriteTo_TheWholeBodyAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 100, readBuffer, splicePiece, splicePiece + 1, 3*splicePiece + 12345} {
		for _, inChunks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, in chunks: %v", size, inChunks), func(t *testing.T) {
				t.Parallel()
				want := noise(size)
				w := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					if !inChunks {
						w.Header().Set("Content-Length", fmt.Sprint(size))
					}
					_ = http.NewResponseController(w).Flush()
					_, _ = w.Write(want)
				})
				transport := w.lean()
				response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				head := make([]byte, min(10, size/2))
				if _, err := io.ReadFull(response.Body, head); err != nil {
					t.Fatal(err)
				}
				to, got := socketPair(t)
				n, err := response.Body.(io.WriterTo).WriteTo(to)
				response.Body.Close()
				if n != int64(size-len(head)) || err != nil || transport.kept() != 1 {
					t.Errorf("%d bytes were sent, %v; %d connections are kept", n, err, transport.kept())
				}
				if !bytes.Equal(append(head, got()...), want) {
					t.Error("other bytes came out")
				}
			})
		}
	}
}

func TestWriteTo_ABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(conn, okHead+"Content-Length: 1000000\r\n\r\n")
		_, _ = conn.Write(noise(300000))
	})
	transport := w.lean()
	response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	to, got := socketPair(t)
	if n, err := response.Body.(io.WriterTo).WriteTo(to); n != 300000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes were sent, %v", n, err)
	}
	if n := len(got()); n != 300000 || transport.kept() != 0 {
		t.Errorf("%d bytes came out, %d connections are kept", n, transport.kept())
	}
	if _, err := response.Body.(io.WriterTo).WriteTo(to); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("once more: %v", err)
	}
}

// A client that has gone ends it, and the connection with it.
func TestWriteTo_AReceiverThatHasGone(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	w := script(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		defer close(left)
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(conn, okHead+"Content-Length: 1000000000\r\n\r\n")
		_, _ = io.Copy(conn, zeros{})
	})
	transport := w.lean()
	response, err := transport.RoundTrip(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	to, _ := socketPair(t)
	to.Close()
	if _, err := response.Body.(io.WriterTo).WriteTo(to); err == nil {
		t.Error("nothing failed")
	}
	receive(t, "the worker to learn of it", left)
}
