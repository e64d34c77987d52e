package supervisor

import (
	"context"
	"net"
	"net/http"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// LaunchID names one start of a worker: 8 characters of [0-9a-z], unique within a data directory.
type LaunchID string

// Spec is what a Driver needs to know to start a worker.
type Spec struct {
	Ref        workspace.Ref
	WorkerName string
	Kind       *kind.Kind
	// Places are those of the kind's places that lie elsewhere than in the workspace's own directory, by their names:
	// absolute paths to directories that are there. They are marked as the workspace's, so that no other may use them.
	Places    map[string]string
	Launch    LaunchID
	Term      Term
	StartedAt time.Time // when the pool decided for the start
	// Environ is what the kind's allow-lists choose from, as os.Environ gives it; nil is the Driver's own.
	Environ []string
	// Environment is the workspace's own, which overrides what is common to its kind. The Driver reads the files that it
	// names, and refuses what the kind does not take.
	Environment []workspace.Variable
	// IdleTimeout is for how long this worker may be at rest before it is stopped although nobody needs the room; 0 is
	// Config.IdleTimeout, below 0 is for ever. It is the pool's affair, not the Driver's.
	IdleTimeout   time.Duration
	IdleTimeoutOf string // whose it is, for people: "workspace", "kind"
	// Resume says which leftovers of its predecessor this worker is told to go on with; "" is kind.ResumeOff. It is the
	// pool's affair, not the Driver's.
	Resume kind.Resume
	// MemoryCeiling is the most memory in bytes that the worker may take where its kind sets no limit; 0 is none. It is held
	// to it where the Driver has the means.
	MemoryCeiling int64
}

// Endpoint is a place where a ready worker takes connections.
type Endpoint struct {
	Dial   func(context.Context) (net.Conn, error)
	Scheme string // "http"
	Host   string // for the Host header where the client's own is not to be passed
	// Header is what every request to the worker carries, its own credential above all. It is never logged.
	Header http.Header
}

// Exit says how a worker ended. It is valid once Gone is closed.
type Exit struct {
	At       time.Time
	Code     int    // exit status, or -1 where a signal ended it
	Signal   string // "SIGKILL", or empty
	Expected bool   // a stop had been asked for
	Proof    string // by what it is known to be gone: "pidns", "sweep", with "+cgroup" where that was empty, too
	// OutOfMemory says that it was killed because it needed more memory than its limit.
	OutOfMemory bool
	LastLog     []string
}

// Usage is what a worker takes now.
type Usage struct {
	PID     int
	PSS     int64 // bytes, over all its processes
	Files   int   // descriptors
	CPUTime time.Duration
}

// Phase is a step of a launch, in order. Each is reported once, by Event.
type Phase string

// The phases of a launch.
const (
	PhaseQueued    Phase = "queued"
	PhaseLocked    Phase = "locked"
	PhaseSpawned   Phase = "spawned"
	PhaseReady     Phase = "ready"  // the ready probe answered
	PhaseProven    Phase = "proven" // and it was this launch that answered
	PhaseFirstByte Phase = "first_byte"
)

// Progress is reported by a Driver while Start is under way.
type Progress struct {
	Launch LaunchID
	Phase  Phase
	At     time.Time
	// Isolation says from PhaseSpawned on by what the worker is kept from others, and what is missing; for people.
	Isolation string
	PID       int // of the root process, from PhaseSpawned on; 0 where there is none
}

// Driver starts workers. Its meaning is the suite in supervisor/drivertest, which every implementation passes.
type Driver interface {
	// Recover gives all workers that the driver still sees from before. It is called once, before any Start. Each of
	// them is either proven again and usable, or to be stopped by the caller.
	Recover(ctx context.Context) ([]Worker, error)
	// Start returns when the worker is ready and proven, when that failed, or when ctx ends. A non-nil Worker must be
	// stopped, even with an error. The error is a *StartError wherever a cause is known. report may be called until
	// Start returns, from any goroutine, and must not block.
	Start(ctx context.Context, spec Spec, report func(Progress)) (Worker, error)
}

// Worker is one running instance of a kind.
type Worker interface {
	Spec() Spec
	// Endpoint gives the named endpoint ("http", …); false before the worker is ready or where the kind has none such.
	Endpoint(name string) (Endpoint, bool)
	// Stop ends the worker: the kind's signal, its grace, SIGKILL to all that is left; with force SIGKILL at once. It
	// returns nil only if the worker is proven gone. ErrNotGone means quarantine. It may be called again, also while
	// another call is under way; a call with force then cuts the grace short.
	Stop(ctx context.Context, force bool) error
	// Gone is closed when the worker is proven gone, asked for or not.
	Gone() <-chan struct{}
	// Exit is valid after Gone.
	Exit() Exit
	Usage(ctx context.Context) (Usage, error)
}

// Ownership decides which router may run a workspace's worker.
type Ownership interface {
	// Acquire gives the term under which this router owns the workspace, or a *NotHereError.
	Acquire(ctx context.Context, ref workspace.Ref) (Term, error)
}

// Term is one span of ownership. Its number is a fencing token: a later owner's is larger.
type Term interface {
	Number() uint64
	Lost() <-chan struct{}
	Release(ctx context.Context) error
}

// Transport carries requests to one launch; the pool closes it when the launch ends.
type Transport interface {
	http.RoundTripper
	CloseIdleConnections()
}
