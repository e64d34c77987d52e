package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal gives the two ends of a terminal: what is written to user comes out of screen.
func openTerminal(t *testing.T) (screen, user *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	user, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	return screen, user
}

// A worker's log holds what others had it write. On a terminal none of it takes effect; a file gets it as it is.
func TestWorkerLogs_EscapeSequencesTakeNoEffect(t *testing.T) {
	t.Parallel()
	const log = "kept\t\u00e4\u65e5\n\x1b]0;title\x07\x1b[2Jred\u009b31m\x9b31m\r\x7fend\n"
	server := stream(t, false, log)
	environ := []string{"ROUTER_URL=" + server.URL, "ROUTER_KEY=k"}
	if got := run(t, environ, "worker", "logs", "alpha"); got.out != log {
		t.Errorf("no terminal: got %q, want %q", got.out, log)
	}
	screen, user := openTerminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var errs bytes.Buffer
	a := &app{out: user, err: &errs, environ: environ}
	if code := a.run(ctx, []string{"worker", "logs", "alpha"}); code != exitDone {
		t.Fatalf("exit code %d, said %q", code, errs.String())
	}
	user.Close()
	shown, _ := io.ReadAll(screen) // which ends with an error once nobody has the other end open
	const want = "kept\t\u00e4\u65e5\n\ufffd]0;title\ufffd\ufffd[2Jred\ufffd31m\ufffd31m\ufffd\ufffdend\n"
	if got := strings.ReplaceAll(string(shown), "\r\n", "\n"); got != want {
		t.Errorf("a terminal: got %q, want %q", got, want)
	}
}

// However the bytes come, they come out alike.
func TestPlainWriter_InPieces(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"plain \u00e4\u65e5\U0001f600\t\n": "plain \u00e4\u65e5\U0001f600\t\n",
		"a\u009bb\x9bc\x1bd\x00e\x7ff\rg":  "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg",
		"cut short \xe6\x97":               "cut short \ufffd",
		"cut \xe6\x97 within":              "cut \ufffd\ufffd within",
		"":                                 "",
	}
	for text, want := range cases {
		for size := 1; size <= len(text)+1; size++ {
			var out bytes.Buffer
			p := &plainWriter{w: &out}
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				if wrote, err := p.Write(rest[:n]); wrote != n || err != nil {
					t.Fatalf("wrote %d of %d: %v", wrote, n, err)
				}
				rest = rest[n:]
			}
			if err := p.end(); err != nil || out.String() != want {
				t.Errorf("%q in pieces of %d: got %q (%v), want %q", text, size, out.String(), err, want)
			}
		}
	}
}

// What a worker said stands in failures, explanations, events and errors too. A table is for people: none of it takes
// effect there, wherever it is shown.
func TestTables_EscapeSequencesTakeNoEffect(t *testing.T) {
	t.Parallel()
	const said = `"said \u001b[2J\u009b31m"`
	const shown = "said \ufffd[2J\ufffd31m"
	failed := `{"workspace":"alpha","tenant":"default","state":"failed","failures":1,"failure":` + said + `}`
	event := `{"id":1,"time":"2026-01-02T03:04:05Z","type":"failed","detail":` + said + `}`
	r := newRouter(t, answers{
		"GET /api/v1/workers/alpha":         {200, failed},
		"GET /api/v1/workers/alpha/explain": {200, `{"workspace":"alpha","tenant":"default","state":"failed","sentences":[` + said + `]}`},
		"GET /api/v1/events":                {200, "[" + event + "]"},
		"POST /api/v1/workers/alpha/evict":  {409, `{"code":"refused","detail":` + said + `}`},
	})
	for _, args := range []string{"worker show alpha", "worker explain alpha", "events", "worker evict alpha"} {
		got := run(t, r.environ(), strings.Fields(args)...)
		if text := got.out + got.err; !strings.Contains(text, shown) || strings.ContainsAny(text, "\x1b\u009b") {
			t.Errorf("%s: got %q, want %q in it", args, text, shown)
		}
	}
	followed := stream(t, false, "data: "+event+"\n\n")
	got := run(t, []string{"ROUTER_URL=" + followed.URL, "ROUTER_KEY=k"}, "events", "-f")
	if !strings.Contains(got.out, shown) || strings.ContainsAny(got.out, "\x1b\u009b") {
		t.Errorf("events -f: got %q, want %q in it", got.out, shown)
	}
}
