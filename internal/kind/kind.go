// Package kind holds the profile of a worker program: how it starts, proves itself, shows that it is busy, is routed to
// and stops. A kind is data: configs/kinds/*.yaml and the operator's own files decode into Kind, strictly. The package
// validates profiles, expands their templates and matches requests against their routes; it starts nothing.
package kind

import (
	"time"

	"workspace-router/internal/workspace"
)

// HTTPEndpoint is the name of the endpoint that requests are forwarded to.
const HTTPEndpoint = "http"

// Kind is one profile. It is made by Decode or completed by Validate, not changed afterwards, and safe to share.
type Kind struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Processes share one fate. They are started in the order written, each when the one before is ready, and stopped
	// in the reverse order.
	Processes   []Process           `yaml:"processes"`
	Endpoints   map[string]Endpoint `yaml:"endpoints"`
	Places      map[string]Place    `yaml:"places"`
	Directories []string            `yaml:"directories"` // templates; made 0700 before the start, `{dir}/…` or `{run}/…` only
	Files       []File              `yaml:"files"`
	Ready       Probe               `yaml:"ready"`
	Identity    []Check             `yaml:"identity"` // against the ready probe's JSON answer
	Busy        *Busy               `yaml:"busy"`
	Leftovers   *Leftovers          `yaml:"leftovers"`
	Routes      []Route             `yaml:"routes"`
	// Aliases are paths that the tenant API promises, with the program's own that they stand for.
	Aliases   map[string]string `yaml:"aliases"`
	Upgrades  []string          `yaml:"upgrades"` // only "websocket" is accepted
	Strip     []string          `yaml:"strip"`    // request headers that the worker must not see, beyond the router's own list
	Inject    map[string]string `yaml:"inject"`   // request headers that every request carries; templates
	Stop      Stop              `yaml:"stop"`
	Isolation Isolation         `yaml:"isolation"`
	Preload   Preload           `yaml:"preload"`
	Cost      Cost              `yaml:"cost"`
	Limits    Limits            `yaml:"limits"`
	MaxBody   Size              `yaml:"max_body"` // bytes; 0 is the configuration's limit

	// ModelTag is the tag of the models that its workers list in Ollama's way, by their common environment; blank is
	// DefaultModelTag. The configuration sets it.
	ModelTag string `yaml:"-"`

	matcher *matcher // of Routes; made by Decode and Validate
}

// Process is one program of a worker.
type Process struct {
	Name    string            `yaml:"name"`
	Program string            `yaml:"program"` // a path, or a bare name looked up beside the router's executable, then in PATH
	Args    []string          `yaml:"args"`    // templates
	Set     map[string]string `yaml:"set"`     // environment; templates
	Default map[string]string `yaml:"default"` // environment where the router's own does not give it; templates
	Allow   []string          `yaml:"allow"`   // names passed on from the router's environment; a * at either end stands for any text
	Refuse  []string          `yaml:"refuse"`  // names that must not be there, even when the operator asks; same patterns
	Require []Requirement     `yaml:"require"` // what else must be there; a start without it is refused before it begins
	Dir     string            `yaml:"dir"`     // working directory; a template, default `{run}`
	Given   map[string]string `yaml:"-"`       // environment that the configuration gives (`kind.NAME.environment`); templates
}

// Place is a directory of the workspace's data that may lie elsewhere than in the workspace's own: where the program kept
// it before the router took its place. Templates write it `{place:NAME}`. One that lies elsewhere must exist and is
// never removed.
type Place struct {
	Path  string `yaml:"path"`  // where it is unless the workspace says otherwise; a template, `{dir}/…` only
	Given string `yaml:"given"` // the environment variable by which the program, run by hand, is told where it is
	Usual string `yaml:"usual"` // where the program, run by hand, has it unless told, seen from its working directory
	// Project says that it is where a server for many projects had one project's data: where the configuration names a
	// directory of projects, a new workspace has the place there, under its name.
	Project bool `yaml:"project"`
}

// Networks that an endpoint can be on.
const (
	NetworkUnix = "unix"
	NetworkTCP  = "tcp"
)

// Endpoint is a place where the worker listens.
type Endpoint struct {
	Network string `yaml:"network"` // unix: `{socket}`; tcp: `{port}` on loopback, `{port:name}` for another than http
	Host    string `yaml:"host"`    // Host header of probes; default "localhost"
}

// File is written into the launch's run directory, or the data directory, before the start.
type File struct {
	Path    string `yaml:"path"`    // template
	Content string `yaml:"content"` // template
}

// Probe is a GET on the http endpoint that says whether the worker can take requests.
type Probe struct {
	Path    string        `yaml:"path"`
	Status  int           `yaml:"status"`  // default 200
	Timeout time.Duration `yaml:"timeout"` // of the whole start; default 120 s
	// Notify says that the worker sends READY=1 to NOTIFY_SOCKET, as systemd's services do. It is asked for its identity
	// then, at once; where the word does not come the probe goes on without it, in wider steps.
	Notify bool `yaml:"notify"`
}

// Check compares a value in a JSON answer with what this launch must say.
type Check struct {
	Pointer string `yaml:"pointer"` // RFC 6901
	Equals  string `yaml:"equals"`  // template
}

// Busy says how a worker that works without an open request shows it (promise S9).
type Busy struct {
	Path     string        `yaml:"path"`
	Pointers []string      `yaml:"pointers"` // RFC 6901; the first that is there decides: true, or a number above 0, is busy
	Samples  int           `yaml:"samples"`  // idle answers in a row before it counts as idle; default 3
	Interval time.Duration `yaml:"interval"` // between samples; default 100 ms
	Bound    time.Duration `yaml:"bound"`    // a worker that is, or may be, busy for longer than this may be stopped; default 1 h
}

// Class says what a route does to recency.
type Class string

// The classes of routes (DESIGN section 4).
const (
	Active  Class = "active"  // starts a worker, counts for LRU
	Passive Class = "passive" // leased, ignored by recency; starts a worker only into free room
	Never   Class = "never"   // reaches a running worker, starts none; Cold answers without one
)

// Route maps requests to a permission and a class. The first route of a kind's list that matches decides.
type Route struct {
	Methods    []string             `yaml:"methods"` // empty: all
	Path       string               `yaml:"path"`    // segments; `*` is one segment, a last `**` is any rest, also none
	Permission workspace.Permission `yaml:"permission"`
	Class      Class                `yaml:"class"` // default active
	Closed     bool                 `yaml:"closed"`
	ReadOnly   bool                 `yaml:"read_only"`
	Cold       *Answer              `yaml:"cold"` // class never: the router's own answer where no worker runs
}

// Answer is a fixed answer of the router in a worker's shape.
type Answer struct {
	Status      int    `yaml:"status"` // default 200
	ContentType string `yaml:"content_type"`
	Body        string `yaml:"body"` // template: {workspace}, {tenant}, {generation}, {worker_name}, {kind}, {model_tag}, JSON-escaped; {nanoseconds} since 1970
}

// Stop says how a worker is ended: the signal to each root process, then the grace, then SIGKILL to all that is left.
type Stop struct {
	Signal string        `yaml:"signal"` // TERM, INT, QUIT, HUP, USR1, USR2; default TERM
	Grace  time.Duration `yaml:"grace"`  // default 10 s
}

// Cost is what a worker is taken to need before it was measured.
type Cost struct {
	Memory Size `yaml:"memory"` // bytes of PSS
	Files  int  `yaml:"files"`  // descriptors
}

// Limits are what a worker is held to, where the router has control groups to hold it by: not what it is taken to
// need, but what is too much. The number of its processes is isolation.processes.
type Limits struct {
	// Memory is the most that all of the worker's processes may take together, in bytes, what the kernel keeps of files for
	// it included as far as it cannot be dropped; none of it is swapped. A worker that needs more is ended, as a whole.
	// Default: what all workers may take together, and then it may be swapped.
	Memory Size `yaml:"memory"`
	// MemoryHigh is from where on the kernel slows the worker down while it takes pages back from it. Default none: a worker
	// that holds more than it needs is better ended than served slowly
	MemoryHigh Size `yaml:"memory_high"`
}
