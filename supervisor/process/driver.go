// Package process is the Driver for workers that are processes of this machine. It owns the connection to the keeper,
// which forks, stops and reaps them (internal/keeper), and prepares and proves each launch: directories, environment,
// ports, readiness, identity. It never forks a worker itself and never sends a byte to a process that is not proven to
// be the launch's.
//
// Run starts one goroutine that reads from the keeper, and for a moment one that looks at the keeper's program (renew.go);
// Start and the other methods work in their callers' goroutines.
package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// DefaultLogLimit is the size in bytes at which a workspace's log is rotated, unless the configuration says otherwise.
const DefaultLogLimit = 10 << 20

// Config says where everything is. It is not changed after New.
type Config struct {
	Data       string   // the data directory, an absolute path; it must exist
	KeeperPath string   // the keeper's program, an absolute path
	ExeDir     string   // where a kind's program is looked for before PATH: the directory of the router's own program
	Environ    []string // what the kinds' allow-lists choose from where a Spec says nothing, as os.Environ gives it
	LogLimit   int64    // bytes; 0 is DefaultLogLimit
	// Keep is for how long the keeper holds the workers when this router has ended, in order or not, so that the next
	// one takes them over; 0 stops them.
	Keep time.Duration
	// UIDs are those that workspaces get one each of, where this process runs as root; zero is none.
	UIDs UIDs
	// Groups says where launches get control groups: "auto" is below the one that was delegated to the router, or the path of
	// one; "off", or nothing, is nowhere. It counts for a keeper that this router starts.
	Groups string
}

// Deps is what the driver works with.
type Deps struct {
	Logger *zap.Logger
	// Describe says what a workspace's worker would be started as now, so that one of before can be compared with it; nil
	// takes over none.
	Describe func(context.Context, workspace.Ref) (supervisor.Spec, error)
}

// Driver starts workers by way of the keeper. New makes it, Run brings it to life.
type Driver struct {
	config Config
	data   keeper.Data
	id     keeper.DataID
	log    *zap.Logger

	describe func(context.Context, workspace.Ref) (supervisor.Spec, error)

	ports  *ports
	census *census
	claims *claims

	preloads *preloads
	disk     disk
	users    *users

	realData string   // the data directory without links
	system   []string // what every worker may read

	untold time.Duration // for how long a worker that can say when it is ready is not asked

	closing   chan struct{} // closed when the end was asked for
	closeOnce sync.Once
	ended     chan struct{} // closed when Run has returned
	runError  error         // valid after ended

	mu      sync.Mutex // guards what follows; no I/O under it
	started bool       // Run was called
	link    *link      // to a keeper that takes commands; nil while there is none
	changed chan struct{}
	workers map[supervisor.LaunchID]*worker // not known to be gone
	failure error                           // why there is no link, where that is known
	leaving *departure                      // there while this router hands over, or has

	survivors []*worker // that an earlier router has started, until Recover takes them
	recovered bool      // hello was said once: later ones are nobody's
}

var _ supervisor.Driver = (*Driver)(nil)

// New checks the configuration and starts nothing.
func New(config Config, deps Deps) (*Driver, error) {
	data := keeper.Data(config.Data)
	if err := data.Check(); err != nil {
		return nil, err
	}
	id, err := keeper.IdentifyData(config.Data)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(config.KeeperPath) {
		return nil, fmt.Errorf("cannot use the keeper %q: the path is not absolute", config.KeeperPath)
	}
	if deps.Logger == nil {
		return nil, errors.New("cannot make the process driver without a logger")
	}
	if config.Keep < 0 {
		return nil, fmt.Errorf("cannot keep workers for %v, want 0 or more", config.Keep)
	}
	if config.LogLimit < 0 {
		return nil, fmt.Errorf("cannot rotate logs at %d bytes, want 1 or more", config.LogLimit)
	}
	if config.LogLimit == 0 {
		config.LogLimit = DefaultLogLimit
	}
	realData, err := filepath.EvalSymlinks(config.Data)
	if err != nil {
		return nil, fmt.Errorf("cannot use the data directory: %w", err)
	}
	return &Driver{
		config: config, data: data, id: id, log: deps.Logger, describe: deps.Describe,
		realData: realData, system: findSystem(realData), untold: firstUntold,
		ports: newPorts(), census: &census{}, claims: newClaims(), preloads: newPreloads(), disk: machine{}, users: newUsers(config.UIDs, config.Data),
		closing: make(chan struct{}), ended: make(chan struct{}),
		changed: make(chan struct{}), workers: map[supervisor.LaunchID]*worker{},
	}, nil
}

// Close stops all workers in their own way and then the keeper, or leaves both to the next router where they are kept or
// handed over. It returns when Run has. The error is Run's, or that of a context that ended before.
func (d *Driver) Close(ctx context.Context) error {
	d.closeOnce.Do(func() { close(d.closing) })
	d.mu.Lock()
	started := d.started
	d.mu.Unlock()
	if !started {
		return nil
	}
	select {
	case <-d.ended:
		return d.runError
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for the keeper's end: %w", context.Cause(ctx))
	}
}

// connected waits for a keeper that takes commands.
func (d *Driver) connected(ctx context.Context) (*link, error) {
	for {
		d.mu.Lock()
		l, changed, failure := d.link, d.changed, d.failure
		d.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-d.closing:
			return nil, errors.New("cannot reach the keeper: the driver is closing")
		case <-ctx.Done():
			if failure != nil {
				return nil, fmt.Errorf("cannot reach the keeper: %w (%w)", failure, context.Cause(ctx))
			}
			return nil, fmt.Errorf("cannot reach the keeper: %w", context.Cause(ctx))
		}
	}
}

// setLink tells everybody who waits whether there is a keeper.
func (d *Driver) setLink(l *link, failure error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link, d.failure = l, failure
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *Driver) worker(launch string) *worker {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.workers[supervisor.LaunchID(launch)]
}

// enter takes a worker into the table; false if its launch is there already.
func (d *Driver) enter(w *worker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.workers[w.spec.Launch] != nil {
		return false
	}
	d.workers[w.spec.Launch] = w
	return true
}

// strike removes a worker of which nothing is left.
func (d *Driver) strike(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.workers[w.spec.Launch] == w {
		delete(d.workers, w.spec.Launch)
	}
	d.ports.release(w.ports)
}

func (d *Driver) all() []*worker {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*worker, 0, len(d.workers))
	for _, w := range d.workers {
		list = append(list, w)
	}
	return list
}
