package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// faults makes a call of the keeper fail, from a certain one on.
type faults struct {
	mu    sync.Mutex
	call  string
	err   error
	from  int // counted from 1
	count int // calls since it was set
}

func (f *faults) set(call string, err error, from int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call, f.err, f.from, f.count = call, err, from, 0
}

// of counts a call and says how it fails.
func (f *faults) of(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call != f.call {
		return nil
	}
	if f.count++; f.count < f.from {
		return nil
	}
	return fmt.Errorf("cannot %s: %w", call, f.err)
}

func (f *faults) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// faultyDisk is the real disk, but for its faults.
type faultyDisk struct {
	disk
	faults *faults
}

func (d faultyDisk) lock(path string) (*keeper.FileLock, error) {
	if err := d.faults.of("lock"); err != nil {
		return nil, err
	}
	return d.disk.lock(path)
}

func (d faultyDisk) place(path string, text []byte) error {
	if err := d.faults.of("place"); err != nil {
		return err
	}
	return d.disk.place(path, text)
}

func (d faultyDisk) pipe() (read, write *os.File, err error) {
	if err := d.faults.of("pipe"); err != nil {
		return nil, nil, err
	}
	return d.disk.pipe()
}

func (d faultyDisk) openLog(spec keeper.LogFile) (*logFile, error) {
	if err := d.faults.of("openLog"); err != nil {
		return nil, err
	}
	return d.disk.openLog(spec)
}

func (d faultyDisk) clear(dir string) error {
	if err := d.faults.of("clear"); err != nil {
		return err
	}
	return d.disk.clear(dir)
}

// What fails before the process is there refuses the launch with the system's reason, and leaves nothing: no lock, no
// record, no process. The same command succeeds when the fault is gone.
func TestFault_RefusesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for call, list := range map[string][]unix.Errno{
		"lock":    {unix.EIO, unix.ENOSPC, unix.EMFILE, unix.EACCES, unix.EROFS},
		"place":   {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.EROFS}, // open, write or rename of the record
		"pipe":    {unix.EMFILE, unix.ENFILE},
		"openLog": {unix.EIO, unix.ENOSPC, unix.EMFILE, unix.EACCES, unix.EROFS},
		"fork":    {unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENOSPC},
	} {
		for _, errno := range list {
			t.Run(call+"/"+unix.ErrnoName(errno), func(t *testing.T) {
				t.Parallel()
				refusesAndLeavesNothing(t, call, errno)
			})
		}
	}
}

func refusesAndLeavesNothing(t *testing.T, call string, errno unix.Errno) {
	s := newStage(t)
	s.hello()
	s.machine.faults.set(call, errno, 1)
	command := s.startOf("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Start: &command})
	m := s.next()
	if m.Refused == nil || m.Refused.Reason != keeper.ReasonSetup || m.Refused.Errno != int(errno) || !strings.HasPrefix(m.Refused.Text, "cannot ") {
		t.Fatalf("got %+v, want it refused for %v", m.Refused, errno)
	}
	if s.locked("gen-a") {
		t.Error("the lock is held")
	}
	if files, err := os.ReadDir(s.data.Records()); err != nil || len(files) > 0 {
		t.Errorf("records are left: %v %v", files, err)
	}
	s.machine.faults.set("", nil, 0)
	s.start("aaaaaaaa", "gen-a")
}

// What fails when the process runs, or has ended, changes nothing of what is said about it.
func TestFault_GoesOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call string
		from int
	}{
		"the record cannot be completed":      {"place", 2},
		"the run directory cannot be removed": {"clear", 1},
		"the stop signal cannot be sent":      {"signal", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.hello()
			s.machine.faults.set(test.call, unix.EIO, test.from)
			command := s.startOf("aaaaaaaa", "gen-a")
			command.Grace = time.Millisecond
			s.command(keeper.Message{Start: &command})
			if m := s.next(); m.Spawned == nil {
				t.Fatalf("got %+v, want it spawned", m)
			}
			s.stop("aaaaaaaa", false)
			if m := s.next(); m.Exited == nil {
				t.Fatalf("got %+v, want exited", m)
			}
			if m := s.next(); m.Gone == nil || m.Gone.Proof != proof {
				t.Fatalf("got %+v, want gone", m)
			}
			if s.machine.faults.seen() < test.from {
				t.Errorf("%s did not fail: the test shows nothing", test.call)
			}
			if s.locked("gen-a") {
				t.Error("the lock is held after gone")
			}
		})
	}
}

// Without a census nothing is proven: the lock stays held until there is one.
func TestFault_NoCensusNoProof(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	s.machine.faults.set("census", unix.EMFILE, 1)
	s.stop("aaaaaaaa", true)
	if m := s.next(); m.Exited == nil {
		t.Fatalf("got %+v, want exited", m)
	}
	s.eventually("it is tried again", func() bool { return s.machine.faults.seen() > 3 })
	select {
	case m := <-s.inbox:
		t.Fatalf("got %+v without a census", m)
	default:
	}
	if !s.locked("gen-a") {
		t.Error("the lock is free without proof")
	}
	s.clock.advance(killPatience + time.Second)
	if m := s.next(); m.NotGone == nil {
		t.Fatalf("got %+v, want not_gone", m)
	}
	s.machine.faults.set("", nil, 0)
	if m := s.next(); m.Gone == nil {
		t.Fatalf("got %+v, want gone once it can be proven", m)
	}
}

// A keeper that cannot account for what was left before it, or that no router could find, takes no command.
func TestFault_NoHelloWithoutAccount(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*stage){
		"lock":   func(s *stage) { s.machine.faults.set("lock", unix.EIO, 1) },
		"census": func(s *stage) { s.machine.faults.set("census", unix.EIO, 1) },
		"records": func(s *stage) {
			if err := os.RemoveAll(s.data.Records()); err != nil {
				s.Error(err)
			}
		},
		"token": func(s *stage) { s.machine.faults.set("place", unix.ENOSPC, 1) },
		"door": func(s *stage) { // the socket's name is taken by what cannot be removed
			if err := os.MkdirAll(filepath.Join(s.data.KeeperSocket(), "x"), 0o700); err != nil {
				s.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, prepare)
			select {
			case err := <-s.over:
				if err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
					t.Errorf("it ended with %v", err)
				}
				s.over <- err // for the end of the stage
			case <-time.After(patience):
				t.Fatal("it goes on")
			}
			for m := range s.inbox {
				if m.Hello != nil {
					t.Error("it takes commands")
				}
			}
		})
	}
}

// An exec step whose report makes no sense may have begun the program. It is not left running, or waited for.
func TestFault_ReportWithoutSense(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.machine.garble = true
	command := s.startOf("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Start: &command})
	if m := s.next(); m.Exited == nil {
		t.Fatalf("got %+v, want exited", m)
	}
	if m := s.next(); m.Gone == nil {
		t.Fatalf("got %+v, want gone", m)
	}
	if s.locked("gen-a") {
		t.Error("the lock is held after gone")
	}
}

// The door stays open when there is no descriptor for who knocks: there will be one again.
func TestFault_DoorOutlivesScarcity(t *testing.T) {
	t.Parallel()
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if !scarce(fmt.Errorf("cannot accept: %w", errno)) {
			t.Errorf("%v closes it", errno)
		}
	}
	if scarce(os.ErrClosed) || scarce(unix.EBADF) || scarce(nil) {
		t.Error("it outlives its end")
	}
	h := newHolder(keeper.Data(t.TempDir()), 1, "boot", nil, newFakeMachine())
	if !h.lull() {
		t.Error("it does not go on")
	}
	close(h.quit)
	if h.lull() {
		t.Error("it goes on after the end")
	}
}

// A file that is put in place is there whole, or as it was, with nothing beside it.
func TestDisk_PlacesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := (disk{}).place(filepath.Join(dir, "record"), []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := (disk{}).place(filepath.Join(dir, "missing", "record"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (disk{}).place(taken, []byte("two")); err == nil {
		t.Error("a directory was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v %v, want the file and the directory alone", entries, err)
	}
}
