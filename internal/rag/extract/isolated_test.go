package extract

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test binary is the child, too: what the environment cannot say, for a reader's is empty, its arguments do.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "child-") {
		os.Exit(child(os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

func child(behaviour, name string) int {
	switch behaviour {
	case "child-hangs":
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "child-dies":
		return 77
	case "child-eats":
		return eat()
	case "child-babbles":
		_, _ = os.Stdout.WriteString("{\"text\":\"one\"}\nno JSON")
		return 0
	}
	return Serve(context.Background(), name, os.NewFile(3, name), os.Stdin, os.Stdout, os.Stderr, DefaultLimits(), os.Exit)
}

// eat takes more memory than a reader may.
func eat() int {
	if err := confine(); err != nil {
		return 99
	}
	var eaten [][]byte
	for range 2 * childMemory >> 26 {
		eaten = append(eaten, make([]byte, 1<<26)) // asked for; not touched, to be kind to the machine
	}
	runtime.KeepAlive(eaten)
	return 0
}

func isolated(behaviour string) Isolated {
	return Isolated{Program: []string{os.Args[0], behaviour}, Timeout: 30 * time.Second, Limits: DefaultLimits()}
}

func collect(blocks *[]Block) Sink {
	return func(b Block) error {
		*blocks = append(*blocks, b)
		return nil
	}
}

func TestIsolated_ReadsWhatFileReads(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "small.pdf")
	if err := os.WriteFile(small, []byte(smallPDF("BT /F1 10 Tf (one) Tj ET", "BT /F1 10 Tf (two) Tj ET")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{small, filepath.Join(examples, "puzzles.html")} {
		name := filepath.Base(path)
		var inside, outside []Block
		if err := (Isolated{Timeout: time.Minute, Limits: DefaultLimits()}).File(t.Context(), path, name, collect(&inside)); err != nil {
			t.Fatal(err)
		}
		if err := isolated("child-reads").File(t.Context(), path, name, collect(&outside)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inside, outside); diff != "" || len(inside) == 0 {
			t.Errorf("%s differs (-inside +outside):\n%s", name, diff)
		}
	}
}

func TestIsolated_TellsHowItsChildEnded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		behaviour, content string
		want               error
		text               string
	}{
		"no text":  {"child-reads", "<p></p>", ErrNoText, ""},
		"eats":     {"child-eats", "<p>x</p>", nil, "its reader ended with"},
		"dies":     {"child-dies", "<p>x</p>", nil, "exit status 77"},
		"babbles":  {"child-babbles", "<p>x</p>", nil, "invalid character"},
		"no child": {"", "<p>x</p>", nil, "cannot start"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.html")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			i := isolated(test.behaviour)
			if test.behaviour == "" {
				i.Program[0] = filepath.Join(t.TempDir(), "nothing")
			}
			err := i.File(t.Context(), path, "a.html", func(Block) error { return nil })
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v %q", err, test.want, test.text)
			}
		})
	}
}

func TestIsolated_EndsAChildThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(examples, "puzzles.html")
	i := isolated("child-hangs")
	i.Timeout = 50 * time.Millisecond
	if err := i.File(t.Context(), path, "puzzles.html", func(Block) error { return nil }); err == nil || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("a child that hangs: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	if err := isolated("child-hangs").File(ctx, path, "puzzles.html", func(Block) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestIsolated_StopsAtItsSinksError(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	err := isolated("child-reads").File(t.Context(), filepath.Join(examples, "puzzles.html"), "puzzles.html", func(Block) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

// A child must end when its parent does, even when that cannot say goodbye: here it is stuck in writing to a pipe that
// nobody reads, and its standard input closes.
func TestServe_EndsWithItsParent(t *testing.T) {
	t.Parallel()
	document, err := os.Open(filepath.Join(examples, "puzzles.html"))
	if err != nil {
		t.Fatal(err)
	}
	defer document.Close()
	command := exec.CommandContext(t.Context(), os.Args[0], "child-reads", "puzzles.html")
	command.ExtraFiles = []*os.File{document}
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.StdoutPipe(); err != nil { // never read
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	state, err := command.Process.Wait()
	if err != nil || state.ExitCode() != exitError {
		t.Errorf("it ended with %v, %v", state, err)
	}
}
