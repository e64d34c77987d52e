package main

import (
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
)

const patience = 10 * time.Second

// fakeMachine has processes that exist in a table alone.
type fakeMachine struct {
	mu         sync.Mutex
	next       int
	processes  map[proc.ID]*fakeProcess
	unkillable map[proc.ID]bool
	signalled  map[proc.ID][]unix.Signal
	dead       []ended
	children   chan os.Signal
	reports    map[string]*os.File // the exec step's end of each launch
	refuse     string              // what the exec step reports
	scopes     []proc.Scope        // of every census
	faults     *faults
	garble     bool       // the exec step reports what makes no sense
	contain    bool       // the exec step stays above the program, and its report open
	replaced   [][]string // the arguments of every program that this process was to run
}

type fakeProcess struct {
	stat   proc.Stat
	launch string // empty for a stray
	root   bool
}

func newFakeMachine() *fakeMachine {
	return &fakeMachine{
		next: 1000, processes: map[proc.ID]*fakeProcess{}, unkillable: map[proc.ID]bool{}, signalled: map[proc.ID][]unix.Signal{},
		children: make(chan os.Signal, 1), reports: map[string]*os.File{}, faults: &faults{},
	}
}

func (*fakeMachine) child(pid int) (proc.ID, error) { return proc.ID{PID: pid, Start: 1}, nil }

func (m *fakeMachine) fork(s keeper.Start, _ keeper.DataID, _ channels, _ cgroup.Group) (forked, error) {
	if err := m.faults.of("fork"); err != nil {
		return forked{}, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return forked{}, err
	}
	if m.contain {
		m.reports[s.Launch] = write
		_, err := write.WriteString(`{"Program":2}`)
		return forked{root: m.add(s.Launch, true), report: read, contained: true}, err
	}
	defer write.Close()
	if _, err := write.WriteString(m.refuse); err != nil {
		return forked{}, err
	}
	if m.garble {
		_, _ = write.WriteString("{]") // what comes of it is the test
	}
	id := m.add(s.Launch, true)
	if m.refuse != "" {
		m.end(id, 127<<8)
	}
	return forked{root: id, report: read}, nil
}

func (m *fakeMachine) program(root proc.ID, _ int) proc.ID { return root }

// replace is where a program that goes on would begin. It cannot.
func (m *fakeMachine) replace(_ string, args []string, _ []*os.File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replaced = append(m.replaced, args)
	return unix.ENOEXEC
}

// add makes a process.
func (m *fakeMachine) add(launch string, root bool) proc.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	id := proc.ID{PID: m.next, Start: uint64(m.next)}
	m.processes[id] = &fakeProcess{stat: proc.Stat{ID: id, State: 'S'}, launch: launch, root: root}
	return id
}

// end ends a process, as a child of the keeper's.
func (m *fakeMachine) end(id proc.ID, status unix.WaitStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endLocked(id, status)
}

func (m *fakeMachine) endAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.unkillable)
	for id := range m.processes {
		m.endLocked(id, 0)
	}
}

func (m *fakeMachine) endLocked(id proc.ID, status unix.WaitStatus) {
	p := m.processes[id]
	if p == nil {
		return
	}
	delete(m.processes, id)
	m.dead = append(m.dead, ended{pid: id.PID, status: status, launch: p.launch})
	select {
	case m.children <- unix.SIGCHLD:
	default:
	}
}

func (m *fakeMachine) census(scope proc.Scope) (proc.Census, error) {
	if err := m.faults.of("census"); err != nil {
		return proc.Census{}, err
	}
	m.mu.Lock()
	m.scopes = append(m.scopes, scope)
	var list []*fakeProcess
	for _, p := range m.processes {
		list = append(list, p)
	}
	m.mu.Unlock()
	census := proc.Census{Members: map[string][]proc.Stat{}}
	for _, p := range list {
		if p.launch == "" {
			census.Strays = append(census.Strays, proc.Stray{Stat: p.stat})
			continue
		}
		if scope.Wanted != nil && !scope.Wanted(p.launch) {
			continue
		}
		census.Members[p.launch] = append(census.Members[p.launch], p.stat)
		if scope.Found != nil {
			scope.Found(p.launch, p.stat)
		}
	}
	return census, nil
}

func (m *fakeMachine) signal(id proc.ID, signal unix.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signalled[id] = append(m.signalled[id], signal)
	if err := m.faults.of("signal"); err != nil {
		return err
	}
	if signal == unix.SIGKILL && !m.unkillable[id] {
		m.endLocked(id, unix.WaitStatus(unix.SIGKILL))
	}
	return nil
}

func (m *fakeMachine) group(pid int) {
	id := proc.ID{PID: pid, Start: uint64(pid)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signalled[id] = append(m.signalled[id], unix.SIGKILL)
	if !m.unkillable[id] {
		m.endLocked(id, unix.WaitStatus(unix.SIGKILL))
	}
}

func (m *fakeMachine) wait(keeper.DataID) (ended, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.dead) == 0 {
		return ended{}, false
	}
	dead := m.dead[0]
	m.dead = m.dead[1:]
	return dead, true
}

// censusesOf counts the censuses that looked for a launch.
func (m *fakeMachine) censusesOf(launch string) (count int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, scope := range m.scopes {
		if slices.ContainsFunc(scope.Roots, func(r proc.Root) bool { return r.Launch == launch }) {
			count++
		}
	}
	return count
}

func (m *fakeMachine) signals(id proc.ID) []unix.Signal {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.signalled[id])
}

func (m *fakeMachine) setUnkillable(id proc.ID, unkillable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unkillable[id] = unkillable
}

// clock is the keeper's time for deadlines.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stage is a keeper over a fake machine, with a router that is the test.
type stage struct {
	*testing.T
	machine *fakeMachine
	clock   *clock
	data    keeper.Data
	groups  groups
	holder  *holder
	router  *os.File
	conn    *keeper.Conn
	inbox   chan keeper.Message
	over    chan error // what the keeper's life ended with
	signals chan os.Signal
}

func newStage(t *testing.T, prepare ...func(*stage)) *stage {
	t.Helper()
	data := keeper.Data(t.TempDir())
	for _, dir := range []string{filepath.Dir(data.KeeperLock()), data.Records(), filepath.Dir(data.KeeperLog())} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := socketPair(t)
	s := &stage{
		T: t, machine: newFakeMachine(), clock: &clock{now: time.Unix(1_000_000, 0)}, data: data, router: ours,
		conn: keeper.NewConn(ours), inbox: make(chan keeper.Message, 100), over: make(chan error, 1), signals: make(chan os.Signal, 1),
	}
	for _, f := range prepare {
		f(s)
	}
	h := newHolder(data, 1, "boot", log.New(io.Discard, "", 0), s.machine)
	h.now = s.clock.read
	h.storage, h.groups = faultyDisk{faults: s.machine.faults}, s.groups
	s.holder = h
	first := newSession(theirs)
	first.role, h.master = serving, first
	h.attend(first)
	go func() { s.over <- h.live(s.machine.children, s.signals) }()
	go func() {
		defer close(s.inbox)
		for {
			m, err := s.conn.Read()
			if err != nil {
				return
			}
			s.inbox <- m
		}
	}()
	t.Cleanup(func() {
		s.router.Close()
		s.machine.endAll()
		select {
		case <-s.over:
		case <-time.After(patience):
			t.Error("the keeper does not end")
		}
	})
	return s
}

func socketPair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
}

func (s *stage) command(m keeper.Message) {
	s.Helper()
	if err := s.conn.Write(m); err != nil {
		s.Fatal(err)
	}
}

// next gives the keeper's next message.
func (s *stage) next() keeper.Message {
	s.Helper()
	select {
	case m, open := <-s.inbox:
		if !open {
			s.Fatal("the keeper has closed the connection")
		}
		return m
	case <-time.After(patience):
		s.Fatal("the keeper says nothing")
	}
	return keeper.Message{}
}

func (s *stage) hello() keeper.Hello {
	s.Helper()
	m := s.next()
	if m.Hello == nil {
		s.Fatalf("got %+v, want hello", m)
	}
	return *m.Hello
}

// startOf is a valid command.
func (s *stage) startOf(launch, generation string) keeper.Start {
	return keeper.Start{
		Launch: launch, Generation: generation, Workspace: launch, Nonce: "n",
		Program: "/bin/true", Args: []string{"true"}, Dir: "/", RunDir: s.data.RunDir(launch),
		Log: keeper.LogFile{Path: s.data.Log(launch), Limit: 1 << 20}, Signal: int(unix.SIGTERM), Grace: time.Hour,
	}
}

// start makes a launch run and gives its root process.
func (s *stage) start(launch, generation string) proc.ID {
	s.Helper()
	command := s.startOf(launch, generation)
	s.command(keeper.Message{Start: &command})
	m := s.next()
	if m.Spawned == nil || m.Spawned.Launch != launch {
		s.Fatalf("got %+v, want launch %s spawned", m, launch)
	}
	return proc.ID{PID: m.Spawned.PID, Start: m.Spawned.Start}
}

func (s *stage) stop(launch string, force bool) {
	s.Helper()
	s.command(keeper.Message{Nonce: "n", Stop: &keeper.Stop{Launch: launch, Force: force}})
}

func (s *stage) locked(generation string) bool {
	lock, err := keeper.Lock(s.data.GenerationLock(generation))
	if err == nil {
		lock.Close()
		return false
	}
	var locked *keeper.LockedError
	if !errors.As(err, &locked) {
		s.Error(err)
	}
	return true
}

func (s *stage) eventually(what string, condition func() bool) {
	s.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-deadline.C:
			s.Fatalf("not so: %s", what)
		}
	}
}
