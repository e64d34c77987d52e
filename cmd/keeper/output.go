package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"workspace-router/internal/keeper"
)

const (
	maxLine    = 16 << 10 // of a worker's output; what is longer is cut and marked
	maxPending = 1 << 20  // output that waits for the disk; beyond it whole lines are dropped and counted
	lastLines  = 20       // lines kept for whoever asks why a worker ended
	lastWidth  = 512      // bytes kept of each
)

// output takes what a launch writes to its standard output and error and appends it to the workspace's log as it is,
// line by line, between two lines of the keeper's own that begin with "keeper:". It never makes the worker wait: one
// goroutine reads, another writes, and what the disk does not take in time is dropped and counted.
type output struct {
	file  *logFile
	title string
	pipe  *os.File

	mu      sync.Mutex // guards what follows
	pending []byte     // whole lines
	dropped int        // bytes since the last line that was written
	tail    [lastLines][]byte
	lines   int // written to tail since the start
	ended   bool
	halted  bool // nothing is read for the time being
	reading bool // there is a goroutine that reads
	writing bool // something is being written to the log

	line []byte // the reader's own, or of who has it halted: what came since the last newline
	cut  bool   // and whether its rest is passed over

	wake chan struct{} // holds one token while there may be something to write
	done chan struct{} // closed when all is written
}

// openOutput opens the log.
func openOutput(storage storage, spec keeper.LogFile, title string) (*output, error) {
	file, err := storage.openLog(spec)
	if err != nil {
		return nil, err
	}
	return &output{file: file, title: title, wake: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// discard closes the log of a launch that did not come to be.
func (o *output) discard() { o.file.close() }

// follow takes over the read end of the launch's pipe and starts the two goroutines, which end with the pipe.
func (o *output) follow(pipe *os.File) {
	o.pipe, o.reading = pipe, true
	o.note("begins")
	go o.write()
	go o.read()
}

// halt stops the reading. What the worker writes meanwhile waits in the pipe.
func (o *output) halt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halted = true
	_ = o.pipe.SetReadDeadline(time.Unix(1, 0)) // where it cannot be, the reader goes on, and so does this keeper
}

// still reports whether nothing is read and all that was is in the log, or has ended.
func (o *output) still() bool {
	select {
	case <-o.done:
		return true
	default:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.halted && !o.reading && !o.ended && !o.writing && len(o.pending) == 0
}

// proceed ends a halt.
func (o *output) proceed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halted = false
	_ = o.pipe.SetReadDeadline(time.Time{}) // as in halt
	if !o.reading && !o.ended {
		o.reading = true
		go o.read()
	}
}

// goesOn reports whether the reader goes on after an error; where it was halted it leaves the pipe as it is.
func (o *output) goesOn(err error) (on, halted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err == nil, false
	}
	o.reading = !o.halted
	return !o.halted, o.halted
}

// close waits for the end of the output and ends it where it does not come in time.
func (o *output) close(patience time.Duration) {
	select {
	case <-o.done:
	case <-time.After(patience):
		o.pipe.Close()
	}
}

// last gives the launch's last lines, oldest first.
func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for i := max(0, o.lines-lastLines); i < o.lines; i++ {
		lines = append(lines, string(o.tail[i%lastLines]))
	}
	return lines
}

func (o *output) read() {
	buffer := make([]byte, 8<<10)
	for {
		n, err := o.pipe.Read(buffer)
		o.take(buffer[:n])
		on, halted := o.goesOn(err)
		if halted {
			return
		}
		if !on {
			break
		}
	}
	o.pipe.Close()
	if len(o.line) > 0 {
		o.endLine()
	}
	o.note("ends")
	o.mu.Lock()
	o.ended, o.reading = true, false
	o.mu.Unlock()
	o.nudge()
}

// take splits what was read into lines.
func (o *output) take(text []byte) {
	for len(text) > 0 {
		part, rest, found := bytes.Cut(text, []byte{'\n'})
		if room := maxLine - len(o.line); len(part) > room {
			part, o.cut = part[:room], true
		}
		o.line = append(o.line, part...)
		if found {
			o.endLine()
		}
		text = rest
	}
}

func (o *output) endLine() {
	if o.cut {
		o.line = append(o.line, " [keeper: cut here, the line is longer]"...)
	}
	o.mu.Lock()
	kept := &o.tail[o.lines%lastLines]
	*kept = append((*kept)[:0], o.line[:min(len(o.line), lastWidth)]...)
	o.lines++
	if len(o.pending)+len(o.line)+1 > maxPending {
		o.dropped += len(o.line) + 1
	} else {
		o.pending = append(append(o.pending, o.line...), '\n')
	}
	o.mu.Unlock()
	o.nudge()
	o.line, o.cut = o.line[:0], false
}

// note adds a line of the keeper's own.
func (o *output) note(what string) {
	o.mu.Lock()
	o.pending = fmt.Appendf(o.pending, "keeper: %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), o.title, what)
	o.mu.Unlock()
	o.nudge()
}

func (o *output) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// write appends what is pending to the log until the output has ended.
func (o *output) write() {
	defer close(o.done)
	defer o.file.close()
	var spare []byte
	for range o.wake {
		o.mu.Lock()
		batch, dropped, ended := o.pending, o.dropped, o.ended
		o.pending, o.dropped, o.writing = spare[:0], 0, true
		o.mu.Unlock()
		lost := dropped + len(batch)
		if dropped > 0 {
			batch = fmt.Appendf(batch, "keeper: dropped %d bytes of output, the disk did not take them in time\n", dropped)
		}
		err := o.file.append(batch)
		o.mu.Lock()
		o.writing = false
		if err != nil {
			o.dropped += lost // told when the disk takes something again
		}
		o.mu.Unlock()
		if ended {
			return
		}
		spare = nil
		if cap(batch) <= maxLine { // a flood's buffer is not kept
			spare = batch
		}
	}
}
