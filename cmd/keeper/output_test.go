package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// follow gives the write end of a launch's pipe.
func follow(t *testing.T, path string, limit int64) (*output, *os.File) {
	t.Helper()
	out, err := openOutput(disk{}, keeper.LogFile{Path: path, Limit: limit}, "launch x of y")
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out.follow(read)
	return out, write
}

func finishWriting(t *testing.T, out *output, write *os.File) {
	t.Helper()
	write.Close()
	select {
	case <-out.done:
	case <-time.After(patience):
		t.Fatal("the output does not end")
	}
}

// own gives the worker's lines and the keeper's.
func splitLog(t *testing.T, path string) (workers, own []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "keeper: ") {
			own = append(own, line)
		} else {
			workers = append(workers, line)
		}
	}
	return workers, own
}

func TestOutput_IsKeptAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	out, write := follow(t, path, 1<<20)
	const text = "first\n\n\ttabs \x1b[31mcolours\x1b[0m \xff\nlast without an end"
	if _, err := write.WriteString(text); err != nil {
		t.Fatal(err)
	}
	finishWriting(t, out, write)
	workers, own := splitLog(t, path)
	if got := strings.Join(workers, "\n"); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	if len(own) != 2 || !strings.HasSuffix(own[0], "launch x of y begins") || !strings.HasSuffix(own[1], "launch x of y ends") {
		t.Errorf("the keeper's lines: %q", own)
	}
	if last := out.last(); len(last) != 4 || last[0] != "first" || last[3] != "last without an end" {
		t.Errorf("the last lines: %q", last)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}
}

func TestOutput_LongLinesAreCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	out, write := follow(t, path, 1<<30)
	for _, length := range []int{maxLine, maxLine + 1, 50 * maxLine} {
		if _, err := fmt.Fprintln(write, strings.Repeat("x", length)); err != nil {
			t.Fatal(err)
		}
	}
	finishWriting(t, out, write)
	workers, _ := splitLog(t, path)
	if len(workers) != 3 || len(workers[0]) != maxLine {
		t.Fatalf("%d lines, the first of %d bytes", len(workers), len(workers[0]))
	}
	for _, line := range workers[1:] {
		if !strings.HasPrefix(line, strings.Repeat("x", maxLine)+" [keeper: cut") || len(line) > maxLine+100 {
			t.Errorf("a line of %d bytes, ends in %q", len(line), line[len(line)-60:])
		}
	}
	if last := out.last(); len(last[2]) != lastWidth {
		t.Errorf("the last line is kept with %d bytes, want %d", len(last[2]), lastWidth)
	}
}

func TestOutput_LastLinesAreTheLast(t *testing.T) {
	t.Parallel()
	out, write := follow(t, filepath.Join(t.TempDir(), "log"), 1<<20)
	for i := range 3*lastLines + 5 {
		fmt.Fprintf(write, "line %d\n", i)
	}
	finishWriting(t, out, write)
	last := out.last()
	if len(last) != lastLines || last[0] != fmt.Sprintf("line %d", 2*lastLines+5) || last[lastLines-1] != fmt.Sprintf("line %d", 3*lastLines+4) {
		t.Errorf("got %q", last)
	}
}

func TestOutput_Rotates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	const limit = 10_000
	out, write := follow(t, path, limit)
	line := strings.Repeat("x", 99)
	for i := range 1000 {
		fmt.Fprintf(write, "%s%05d\n", line, i)
		if i%50 == 0 { // so that it is not all one batch
			eventuallyWritten(t, out)
		}
	}
	finishWriting(t, out, write)
	next := 999
	for _, name := range []string{path, path + ".1", path + ".2"} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > limit {
			t.Fatalf("%s: %v %v", name, info, err)
		}
		workers, _ := splitLog(t, name)
		for i := len(workers) - 1; i >= 0; i-- {
			if want := fmt.Sprintf("%s%05d", line, next); workers[i] != want {
				t.Fatalf("%s: got %q, want %q", name, workers[i], want)
			}
			next--
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("a third old file is kept")
	}
}

func eventuallyWritten(t *testing.T, out *output) {
	t.Helper()
	(&stage{T: t}).eventually("all is written", func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return len(out.pending) == 0
	})
}

// A disk that takes nothing does not stop the worker: it goes on writing, and what was lost is counted.
func TestOutput_NeverMakesTheWorkerWait(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// A pipe that nobody reads is a disk that hangs.
	disk, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, write := follow(t, path, 1<<40)
	const lines = 60_000
	for i := range lines {
		if _, err := fmt.Fprintf(write, "%099d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	write.Close()
	var got int
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 64<<10)
		for text := ""; !strings.Contains(text, " ends\n"); {
			n, err := disk.Read(buffer)
			if err != nil {
				return
			}
			got += n
			text = text[max(0, len(text)-200):] + string(buffer[:n])
			if _, after, found := strings.Cut(text, "keeper: dropped "); found && strings.Contains(after, " bytes") {
				var dropped int
				if _, err := fmt.Sscan(after, &dropped); err == nil && dropped < lines*100-3*maxPending {
					t.Errorf("%d bytes are said to be dropped", dropped)
				}
			}
		}
	}()
	select {
	case <-read:
	case <-time.After(patience):
		t.Fatal("the log does not end")
	}
	if got > 2*maxPending+128<<10 {
		t.Errorf("%d bytes were kept in memory for a disk that hangs", got)
	}
	finishWriting(t, out, write)
}

// A full disk loses lines, and the next that it takes says how many bytes.
func TestOutput_FullDisk(t *testing.T) {
	t.Parallel()
	out, write := follow(t, "/dev/full", 1<<40)
	for i := range 100 {
		fmt.Fprintf(write, "line %d\n", i)
	}
	finishWriting(t, out, write)
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.dropped < 790 {
		t.Errorf("%d bytes are counted, want all", out.dropped)
	}
}

func TestOutput_CloseEndsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	out, write := follow(t, filepath.Join(t.TempDir(), "log"), 1<<20)
	defer write.Close()
	out.close(10 * time.Millisecond)
	select {
	case <-out.done:
	case <-time.After(patience):
		t.Error("the output does not end")
	}
}
