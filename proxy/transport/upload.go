package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// headPatience is how long a head waits for the first bytes of its body, to be sent in one piece with them. A worker
	// that answers by the head alone need not wait longer.
	headPatience = time.Millisecond
	// continuePatience is how long a body waits for the worker's 100, if the request asks for one.
	continuePatience = time.Second
	// answerPatience is how long an answer may take to come when the worker reads no more of the request.
	answerPatience = 5 * time.Second
	// sentPatience is how long the end of an answer waits for the last write of the request, which the worker has read.
	sentPatience = 50 * time.Millisecond
)

// What may stand around a chunk: its size before it; its end, and the last chunk, behind it.
const (
	chunkSize = 10
	chunkEnd  = len("\r\n0\r\n\r\n")
	leastRoom = 8 << 10 // for a piece of the body behind the head
)

// upload sends a request with a body, in a goroutine of its own: the answer may come before the body's end, and the
// body's next bytes may be long in coming.
type upload struct {
	request *http.Request
	length  int64 // -1: in chunks
	started bool

	conn *conn
	out  outgoing
	goOn chan struct{} // closed when the body may be sent; nil if it may at once

	ending atomic.Bool   // the last write has begun
	done   chan struct{} // closed when nothing more is written
	sent   bool          // all of it was; valid after done

	// mu guards what is below, and is held over the write of the head, which happens once.
	mu       sync.Mutex
	headSent bool
	replied  bool // the head of the answer is there
	deadline bool // one was set because the worker reads no more
	err      error
}

func newUpload(r *http.Request, length int64) *upload {
	u := &upload{request: r, length: length, done: make(chan struct{})}
	if listed(r.Header["Expect"], "100-continue") {
		u.goOn = make(chan struct{})
	}
	return u
}

// start takes the head over and begins.
func (u *upload) start(c *conn, out outgoing) {
	u.conn, u.out, u.started = c, out, true
	go u.run()
}

func (u *upload) run() {
	defer u.out.release()
	defer closeBody(u.request)
	defer close(u.done)
	var late *time.Timer
	if u.goOn != nil {
		u.flushHead()
		if !u.await() {
			return
		}
	} else {
		late = time.AfterFunc(headPatience, u.flushHead)
		defer late.Stop()
	}
	if u.length > 0 {
		u.sendLength()
	} else {
		u.sendChunks()
	}
}

// await waits for the worker's 100. It reports false where a final answer came instead: then no body is sent.
func (u *upload) await() bool {
	patience := time.NewTimer(continuePatience)
	defer patience.Stop()
	select {
	case <-u.goOn:
	case <-patience.C:
	case <-u.request.Context().Done():
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.replied
}

// flushHead sends the head before there is a body.
func (u *upload) flushHead() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.headSent || u.err != nil {
		return
	}
	u.headSent = true
	if _, err := u.conn.Write(u.out.buf); err != nil {
		u.failLocked(err)
	}
}

// room gives the space for pieces of the body: behind the head, so that both can go in one write.
func (u *upload) room() []byte {
	head := u.out.buf
	if cap(head)-len(head) < leastRoom {
		larger := make([]byte, len(head), len(head)+writeBuffer)
		copy(larger, head)
		head = larger
	}
	return head[len(head):cap(head)]
}

// sendLength sends a body whose length was told.
func (u *upload) sendLength() {
	room := u.room()
	for left := u.length; left > 0; {
		n, err := u.request.Body.Read(room[:min(left, int64(len(room)))])
		left -= int64(n)
		atEnd := errors.Is(err, io.EOF)
		if atEnd && left > 0 {
			u.abort(errBodyLength)
			return
		}
		if err != nil && !atEnd {
			u.abort(err)
			return
		}
		u.ending.Store(left == 0)
		if n > 0 && !u.write(room[:n]) {
			return
		}
	}
	u.sent = true
}

// sendChunks sends a body of unknown length, one chunk for each read.
func (u *upload) sendChunks() {
	room := u.room()
	data := room[chunkSize : len(room)-chunkEnd]
	for {
		n, err := u.request.Body.Read(data)
		if err != nil && !errors.Is(err, io.EOF) {
			u.abort(err)
			return
		}
		piece := room[chunkSize:chunkSize]
		if n > 0 {
			size := strconv.AppendInt(make([]byte, 0, chunkSize), int64(n), 16)
			start := chunkSize - len(size) - 2
			copy(room[start:], size)
			copy(room[chunkSize-2:], "\r\n")
			piece = append(room[start:chunkSize+n], '\r', '\n')
		}
		if err == nil {
			if n > 0 && !u.write(piece) {
				return
			}
			continue
		}
		end, err := u.lastChunk(piece)
		if err != nil {
			u.abort(err)
			return
		}
		u.ending.Store(true)
		u.sent = u.write(end)
		return
	}
}

// lastChunk ends the body, with the trailers that the request has by now.
func (u *upload) lastChunk(piece []byte) ([]byte, error) {
	piece = append(piece, "0\r\n"...)
	piece, err := appendHeader(piece, u.request.Trailer, nil)
	return append(piece, '\r', '\n'), err
}

// write sends a piece of the body; before the first the head, unless it has gone.
func (u *upload) write(piece []byte) bool {
	if !u.withHead(&piece) {
		return false
	}
	if _, err := u.conn.Write(piece); err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.failLocked(err)
		return false
	}
	return true
}

// withHead puts the head before the piece if it was not sent yet. It reports false if it could not be sent.
func (u *upload) withHead(piece *[]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.headSent {
		u.headSent = true
		*piece = append(u.out.buf, *piece...) // behind the head, which is where most of it lies already
	}
	return u.err == nil
}

// failLocked notes that the worker reads no more. Its answer may be on its way all the same, but not for long.
func (u *upload) failLocked(err error) {
	if u.err == nil {
		u.err = fmt.Errorf("cannot send the request: %w", err)
	}
	if !u.replied {
		u.deadline = true
		_ = u.conn.SetReadDeadline(time.Now().Add(answerPatience))
	}
}

// abort ends the exchange because the body could not be had.
func (u *upload) abort(err error) {
	u.mu.Lock()
	u.err = fmt.Errorf("cannot read the request's body: %w", err)
	u.mu.Unlock()
	u.conn.Close()
}

// mayGoOn says that the worker wants the body.
func (u *upload) mayGoOn() {
	if u.goOn != nil {
		select {
		case <-u.goOn:
		default:
			close(u.goOn)
		}
	}
}

// answered says that the head of the final answer is there.
func (u *upload) answered() {
	u.mu.Lock()
	u.replied = true
	if u.deadline {
		_ = u.conn.SetReadDeadline(time.Time{})
	}
	u.mu.Unlock()
	u.mayGoOn()
}

// failure is why the upload ended, unless it did well.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// complete reports whether the whole request was sent. It waits where that is about to be.
func (u *upload) complete() bool {
	if u.ending.Load() {
		patience := time.NewTimer(sentPatience)
		defer patience.Stop()
		select {
		case <-u.done:
		case <-patience.C:
			return false
		}
	}
	select {
	case <-u.done:
		return u.sent
	default:
		return false
	}
}
