package extract

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Isolated reads documents in a child process, so that a file that makes a parser loop or eat memory costs that process
// and nothing else, and so that what a parser allocates is gone afterwards.
type Isolated struct {
	Program []string      // command that ends in Serve; empty: everything is read in this process
	Timeout time.Duration // for one document
	Limits  Limits
}

// Exit codes by which the child says which sentinel its error wraps.
const (
	exitError       = 1
	exitNoText      = 3
	exitTooLarge    = 4
	exitUnsupported = 5
)

// File reads the document at path, whose type name says. The errors are those of File.
func (i Isolated) File(ctx context.Context, path, name string, sink Sink) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.Timeout, fmt.Errorf("cannot read %q within %v", name, i.Timeout))
	defer cancel()
	f, err := os.Open(path)
	if err != nil {
		// Without the path: the error is shown to those who sent the document, and it is none of their business.
		var inPath *fs.PathError
		if errors.As(err, &inPath) {
			err = inPath.Err
		}
		return fmt.Errorf("cannot read %q: %w", name, err)
	}
	defer f.Close()
	if len(i.Program) == 0 || !needsIsolation(name) {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("cannot read %q: %w", name, err)
		}
		return File(ctx, name, f, info.Size(), i.Limits, sink)
	}
	return i.run(ctx, f, name, sink)
}

// run starts the child. Its standard input is a pipe that nothing is written to: when this process ends, however it
// ends, the child sees it closed and ends too.
func (i Isolated) run(ctx context.Context, f *os.File, name string, sink Sink) error {
	child := exec.CommandContext(ctx, i.Program[0], append(i.Program[1:len(i.Program):len(i.Program)], name)...)
	child.ExtraFiles = []*os.File{f}
	child.Env = []string{"GOGC=50", "GOMAXPROCS=1", "GOTRACEBACK=none"}
	var complaint headWriter
	child.Stderr = &complaint
	life, err := child.StdinPipe()
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", name, err)
	}
	defer life.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", name, err)
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("cannot start the reader of %q: %w", name, err)
	}
	sinkErr := decode(out, sink)
	if sinkErr != nil {
		_ = child.Process.Kill() // it may be blocked on a pipe that nobody reads; Wait tells how it ended
	}
	waitErr := child.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case sinkErr != nil:
		return sinkErr
	case waitErr != nil:
		return childError(name, waitErr, strings.TrimSpace(complaint.String()))
	}
	return nil
}

func decode(out io.Reader, sink Sink) error {
	blocks := json.NewDecoder(out)
	for {
		var b Block
		if err := blocks.Decode(&b); err != nil {
			// A child that dies is told by its exit code.
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		if err := sink(b); err != nil {
			return err
		}
	}
}

func childError(name string, waitErr error, complaint string) error {
	var exit *exec.ExitError
	if !errors.As(waitErr, &exit) {
		return fmt.Errorf("cannot read %q: %w", name, waitErr)
	}
	switch exit.ExitCode() {
	case exitNoText:
		return fmt.Errorf("cannot read %q: %w", name, ErrNoText)
	case exitTooLarge:
		return fmt.Errorf("cannot read %q: %w", name, ErrTooLarge)
	case exitUnsupported:
		return fmt.Errorf("cannot read %q: %w", name, ErrUnsupported)
	case exitError:
		return errors.New(complaint)
	}
	return fmt.Errorf("cannot read %q: its reader ended with %q", name, waitErr.Error())
}

// Serve is the child's main: it reads file descriptor 3, whose type name says, writes the blocks to out as lines of
// JSON, and returns the exit code. It bounds its own memory and processor time, and ends the process when life ends.
func Serve(ctx context.Context, name string, in *os.File, life io.Reader, out, complaint io.Writer, limits Limits, exit func(int)) int {
	if err := confine(); err != nil {
		fmt.Fprintln(complaint, err)
		return exitError
	}
	go func() {
		_, _ = io.Copy(io.Discard, life) // ends when the parent does, in whatever way
		exit(exitError)
	}()
	info, err := in.Stat()
	if err != nil {
		fmt.Fprintf(complaint, "cannot read %q: %v\n", name, err)
		return exitError
	}
	buffered := bufio.NewWriter(out)
	lines := json.NewEncoder(buffered)
	err = File(ctx, name, in, info.Size(), limits, func(b Block) error { return lines.Encode(b) })
	if err = errors.Join(err, buffered.Flush()); err == nil {
		return 0
	}
	fmt.Fprintln(complaint, err)
	switch {
	case errors.Is(err, ErrNoText):
		return exitNoText
	case errors.Is(err, ErrTooLarge):
		return exitTooLarge
	case errors.Is(err, ErrUnsupported):
		return exitUnsupported
	}
	return exitError
}

// headWriter keeps the beginning of what is written.
type headWriter struct{ strings.Builder }

const maxComplaint = 2 << 10

func (w *headWriter) Write(p []byte) (int, error) {
	if room := maxComplaint - w.Len(); room > 0 {
		w.Builder.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
