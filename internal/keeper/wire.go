package keeper

import (
	"encoding/json"
	"time"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/sandbox"
)

// Version of the protocol. Both sides refuse another.
const Version = 1

// MaxMessage bounds one line, its newline included. An environment of the kernel's usual limit fits many times over.
const MaxMessage = 4 << 20

// Message is one line: exactly one of its parts is set.
type Message struct {
	Version int `json:"v"`
	// Nonce is that of the launch that a Stop, or what the keeper says of a launch, is about. An id may be used again, as
	// when a worker is started once more with another port; what is late then is about the start before, and is not
	// taken for the next one's.
	Nonce string `json:"nonce,omitempty"`

	// Router to keeper.
	Attach   *Attach   `json:"attach,omitempty"`
	Start    *Start    `json:"start,omitempty"`
	Memo     *Memo     `json:"memo,omitempty"`
	Stop     *Stop     `json:"stop,omitempty"`
	Leave    *Leave    `json:"leave,omitempty"`
	Stay     *Stay     `json:"stay,omitempty"`
	Leases   *Leases   `json:"leases,omitempty"`
	Yielded  *Yielded  `json:"yielded,omitempty"`
	Release  *Release  `json:"release,omitempty"`
	Renew    *Renew    `json:"renew,omitempty"`
	Shutdown *Shutdown `json:"shutdown,omitempty"`

	// Keeper to router.
	Waiting   *Waiting   `json:"waiting,omitempty"`
	Denied    *Denied    `json:"denied,omitempty"`
	Held      *Held      `json:"held,omitempty"`
	Hello     *Hello     `json:"hello,omitempty"`
	Spawned   *Spawned   `json:"spawned,omitempty"`
	Refused   *Refused   `json:"refused,omitempty"`
	Exited    *Exited    `json:"exited,omitempty"`
	NotGone   *NotGone   `json:"not_gone,omitempty"`
	Gone      *Gone      `json:"gone,omitempty"`
	Taken     *Taken     `json:"taken,omitempty"`
	Stayed    *Stayed    `json:"stayed,omitempty"`
	Returned  *Returned  `json:"returned,omitempty"`
	Yield     *Yield     `json:"yield,omitempty"`
	Elsewhere *Elsewhere `json:"elsewhere,omitempty"`
	Renewed   *Renewed   `json:"renewed,omitempty"`
	Done      *Done      `json:"done,omitempty"`
}

// Start asks for one launch. The keeper answers with Spawned or Refused.
type Start struct {
	Launch     string `json:"launch"`     // 8 characters of [0-9a-z]
	Generation string `json:"generation"` // names the lock that is held while anything of the launch lives
	Workspace  string `json:"workspace"`  // for people only
	Nonce      string `json:"nonce"`      // part of the launch's mark

	Program string   `json:"program"` // absolute path
	Args    []string `json:"args"`    // the whole argv, the program's own name first
	Env     []string `json:"env"`     // the whole environment but for the mark, which the keeper adds
	Dir     string   `json:"dir"`     // working directory, absolute
	RunDir  string   `json:"run_dir"` // removed once the launch is gone; below the data directory's run/
	Files   uint64   `json:"files"`   // soft and hard limit of descriptors; 0 leaves them as they are

	Sandbox    *sandbox.Policy    `json:"sandbox,omitempty"` // what it may reach; nil is all that its user may
	Namespaces sandbox.Namespaces `json:"namespaces"`        // those that it is to have of its own, as far as the machine gives them
	User       sandbox.User       `json:"user"`              // whom it becomes
	Limits     cgroup.Limits      `json:"limits"`            // of what it takes, as far as the machine gives control groups

	// Preloader says that the program is one (internal/keeper/preloader), and takes orders; Preload, which one is to become
	// this launch's program, where the kind has it so.
	Preloader bool     `json:"preloader,omitempty"`
	Preload   *Preload `json:"preload,omitempty"`

	Log LogFile `json:"log"`

	// Memo is what the router would have its successor know of the launch, the launch's secret above all. It stays in the
	// keeper's memory and goes to nobody but an attached router. The keeper does not read it.
	Memo json.RawMessage `json:"memo,omitempty"`

	// The keeper must be able to stop the worker when the router is gone, so it is told how from the start.
	Signal int           `json:"signal"` // asks the root process to end
	Grace  time.Duration `json:"grace"`  // nanoseconds from there to SIGKILL
}

// Preload asks for a launch whose program is forked from a preloader. Where that cannot be, the program is executed, and
// what is missing in the launch's isolation names it.
type Preload struct {
	From   string   `json:"from"`   // the preloader's launch
	Before []string `json:"before"` // the interpreter and its options, which come before Args when the program is executed
}

// LogFile is where the output of a launch goes.
type LogFile struct {
	Path string `json:"path"`
	// Limit is the size in bytes at which the file is rotated; two older ones are kept.
	Limit int64 `json:"limit"`
}

// Stop asks for the end of a launch: signal, grace, SIGKILL to all that is left; with Force SIGKILL at once, also
// where a stop is under way. The answer is Gone, or NotGone and some time later Gone. A launch that the keeper does not
// know is gone: nothing survives the start of a keeper unaccounted for.
type Stop struct {
	Launch string `json:"launch"`
	Force  bool   `json:"force"`
}

// Shutdown asks for the end of all launches and of the keeper, which answers with Done and ends.
type Shutdown struct{}

// Waiting says that the data directory's lock is held by another process, a keeper that still stops its workers.
type Waiting struct {
	PID int `json:"pid"`
}

// Hello is said once, when commands may come: nothing of an earlier keeper's launches is left unaccounted for.
type Hello struct {
	PID    int      `json:"pid"`
	Proof  string   `json:"proof"` // the means by which launches are proven gone: "sweep", "sweep+cgroup"
	Reaped []Reaped `json:"reaped,omitempty"`

	// What the keeper runs, and the version of the state that it hands on where it is to run another program. Empty and 0
	// where it cannot.
	Program Program `json:"program,omitempty"`
	State   int     `json:"state,omitempty"`
}

// Reaped is a launch of an earlier keeper that was found at the start.
type Reaped struct {
	Launch     string `json:"launch"`
	Generation string `json:"generation,omitempty"` // empty where its record was lost
	Workspace  string `json:"workspace,omitempty"`
	PIDs       []int  `json:"pids,omitempty"` // what still ran and was killed
	// Left says that not all of it could be proven gone: its lock is held, and Gone follows when it is.
	Left bool `json:"left,omitempty"`
}

// Spawned says that the program runs: the exec step has handed over to it.
type Spawned struct {
	Launch   string    `json:"launch"`
	PID      int       `json:"pid"`
	Start    uint64    `json:"start"` // start time in clock ticks after boot: with the pid, one process for ever
	LockedAt time.Time `json:"locked_at"`
	At       time.Time `json:"at"`

	Isolation sandbox.Result `json:"isolation"`       // what holds it
	Group     string         `json:"group,omitempty"` // the path of its control group; empty where it has none
}

// Reason says at what a launch failed before its program ran.
type Reason string

// The reasons. ReasonExec and ReasonSetup carry an errno where the system gave one.
const (
	ReasonInvalid Reason = "invalid" // the command cannot be carried out as it is
	ReasonLocked  Reason = "locked"  // the generation's lock is held, by this keeper or by another process
	ReasonSetup   Reason = "setup"   // lock, record, log, pipe, fork, limits
	ReasonExec    Reason = "exec"    // the program could not be executed
	ReasonEnding  Reason = "ending"  // the keeper is shutting down
)

// Refused says that a launch did not come to be. Nothing of it is left.
type Refused struct {
	Launch string `json:"launch"`
	Reason Reason `json:"reason"`
	Errno  int    `json:"errno,omitempty"`
	Text   string `json:"text"`
}

// Status is how a root process ended.
type Status struct {
	Code   int       `json:"code"`             // exit status, or -1 where a signal ended it or it is not known
	Signal string    `json:"signal,omitempty"` // "SIGKILL"
	At     time.Time `json:"at"`
	// OutOfMemory says that the kernel killed it because the launch's limit of memory was reached.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
}

// Exited says that a launch's root process has ended. What it left behind is being killed.
type Exited struct {
	Launch string `json:"launch"`
	Status Status `json:"status"`
}

// NotGone says that processes of a launch are left after SIGKILL and the deadline. Its lock stays held, and the keeper
// goes on trying.
type NotGone struct {
	Launch string `json:"launch"`
	PIDs   []int  `json:"pids"`
}

// Gone says that nothing of a launch is left. Its lock is free, its run directory removed.
type Gone struct {
	Launch  string   `json:"launch"`
	Status  Status   `json:"status"`
	Asked   bool     `json:"asked"` // a stop had been asked for before the root process ended
	Proof   string   `json:"proof"`
	Killed  int      `json:"killed,omitempty"` // processes that took SIGKILL, the root included
	LastLog []string `json:"last_log,omitempty"`
}

// Done says that the keeper ends. Left names the launches that could not be proven gone; if there are any the keeper
// stays, without a router, until they are.
type Done struct {
	Left []string `json:"left,omitempty"`
}
