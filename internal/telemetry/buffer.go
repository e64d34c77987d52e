package telemetry

import (
	"io"
	"sync"
	"time"
)

// buffer collects lines and writes them out when it is full, when the oldest has waited for a while, and by Sync. While
// it is empty it costs nothing, not even a timer. After Close each line is written at once.
type buffer struct {
	out   io.Writer
	limit int
	delay time.Duration

	// mu guards what follows. It is held while lines are written out, so that they stay whole and in order, and whoever
	// logs faster than the file takes it is slowed down instead of piling up lines without bound.
	mu     sync.Mutex
	lines  []byte
	timer  *time.Timer // set while there are lines, once there were any
	closed bool
	failed error // of the last writing out
}

func newBuffer(out io.Writer, limit int, delay time.Duration) *buffer {
	return &buffer{out: out, limit: limit, delay: delay, lines: make([]byte, 0, limit)}
}

// Write takes one line.
func (b *buffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines)+len(line) > b.limit {
		b.flushLocked()
	}
	if len(b.lines) == 0 && !b.closed {
		b.startLocked()
	}
	b.lines = append(b.lines, line...)
	if b.closed {
		b.flushLocked()
	}
	return len(line), b.failed
}

func (b *buffer) startLocked() {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.delay, func() { _ = b.Sync() }) // a failure is told to the next Write
		return
	}
	b.timer.Reset(b.delay)
}

// Sync writes out what is there.
func (b *buffer) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushLocked()
	return b.failed
}

func (b *buffer) flushLocked() {
	if b.timer != nil {
		b.timer.Stop()
	}
	if len(b.lines) == 0 {
		return
	}
	_, b.failed = b.out.Write(b.lines)
	b.lines = b.lines[:0]
}

// Close writes out what is there. It does not close the file.
func (b *buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.flushLocked()
	return b.failed
}
