package keeper

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestConn_CarriesMessages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	messages := []Message{
		{Start: &Start{Launch: "abcd1234", Env: []string{"A=b\nc", "B=\x01"}, Grace: time.Second, Log: LogFile{Path: "/x", Limit: 1}}},
		{Stop: &Stop{Launch: "abcd1234", Force: true}},
		{Shutdown: &Shutdown{}},
		{Hello: &Hello{PID: 1, Reaped: []Reaped{{Launch: "abcd1234", PIDs: []int{1, 2}, Left: true}}}},
		{Gone: &Gone{Launch: "abcd1234", Status: Status{Code: -1, Signal: "SIGKILL", At: at}, LastLog: []string{"a\tb"}}},
		{Done: &Done{}},
	}
	var wire bytes.Buffer
	conn := NewConn(&wire)
	for _, m := range messages {
		if err := conn.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range messages {
		want.Version = Version
		got, err := conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	}
	if _, err := conn.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v at the end, want io.EOF", err)
	}
}

func TestConn_RefusesWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ line, says string }{
		"no JSON":         {"hello\n", "cannot decode"},
		"another version": {`{"v":2,"shutdown":{}}` + "\n", "protocol version 2"},
		"no version":      {`{"shutdown":{}}` + "\n", "protocol version 0"},
		"too long":        {strings.Repeat("x", MaxMessage+1) + "\n", "too long"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewConn(bytes.NewBufferString(test.line)).Read()
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
	var wire bytes.Buffer
	if err := NewConn(&wire).Write(Message{Start: &Start{Dir: strings.Repeat("x", MaxMessage)}}); err == nil || wire.Len() > 0 {
		t.Errorf("a message that is too long was sent: %v", err)
	}
}

func TestMark_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Mark{
			Data:   DataID(rapid.Uint64().Draw(t, "data")),
			Launch: rapid.StringMatching(`[0-9a-z]{8}`).Draw(t, "launch"),
			Nonce:  rapid.StringMatching(`[A-Za-z0-9_:-]*`).Draw(t, "nonce"),
		}
		if !ValidLaunch(want.Launch) {
			return
		}
		if got, found := ParseMark(want.String()); !found || got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	for _, text := range []string{"", "x", "0011223344556677", "0011223344556677:short:n", "zz:abcd1234:n", "0011223344556677:abcd1234"} {
		if mark, found := ParseMark(text); found {
			t.Errorf("%q was read as %+v", text, mark)
		}
	}
}

// A brand names exactly one launch, and is none of another data directory's but where the first bits are the same.
func TestBrand_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := DataID(rapid.Uint64().Draw(t, "data"))
		launch := rapid.StringMatching(`[0-9a-z]{8}`).Draw(t, "launch")
		if !ValidLaunch(launch) {
			return
		}
		brand := NewBrand(data, launch)
		if brand>>63 != 0 {
			t.Errorf("brand %x is taken for no limit", brand)
		}
		if got, found := brand.Launch(data); !found || got != launch {
			t.Errorf("got %q %v, want %q", got, found, launch)
		}
		other := DataID(rapid.Uint64().Draw(t, "other"))
		if got, found := brand.Launch(other); found != (uint64(other)>>43 == uint64(data)>>43) {
			t.Errorf("another data directory reads %q %v", got, found)
		}
	})
}

func TestValidLaunch(t *testing.T) {
	t.Parallel()
	for launch, want := range map[string]bool{
		"abcd1234": true, "00000000": true, "zzzzzzzz": true,
		"launches": false, "ABCD1234": false, "abcd123": false, "abcd12345": false, "abcd/234": false, "": false,
	} {
		if got := ValidLaunch(launch); got != want {
			t.Errorf("%q: got %v, want %v", launch, got, want)
		}
	}
}

func TestData_ChecksTheLengthOfSockets(t *testing.T) {
	t.Parallel()
	const fits = maxSocketPath - len("/run/keeper.sock")
	for length, want := range map[int]string{fits: "", fits + 1: "shorten it by 1", fits + 30: "shorten it by 30"} {
		err := Data("/" + strings.Repeat("x", length-1)).Check()
		if got := err == nil; got != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: got %v, want %q", length, err, want)
		}
	}
}

func TestIdentifyData_TellsACopyFromTheOriginal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	original := filepath.Join(dir, "a")
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	first, err := IdentifyData(original)
	if err != nil {
		t.Fatal(err)
	}
	second, err := IdentifyData(filepath.Join(dir, "b"))
	if err != nil || first == second {
		t.Errorf("two directories have the ids %v and %v: %v", first, second, err)
	}
	if err := os.Rename(original, filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	if moved, err := IdentifyData(filepath.Join(dir, "c")); err != nil || moved != first {
		t.Errorf("a directory that was moved has the id %v, before %v: %v", moved, first, err)
	}
}

func TestLock_OneHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(path)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("got %v, want it locked by process %d", err, os.Getpid())
	}
	// A copy of the descriptor, as a child has that is between fork and exec, does not keep the lock.
	copied, err := unix.FcntlInt(first.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Lock(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	second.Close()
}

// Whatever arrives, reading ends, and what is read can be sent again.
func FuzzConn_Read(f *testing.F) {
	f.Add([]byte(`{"v":1,"stop":{"launch":"abcd1234","force":true}}` + "\n"))
	f.Add([]byte("{}\n{\n\n"))
	f.Add([]byte(`{"v":1,"gone":{"status":{"at":"x"}}}`))
	f.Fuzz(func(t *testing.T, wire []byte) {
		conn := NewConn(bytes.NewBuffer(wire))
		for {
			m, err := conn.Read()
			if err != nil {
				return
			}
			if err := NewConn(&bytes.Buffer{}).Write(m); err != nil {
				t.Errorf("%+v cannot be sent again: %v", m, err)
			}
		}
	})
}
