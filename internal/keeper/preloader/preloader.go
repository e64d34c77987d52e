// Package preloader is what the keeper, its exec step and the preloader have in common: a Python process that has imported
// what a program uses, and becomes the program by fork. It holds the preloader's script, the forms in which the three
// talk, and the exec step's side of a hand-over. It starts nothing, and uses nothing beyond the standard library and x/sys.
//
// An order is another socket pair. The keeper sends one end to the preloader, over the pair that it made when it started
// it, and gives the other to the launch's exec step. The two then are alone:
//
//	exec step                       the process that was forked
//	order (a memory file), files →
//	                                enters the namespaces, forks, is held by all that holds a program
//	                             ←  pid | error
//	looks at it
//	go                           →  runs the program
//
// "go" is the keeper's where the exec step is to end, and the process to be the root of the launch in its place. Whatever
// fails before it leaves the exec step to execute the program itself.
package preloader

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Script is the preloader, for CPython 3.10 and later.
//
//go:embed preload.py
var Script string

// SelfTest is a program that says what it finds, for CPython 3.10 and later.
//
//go:embed selftest.py
var SelfTest string

// Version is that of all that is said here. The script refuses another.
const Version = 1

// Control is the descriptor on which a preloader takes orders.
const Control = 5

// Setup is what a preloader is told when it begins, in a file.
type Setup struct {
	Version int      `json:"version"`
	Program string   `json:"program"` // the path of the program's script
	Own     []string `json:"own"`     // the program's own top-level packages, which it must not import
	Probe   []string `json:"probe"`   // modules of the program, which a process that ends then imports to find the others
	Warm    []Call   `json:"warm"`    // what is called then
	Ready   string   `json:"ready"`   // the path of the file that it makes, a Ready
}

// Call is a function of a module and its arguments.
type Call struct {
	Call string   `json:"call"`
	Args []string `json:"args"`
}

// Ready is what a preloader says once it takes orders, or why it does not.
type Ready struct {
	Version int      `json:"version"`
	Refused string   `json:"refused"`
	Modules int      `json:"modules"` // that it has imported
	Skipped []string `json:"skipped"` // that cannot be imported by their names; some of them
	Reads   []string `json:"reads"`   // variables that an import asked for; "*" is all
	CPU     float64  `json:"cpu"`     // seconds
}

// Order is what a forked process is told. It holds the worker's environment, and so its secrets.
type Order struct {
	Version  int      `json:"version"`
	Args     []string `json:"args"`     // sys.argv: the program's script first
	Original []string `json:"original"` // the whole command line, the interpreter first
	Env      []string `json:"env"`      // the mark first
	Dir      string   `json:"dir"`

	Files     uint64 `json:"files"` // 0 leaves the limit as it is
	Brand     uint64 `json:"brand"`
	User      int    `json:"user"`      // 0 is to stay who it is
	Processes int    `json:"processes"` // with User
	Kept      uint64 `json:"kept"`      // capabilities

	Landlock     bool   `json:"landlock"` // there is a file with a ruleset
	RestrictSelf int    `json:"restrict_self"`
	Filter       []byte `json:"filter"` // of system calls, as the kernel takes it; empty is none

	Namespaces int  `json:"namespaces"` // how many files of them there are
	Contained  bool `json:"contained"`  // the last of them is that of processes
	Parent     int  `json:"parent"`     // its pid, as the process sees it
	Death      int  `json:"death"`      // the parent-death signal; 0 is none
}

// answer is what the process says before it runs the program.
type answer struct {
	PID   int    `json:"pid"`
	Error string `json:"error"`
}

// Line is the exec step's, or the keeper's, end of one order.
type Line struct{ file *os.File }

// NewLine takes over the file.
func NewLine(file *os.File) Line { return Line{file} }

// Close gives the order up, unless Go was said.
func (l Line) Close() { l.file.Close() }

// HandOver sends the order with its files, which stay the caller's: standard input, output and error, the namespaces, the
// ruleset. It gives the pid of the process, in its own namespace, that waits for Go.
func (l Line) HandOver(o Order, files []*os.File, patience time.Duration) (pid int, err error) {
	memory, err := o.file()
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	numbers := []int{int(memory.Fd())}
	for _, file := range files {
		numbers = append(numbers, int(file.Fd()))
	}
	fd := int(l.file.Fd())
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return 0, fmt.Errorf("cannot limit the wait for the preloader: %w", err)
	}
	if err := unix.Sendmsg(fd, []byte{0}, unix.UnixRights(numbers...), nil, unix.MSG_NOSIGNAL); err != nil {
		return 0, fmt.Errorf("cannot reach the preloader: %w", err)
	}
	return l.listen(fd)
}

func (l Line) listen(fd int) (pid int, err error) {
	buffer := make([]byte, 4<<10)
	n := 0
	for {
		if n, err = unix.Read(fd, buffer); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	var a answer
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, errors.New("the preloader does not answer in time")
	case err != nil:
		return 0, fmt.Errorf("cannot hear the preloader: %w", err)
	case n == 0:
		return 0, errors.New("the preloader has ended")
	case json.Unmarshal(buffer[:n], &a) != nil:
		return 0, errors.New("the preloader's answer makes no sense")
	case a.Error != "":
		return 0, errors.New(a.Error)
	case a.PID <= 0:
		return 0, errors.New("the preloader's answer names no process")
	}
	return a.PID, nil
}

// Go has the process run the program.
func (l Line) Go() error {
	if err := unix.Sendmsg(int(l.file.Fd()), []byte{1}, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("cannot tell the forked process to go on: %w", err)
	}
	return nil
}

// file puts the order where only the process finds it.
func (o Order) file() (*os.File, error) {
	o.Version = Version
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the order: %w", err)
	}
	fd, err := unix.MemfdCreate("order", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "order")
	if _, err = memory.Write(text); err == nil {
		_, err = memory.Seek(0, 0)
	}
	if err != nil {
		memory.Close()
		return nil, fmt.Errorf("cannot write a memory file: %w", err)
	}
	return memory, nil
}

// Pair makes the two ends of a conversation, of which each message is read whole.
func Pair() (own, other *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "own"), os.NewFile(uintptr(pair[1]), "other"), nil
}

// Request asks a preloader for a process that listens on the line. It does not wait: a preloader that has not taken the
// orders before is not to be relied on.
func Request(control, line *os.File) error {
	err := unix.Sendmsg(int(control.Fd()), []byte{0}, unix.UnixRights(int(line.Fd())), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	if err != nil {
		return fmt.Errorf("cannot reach the preloader: %w", err)
	}
	return nil
}
