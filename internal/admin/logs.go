package admin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

const (
	defaultTail = 200     // lines that are sent where the request does not say
	maxTail     = 100_000 // lines
	tailBytes   = 8 << 20 // the most that is read back for them
	logPoll     = 250 * time.Millisecond
)

// logs sends the last lines of a workspace's log, and with follow what is added to it, until the client goes. A log
// that is rotated meanwhile is followed into its successor.
func (a *Admin) logs(c *call) error {
	w, err := a.operated(c)
	if err != nil {
		return err
	}
	if a.deps.LogFile == nil {
		return problem.ErrNoSuchRoute
	}
	follow, err := c.flag("follow")
	if err != nil {
		return err
	}
	lines := defaultTail
	if text := c.r.URL.Query().Get("tail"); text != "" {
		if lines, err = strconv.Atoi(text); err != nil || lines < 0 || lines > maxTail {
			return fmt.Errorf("%w: tail: got %q, want 0 to %d lines", problem.ErrBadRequest, text, maxTail)
		}
	}
	path := a.deps.LogFile(w.Ref)
	file, err := openLog(path)
	if err != nil {
		return err
	}
	out := newStream(c.w, "text/plain; charset=utf-8")
	if file != nil {
		if err := seekTail(file, lines); err != nil {
			out.err = err
		}
		out.copy(file)
	}
	if follow {
		file = a.followLog(c, w.Ref, file, out)
	}
	if file != nil {
		file.Close()
	}
	return nil
}

// openLog opens the log; nil where there is none yet.
func openLog(path string) (*os.File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	return file, nil
}

// seekTail moves to the beginning of the last n lines.
func seekTail(file *os.File, n int) error {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	const block = 64 << 10
	buffer := make([]byte, block)
	position, newlines := end, 0
	for position > 0 && end-position < tailBytes {
		size := min(int64(block), position)
		position -= size
		if _, err := file.ReadAt(buffer[:size], position); err != nil {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if buffer[i] == '\n' && position+i != end-1 { // the last line's own end begins no line
				if newlines++; newlines == n {
					_, err := file.Seek(position+i+1, io.SeekStart)
					return err
				}
			}
		}
	}
	_, err = file.Seek(position, io.SeekStart)
	return err
}

// followLog sends what is added until the client is gone or operates the workspace no more, and gives the file that is
// open then.
func (a *Admin) followLog(c *call, ref workspace.Ref, file *os.File, out *outStream) *os.File {
	path := a.deps.LogFile(ref)
	poll, heartbeat := time.NewTicker(logPoll), time.NewTicker(a.config.Heartbeat)
	defer poll.Stop()
	defer heartbeat.Stop()
	for out.err == nil {
		select {
		case <-c.r.Context().Done():
			return file
		case <-heartbeat.C:
			if !c.stillAdmitted() || !operates(c.principal, ref) {
				return file
			}
			continue
		case <-a.deps.Closing:
			return file
		case <-poll.C:
		}
		next := file
		if replaced(path, file) {
			next, out.err = openLog(path)
		}
		if file != nil {
			out.copy(file) // also the rest of one that was replaced
		}
		if next != file && next != nil {
			if file != nil {
				file.Close()
			}
			file = next
			out.copy(file)
		}
	}
	return file
}

// replaced reports whether the path names another file than the open one, or one that was cut short.
func replaced(path string, file *os.File) bool {
	now, err := os.Stat(path)
	if err != nil {
		return false
	}
	if file == nil {
		return true
	}
	open, err := file.Stat()
	if err != nil || !os.SameFile(now, open) {
		return true
	}
	position, err := file.Seek(0, io.SeekCurrent)
	return err == nil && open.Size() < position
}

// copy sends the rest of what can be read now.
func (s *outStream) copy(r io.Reader) {
	buffer := make([]byte, 32<<10)
	for s.err == nil {
		n, err := r.Read(buffer)
		if n > 0 {
			s.write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}
