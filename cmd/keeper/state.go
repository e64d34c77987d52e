package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// stateVersion is that of what a keeper leaves to the program that goes on in its place. It changes with the meaning of
// anything below, and with that of what the first process of a contained launch reports, which runs the program of before.
const stateVersion = 1

// state is all that a keeper holds, while nothing is half done. Numbers of files are descriptors. It holds secrets, and is
// nowhere but in memory.
type state struct {
	Version  int            `json:"version"`
	ID       keeper.DataID  `json:"id"`
	Token    keeper.Token   `json:"token"`
	Lock     int            `json:"lock"`
	Door     int            `json:"door"`
	Sessions []sessionState `json:"sessions"`
	Launches []launchState  `json:"launches"`
	Groups   groups         `json:"groups"`
}

type sessionState struct {
	File   int           `json:"file"`
	Unread []byte        `json:"unread,omitempty"`
	PID    int           `json:"pid"`
	Role   role          `json:"role"`
	Keep   time.Duration `json:"keep"`
	Offer  keeper.Leave  `json:"offer"`
	Final  bool          `json:"final,omitempty"`
	Within time.Duration `json:"within,omitempty"` // from now on
}

type launchState struct {
	Start keeper.Start `json:"start"`
	By    int          `json:"by"` // the index of a session, or -1
	Lock  int          `json:"lock"`
	Root  proc.ID      `json:"root"`
	Phase phase        `json:"phase"`

	Contained bool           `json:"contained,omitempty"`
	Group     cgroup.Group   `json:"group"`
	Output    *outputState   `json:"output,omitempty"`
	Report    int            `json:"report"` // -1 where it is silent
	Said      stepReport     `json:"said"`
	Unheard   []byte         `json:"unheard,omitempty"`
	Ended     *keeper.Status `json:"ended,omitempty"`
	Exit      *keeper.Status `json:"exit,omitempty"`
	Asked     bool           `json:"asked,omitempty"`
	Killed    []proc.ID      `json:"killed,omitempty"`

	LockedAt  time.Time      `json:"locked_at"`
	SpawnedAt time.Time      `json:"spawned_at,omitzero"`
	Program   proc.ID        `json:"program"`
	Isolation sandbox.Result `json:"isolation"`
	Waits     bool           `json:"waits,omitempty"`
	Deadline  time.Duration  `json:"deadline,omitempty"` // from now on
	Stuck     bool           `json:"stuck,omitempty"`
	Control   int            `json:"control,omitempty"` // of a preloader; 0 where there is none
}

type outputState struct {
	Title   string   `json:"title"`
	Path    string   `json:"path"`
	Limit   int64    `json:"limit"`
	Stuck   bool     `json:"stuck,omitempty"`
	Pipe    int      `json:"pipe"` // -1, and so is the file, where all was written
	File    int      `json:"file"`
	Dropped int      `json:"dropped,omitempty"`
	Tail    [][]byte `json:"tail,omitempty"`
	Line    []byte   `json:"line,omitempty"`
	Cut     bool     `json:"cut,omitempty"`
}

// bequest collects the files that go with a state.
type bequest struct {
	files []*os.File
	err   error
}

func (b *bequest) add(file *os.File) int {
	number, err := descriptor(file)
	b.files, b.err = append(b.files, file), errors.Join(b.err, err)
	return number
}

// leave writes down what this keeper holds. Nothing changes by it.
func (h *holder) leave() (s state, files []*os.File, err error) {
	b := &bequest{}
	s = state{Version: stateVersion, ID: h.id, Token: h.token, Lock: b.add(h.lock.File()), Door: -1, Groups: h.groups}
	if h.door != nil {
		s.Door = b.add(h.door)
	}
	index := map[*session]int{}
	for r := range h.sessions {
		index[r] = len(s.Sessions)
		s.Sessions = append(s.Sessions, sessionState{
			File: b.add(r.file), Unread: r.conn.Unread(), PID: r.pid, Role: r.role, Keep: r.keep,
			Offer: r.offer, Final: r.final, Within: r.within.Sub(h.now()),
		})
	}
	for _, l := range h.launches {
		by, found := index[l.by]
		if !found {
			by = -1
		}
		s.Launches = append(s.Launches, launchState{
			Start: l.start, By: by, Lock: b.add(l.lock.File()), Root: l.root, Phase: l.phase,
			Contained: l.contained, Group: l.group, Output: l.output.leave(b), Report: -1, Said: l.said, Unheard: l.unheard,
			Ended: l.ended, Exit: l.exit, Asked: l.asked, Killed: slices.Collect(maps.Keys(l.killed)),
			LockedAt: l.lockedAt, SpawnedAt: l.spawnedAt, Program: l.program, Isolation: l.isolation, Waits: l.waits,
			Deadline: l.deadline.Sub(h.now()), Stuck: l.stuck,
		})
		if l.control != nil {
			s.Launches[len(s.Launches)-1].Control = b.add(l.control)
		}
		if l.report != nil {
			s.Launches[len(s.Launches)-1].Report = b.add(l.report)
		}
	}
	return s, b.files, b.err
}

// leave writes down how far the output is, which must be still; nil where there is none.
func (o *output) leave(b *bequest) *outputState {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &outputState{
		Title: o.title, Path: o.file.path, Limit: o.file.limit, Stuck: o.file.stuck, Pipe: -1, File: -1,
		Dropped: o.dropped, Line: o.line, Cut: o.cut,
	}
	for i := max(0, o.lines-lastLines); i < o.lines; i++ {
		s.Tail = append(s.Tail, o.tail[i%lastLines])
	}
	if !o.ended {
		s.Pipe, s.File = b.add(o.pipe), b.add(o.file.file)
	}
	return s
}

// seal puts the state where it cannot be changed any more.
func (s state) seal() (*os.File, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot encode what is held: %w", err)
	}
	fd, err := unix.MemfdCreate("keeper", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "state")
	_, err = memory.Write(text)
	if err == nil {
		_, err = memory.Seek(0, 0)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		memory.Close()
		return nil, fmt.Errorf("cannot write a memory file: %w", err)
	}
	return memory, nil
}

// readState reads what the program before left.
func readState(number int) (s state, err error) {
	memory := os.NewFile(uintptr(number), "state")
	if memory == nil {
		return s, errors.New("cannot read what is held: this command is for the keeper alone")
	}
	defer memory.Close()
	if err := json.NewDecoder(memory).Decode(&s); err != nil {
		return s, errors.New("cannot read what is held: it cannot be decoded") // not quoted: it holds secrets
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("cannot read what is held: it has version %d, want %d", s.Version, stateVersion)
	}
	return s, nil
}

// checkResume says whether this program could go on for one that leaves a state of that version.
func checkResume(version string) int {
	if version != strconv.Itoa(stateVersion) {
		fmt.Printf("cannot go on with a state of version %s, want %d\n", version, stateVersion)
		return exitFailed
	}
	fmt.Print(keeper.CanResume)
	return 0
}
