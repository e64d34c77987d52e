package main

import (
	"errors"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
)

const (
	fdRouter = 3 // the router's end of the socket pair

	// killPatience is how long after SIGKILL a launch may take to be proven gone before the router is told that it is
	// not. What is stuck in the kernel can take longer; the keeper goes on trying.
	killPatience = 10 * time.Second
	// lockPoll is how often a lock is tried that a predecessor still holds.
	lockPoll = 20 * time.Millisecond
	// farewell bounds how long a router may take to read the last messages.
	farewell = 2 * time.Second
)

// holder is the keeper. All of it belongs to the goroutine that runs it, but for post.
type holder struct {
	data    keeper.Data
	id      keeper.DataID
	boot    string
	program keeper.Program // that this process runs
	log     *log.Logger
	system  system
	now     func() time.Time

	storage storage

	work chan func() // what others have found, to be done by the owner
	quit chan struct{}
	crew sync.WaitGroup // every other goroutine that posts

	sessions map[*session]struct{}
	master   *session      // has the session: its word counts
	leaver   *session      // had it, and has requests open; never more than one
	door     *os.File      // where routers connect; nil until leftovers are reaped
	token    keeper.Token  // what those must know
	admits   bool          // there is a goroutine that takes them in
	alone    chan struct{} // closed when a router attaches; there while launches are held without one
	missed   []keeper.Held // what has ended while there was no router

	launches map[string]*launch
	roots    map[int]*launch // by the pid of a root process that was not reaped yet
	sweep    sweeper

	groups groups           // the launches' control groups
	lock   *keeper.FileLock // the data directory's
	wanted *renewal         // another program is to go on
	deaf   bool             // nothing is heard from routers, because of that
	still  bool             // and nothing of launches
	open   bool             // hello was said
	ending bool
	told   bool // done was said
}

// system is what the keeper asks of the machine. Tests have another one.
type system interface {
	fork(s keeper.Start, id keeper.DataID, files channels, group cgroup.Group) (forked, error)
	program(root proc.ID, inside int) proc.ID // what runs below a contained root, by its pid there
	child(pid int) (proc.ID, error)           // of this process
	census(scope proc.Scope) (proc.Census, error)
	signal(id proc.ID, signal unix.Signal) error
	group(pid int) // SIGKILL to the process group that the root leads
	wait(id keeper.DataID) (dead ended, found bool)
	// replace has this process run another program, which inherits the files; it returns only where it cannot.
	replace(path string, args []string, files []*os.File) error
}

// channels are what a launch is connected by.
type channels struct {
	output *os.File // its standard output and error
	line   *os.File // a preloader's orders, or the exec step's end of one; nil where there is none
	sees   string   // with an order: the means that the preloader's sandbox has
}

// forked is a launch's root process that has just begun.
type forked struct {
	root      proc.ID
	report    *os.File // what the exec step says
	contained bool     // it is the first of a PID namespace of the launch's own, which ends with it
	outside   error    // why it is not in the control group that it was to be born into
}

// ended is a child that was reaped: a root process, or an orphan that came to the subreaper.
type ended struct {
	pid    int
	status unix.WaitStatus
	launch string // by its brand; empty where it bore none
}

// ears are the signals that a keeper hears.
type ears struct{ children, terminate chan os.Signal }

// begin makes a holder of this process, with nothing to hold.
func begin(dir string) (h *holder, e ears, err error) {
	data := keeper.Data(dir)
	if err := data.Check(); err != nil {
		return nil, e, err
	}
	e = ears{children: make(chan os.Signal, 1), terminate: make(chan os.Signal, 1)}
	signal.Notify(e.terminate, unix.SIGTERM)
	// A terminal's signals are the router's to judge. They are caught, not ignored, because an ignored one is inherited.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGTSTP)
	signal.Notify(e.children, unix.SIGCHLD)
	if err := become(data); err != nil {
		return nil, e, err
	}
	id, err := keeper.IdentifyData(dir)
	if err != nil {
		return nil, e, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, e, err
	}
	logger, err := openLog(data)
	if err != nil {
		return nil, e, err
	}
	h = newHolder(data, id, boot, logger, machine{lacks: probeNamespaces()})
	h.program, err = keeper.IdentifyProgram(keeper.OwnProgram)
	return h, e, err
}

// run is the whole life of a keeper.
func run(dir, groupSetting string) error {
	h, e, err := begin(dir)
	if err != nil {
		return err
	}
	h.groups = findGroups(groupSetting)
	router, err := openRouter()
	if err != nil {
		return err
	}
	first := newSession(router)
	first.role, first.pid = serving, starterOf(fdRouter)
	h.master = first
	h.attend(first)
	return h.live(e.children, e.terminate)
}

func newHolder(data keeper.Data, id keeper.DataID, boot string, logger *log.Logger, sys system) *holder {
	return &holder{
		data: data, id: id, boot: boot, log: logger, system: sys, storage: disk{}, now: time.Now,
		work: make(chan func()), quit: make(chan struct{}),
		sessions: map[*session]struct{}{}, launches: map[string]*launch{}, roots: map[int]*launch{},
	}
}

// attend serves a router until its connection ends.
func (h *holder) attend(s *session) {
	h.sessions[s] = struct{}{}
	go s.write()
	h.listen(s)
}

// listen hears what a router says until its connection ends, or until the keeper is deaf.
func (h *holder) listen(s *session) {
	s.listening = true
	h.crew.Go(func() {
		err := s.read(func(m keeper.Message) { h.post(func() { h.command(s, m) }) })
		h.post(func() {
			s.listening = false
			switch {
			case !errors.Is(err, os.ErrDeadlineExceeded):
				h.lost(s, err)
			case !h.deaf: // not any more
				h.listen(s)
			}
		})
	})
}

// post has the owner do something. It waits until the owner takes it, or until there is no owner any more.
func (h *holder) post(work func()) {
	select {
	case h.work <- work:
	case <-h.quit:
	}
}

// live runs until the end was asked for and nothing is left.
func (h *holder) live(children, terminate <-chan os.Signal) error {
	defer h.crew.Wait()
	defer close(h.quit)
	lock, err := h.takeLock(terminate)
	if err != nil || lock == nil {
		h.conclude()
		h.dismiss()
		return err
	}
	h.lock = lock
	defer lock.Close()
	h.openGroups()
	hello, err := h.succeed()
	if err == nil {
		err = h.openDoor()
	}
	if err != nil {
		h.dismiss()
		return err
	}
	defer h.closeDoor() // before the lock is free: the next keeper's is of the same name
	h.greetAll(hello)
	h.serve(children, terminate)
	return nil
}

// serve does what is asked for until the end was and nothing is left.
func (h *holder) serve(children, terminate <-chan os.Signal) {
	h.conclude()
	for !h.ending || len(h.launches) > 0 {
		select {
		case work := <-h.work:
			work()
		case <-children:
			h.reap()
		case <-terminate:
			h.end("terminated by a signal")
		}
		h.renewIfDue(children)
		h.conclude()
	}
	h.groups.yield()
	h.log.Print("ends, nothing is left")
	h.dismiss()
}

// greetAll opens for commands. The door is open already: a router that hears hello can be killed at once, and its
// launches are held for the next.
func (h *holder) greetAll(hello keeper.Hello) {
	if !h.ending {
		h.open = true
		h.broadcast(keeper.Message{Hello: &hello})
	}
}

// takeLock takes the data directory's lock, or nil where the end comes before.
func (h *holder) takeLock(terminate <-chan os.Signal) (*keeper.FileLock, error) {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for told := false; !h.ending; {
		lock, err := h.storage.lock(h.data.KeeperLock())
		if err == nil {
			return lock, nil
		}
		var locked *keeper.LockedError
		if !errors.As(err, &locked) {
			return nil, err
		}
		if !told {
			told = true
			h.broadcast(keeper.Message{Waiting: &keeper.Waiting{PID: locked.PID}})
		}
		select {
		case <-poll.C:
		case work := <-h.work:
			work()
		case <-terminate:
			h.end("terminated by a signal")
		}
	}
	return nil, nil //nolint:nilnil // as documented
}

// end begins the end: all launches are stopped at once, each with its own signal and grace.
func (h *holder) end(reason string) {
	if h.ending {
		return
	}
	h.ending = true
	h.log.Printf("stops %d launches: %s", len(h.launches), reason)
	for _, l := range h.launches {
		h.stop(l, false)
	}
}

// conclude answers a shutdown once each launch is gone, or known not to be in time.
func (h *holder) conclude() {
	if !h.ending || h.told {
		return
	}
	var left []string
	for id, l := range h.launches {
		if !l.stuck {
			return
		}
		left = append(left, id)
	}
	h.told = true
	for s := range h.sessions {
		if s.asked {
			s.send(keeper.Message{Done: &keeper.Done{Left: left}})
		}
	}
}

// tell says something of one launch.
func (h *holder) tell(of keeper.Start, m keeper.Message) {
	m.Nonce = of.Nonce
	h.broadcast(m)
}

// broadcast reaches the router that has the session, and one that is leaving.
func (h *holder) broadcast(m keeper.Message) {
	for _, s := range []*session{h.master, h.leaver} {
		if s != nil {
			s.send(m)
		}
	}
}

func (h *holder) dismiss() {
	for s := range h.sessions {
		s.close(farewell)
	}
}
