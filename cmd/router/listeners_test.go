package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"workspace-router/internal/testkit"
)

const patience = 10 * time.Second

func newGate(t *testing.T) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return &gate{Listener: listener, name: socketData, setting: "127.0.0.1:0"}
}

// accepting runs Accept until it fails; the channel gives what came.
func accepting(g *gate) <-chan error {
	came := make(chan error, 10)
	go func() {
		for {
			conn, err := g.Accept()
			came <- err
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return came
}

func dial(t *testing.T, g *gate) {
	t.Helper()
	conn, err := net.DialTimeout(g.Addr().Network(), g.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
}

func next(t *testing.T, came <-chan error) error {
	t.Helper()
	select {
	case err := <-came:
		return err
	case <-time.After(patience):
		t.Fatal("nothing was accepted")
		return nil
	}
}

func TestGate_HoldsConnectionsInTheQueueWithoutRefusingOne(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	came := accepting(g)
	dial(t, g)
	if err := next(t, came); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := g.hold(); err != nil {
			t.Fatal(err)
		}
		dial(t, g) // it is connected although nobody accepts
		select {
		case err := <-came:
			t.Fatalf("accepted while it was held: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := g.open(); err != nil {
			t.Fatal(err)
		}
		if err := next(t, came); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGate_CloseWakesWhoWaits(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"open": false, "held": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			came := accepting(g)
			if held {
				if err := g.hold(); err != nil {
					t.Fatal(err)
				}
			}
			g.Close()
			if err := next(t, came); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want net.ErrClosed", err)
			}
		})
	}
}

// A socket in blocking mode would let one of two processes that accept from it hang when the other was faster.
func TestGate_HandsOverWithoutMakingTheSocketBlock(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	file, err := g.file()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Fatalf("flags %#o, %v: want O_NONBLOCK", flags, err)
	}
	descriptor, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := openGiven(descriptor, socketData)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	g.Close()
	came := accepting(other)
	dial(t, other)
	if err := next(t, came); err != nil {
		t.Error(err)
	}
}

func TestGate_LeavesTheNameOfABequeathedSocket(t *testing.T) {
	t.Parallel()
	for name, bequeath := range map[string]bool{"bequeathed": true, "own": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := testkit.ShortDir(t)
			g, err := listenLocal(dir, &given{})
			if err != nil {
				t.Fatal(err)
			}
			if bequeath {
				g.bequeath()
			}
			g.Close()
			if _, err := os.Lstat(filepath.Join(dir, "router.sock")); (err == nil) != bequeath {
				t.Errorf("the socket's name after Close: %v", err)
			}
		})
	}
}

func TestOpenGiven_RefusesWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	if _, err := openGiven(pair[0], "http"); err == nil || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("got %v", err)
	}
}

func TestManagersNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pid, count, names string
		want              []string
		err               string
	}{
		"none":             {},
		"another process":  {pid: "8", count: "2"},
		"named":            {pid: "7", count: "2", names: "http:operator", want: []string{"http", "operator"}},
		"nameless":         {pid: "7", count: "2", want: []string{"", ""}},
		"no number":        {pid: "7", count: "x", err: `LISTEN_FDS is "x"`},
		"too few names":    {pid: "7", count: "2", names: "http", err: "has 1 names, want 2"},
		"a negative count": {pid: "7", count: "-1", err: `LISTEN_FDS is "-1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := managersNames(map[string]string{variableListenPID: test.pid, variableListenFDs: test.count, variableListenNames: test.names}, 7)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGiven_TakesByNameOrAddress(t *testing.T) {
	t.Parallel()
	byName, byAddress, other := newGate(t), newGate(t), newGate(t)
	byName.setting, byAddress.setting, other.setting = "", "", "127.0.0.1:1"
	byAddress.name, other.name = "workspace-router.socket", socketOperator
	list := given{byName, byAddress, other}
	if got := list.take(socketData, "127.0.0.1:9621", &net.TCPAddr{Port: 9621}); got != byName {
		t.Errorf("by name: got %+v", got)
	}
	if got := list.take(socketOperator, byAddress.Addr().String(), byAddress.Addr()); got != byAddress || got.name != socketOperator {
		t.Errorf("by address: got %+v", got)
	}
	if got := list.take(socketOperator, "127.0.0.1:2", &net.TCPAddr{Port: 2}); got != nil {
		t.Errorf("one that was bound for another setting was taken: %+v", got)
	}
	if err := list.left(); err != nil {
		t.Errorf("one of a router before may be left: %v", err)
	}
	other.setting = ""
	if err := list.left(); err == nil {
		t.Error("one of the service manager may not be left")
	}
}

func TestSameAddress(t *testing.T) {
	t.Parallel()
	tcp := func(text string) net.Addr {
		address, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	for name, test := range map[string]struct {
		a, b net.Addr
		want bool
	}{
		"the same":          {tcp("127.0.0.1:80"), tcp("127.0.0.1:80"), true},
		"another port":      {tcp("127.0.0.1:80"), tcp("127.0.0.1:81"), false},
		"another host":      {tcp("127.0.0.1:80"), tcp("127.0.0.2:80"), false},
		"everywhere":        {tcp("[::]:80"), tcp(":80"), true},
		"everywhere in IP4": {tcp("0.0.0.0:80"), tcp(":80"), true},
		"less than all":     {tcp("[::]:80"), tcp("127.0.0.1:80"), false},
		"sockets":           {&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/a"}, true},
		"two sockets":       {&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/b"}, false},
		"two families":      {&net.UnixAddr{Name: "127.0.0.1:80"}, tcp("127.0.0.1:80"), false},
	} {
		if got := sameAddress(test.a, test.b); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestNotifier(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"a path":                     filepath.Join(t.TempDir(), "s"),
		"outside of the file system": "@workspace-router-test-" + filepath.Base(t.TempDir()) + "-" + t.Name(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := (notifier{address}).tell(t.Context(), notifyMain(7)); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			buffer := make([]byte, 100)
			n, err := conn.Read(buffer)
			if want := "MAINPID=7\nREADY=1"; err != nil || string(buffer[:n]) != want {
				t.Errorf("got %q, %v, want %q", buffer[:n], err, want)
			}
		})
	}
	if err := (notifier{}).tell(t.Context(), notifyReady); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := (notifier{filepath.Join(t.TempDir(), "none")}).tell(t.Context(), notifyReady); err == nil {
		t.Error("a service manager that is not there was told")
	}
}
