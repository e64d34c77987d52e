package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// patience is how long a test waits for something that should happen at once.
const patience = 10 * time.Second

// Keys of the rig's principals.
const (
	adminKey  = "sk-admin"  // everything, everywhere
	readerKey = "sk-reader" // may query workspaces of the tenant default, and nothing else
	guestKey  = "sk-guest"  // bound to the workspace beta
	acmeKey   = "sk-acme"   // the tenant acme, as a whole
	bothKey   = "sk-both"   // the tenants default and acme
)

// rig is a whole data plane on a real listener: fakes for the catalog, the credentials and the pool, and a real worker
// for every workspace on a Unix socket.
type rig struct {
	tb     testing.TB
	url    string
	client *http.Client
	dir    *fakeDirectory
	pool   *fakePool
	auth   *fakeAuth
	config Config
	log    *syncBuffer
	access *telemetry.AccessLog
	deps   Deps
	begun  chan struct{} // for tests that wait for the head of an answer
}

type rigOption func(*rig)

func withConfig(change func(*Config)) rigOption { return func(r *rig) { change(&r.config) } }

func withOwn(own http.Handler) rigOption { return func(r *rig) { r.deps.Own = own } }

func withKind(yaml string) rigOption {
	return func(r *rig) { r.deps.Kinds = oneKind{mustKind(r.tb, yaml)} }
}

const testKind = `
name: test
processes: [{program: worker}]
endpoints: {http: {network: unix}}
ready: {path: /health}
inject: {X-Worker-Key: "{secret}"}
strip: [X-Secret-Thing]
upgrades: [websocket]
routes:
  - {methods: [GET], path: /health, permission: "query:run", class: never, cold: {body: '{"status":"cold","workspace":"{workspace}"}'}}
  - {methods: [GET], path: /version, permission: "query:run", class: never}
  - {methods: [GET], path: /poll, permission: "query:run", class: passive}
  - {path: /closed, closed: true}
  - {path: /query, permission: "query:run"}
  - {path: /query/**, permission: "query:run"}
  - {methods: [POST], path: /upload, permission: "document:write"}
  - {path: /, permission: "query:run"}
`

func mustKind(tb testing.TB, yaml string) *kind.Kind {
	tb.Helper()
	k, err := kind.Decode("test.yaml", []byte(yaml))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// newRig starts a data plane. worker answers for every workspace; which one, its header Worker-Of says.
func newRig(tb testing.TB, worker http.HandlerFunc, options ...rigOption) *rig {
	tb.Helper()
	r := newParts(tb, worker, options...)
	handler, err := New(r.config, r.deps)
	if err != nil {
		tb.Fatal(err)
	}
	server, err := NewServer(ServerConfig{}, handler, r.deps.Observer.Logger)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	r.url = "http://" + listener.Addr().String()
	transport := &http.Transport{DisableCompression: true}
	r.client = &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-served
	})
	return r
}

// newParts makes everything but the chain.
func newParts(tb testing.TB, worker http.HandlerFunc, options ...rigOption) *rig {
	tb.Helper()
	r := &rig{tb: tb, begun: make(chan struct{}), log: &syncBuffer{}, dir: newFakeDirectory(), auth: &fakeAuth{}, pool: newFakePool(tb, worker)}
	access, err := telemetry.NewAccessLog(telemetry.FormatJSON, r.log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = access.Close() })
	r.access = access
	r.config = Config{AllowDefault: true, MaxBody: 1 << 20, DefaultKind: "test", Version: "1.2.3"}
	r.deps = Deps{
		Authenticator: r.auth, Directory: r.dir, Pool: r.pool, Kinds: oneKind{mustKind(tb, testKind)},
		Own: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own "+r.URL.Path) }),
		Observer: Observer{
			Access: access, Metrics: telemetry.NewMetrics(), Logger: zap.NewNop(),
		},
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// lines gives the access log so far, one object per line.
func (r *rig) lines() []string {
	r.tb.Helper()
	if err := r.access.Sync(); err != nil {
		r.tb.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(r.log.String()), "\n")
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with the admin's key, unless header names another credential or "none".
func (r *rig) do(method, path string, header http.Header, body string) answer {
	r.tb.Helper()
	request, err := http.NewRequestWithContext(r.tb.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.tb.Fatal(err)
	}
	request.Header = header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if _, given := request.Header["X-Api-Key"]; !given {
		request.Header.Set("X-Api-Key", adminKey)
	} else if request.Header.Get("X-Api-Key") == "none" {
		request.Header.Del("X-Api-Key")
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
		request.Header.Del("Host")
	}
	return r.send(request)
}

func (r *rig) send(request *http.Request) answer {
	r.tb.Helper()
	response, err := r.client.Do(request)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.tb.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(content)}
}

func (r *rig) get(path string) answer {
	r.tb.Helper()
	return r.do(http.MethodGet, path, nil, "")
}

func (a answer) code() string { return a.header.Get("X-Router-Error") }

// settled waits until every lease was given back, and fails if one was given back twice.
func (r *rig) settled() {
	r.tb.Helper()
	eventually(r.tb, "all leases to be released", func() bool {
		return r.pool.acquired.Load() == r.pool.released.Load()
	})
	if again := r.pool.again.Load(); again != 0 {
		r.tb.Errorf("%d leases were released more than once", again)
	}
}

// eventually polls until the condition holds.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// receive waits for a value.
func receive[T any](tb testing.TB, what string, c <-chan T) T {
	tb.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(patience):
		tb.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// syncBuffer is a buffer that several goroutines may use.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// fakeAuth knows the rig's keys.
type fakeAuth struct {
	revoked atomic.Bool // every key is refused
	calls   atomic.Int64
}

func (a *fakeAuth) Authenticate(r *http.Request) (*workspace.Principal, error) {
	a.calls.Add(1)
	if a.revoked.Load() {
		return nil, workspace.ErrUnauthenticated
	}
	return principalOf(r.Header.Get("X-Api-Key"))
}

func principalOf(key string) (*workspace.Principal, error) {
	data := workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite, workspace.WorkspaceCreate)
	tenant := func(name workspace.Name) workspace.Grant { return workspace.Grant{Tenant: name, Permissions: data} }
	p := &workspace.Principal{Type: workspace.PrincipalKey, ID: "key:" + strings.TrimPrefix(key, "sk-")}
	switch key {
	case adminKey:
		p.Grants = []workspace.Grant{{AllTenants: true, Permissions: workspace.AllPermissions()}}
	case readerKey:
		p.Grants = []workspace.Grant{{Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun)}}
	case guestKey:
		p.Grants = []workspace.Grant{{Tenant: "default", Workspaces: []workspace.Generation{"gen-beta"}, Permissions: data}}
	case acmeKey:
		p.Grants = []workspace.Grant{tenant("acme")}
	case bothKey:
		p.Grants = []workspace.Grant{tenant("default"), tenant("acme")}
	default:
		return nil, workspace.ErrUnauthenticated
	}
	return p, nil
}

// fakeDirectory has alpha, beta and default in the tenant default, alpha in acme, and one in every other state.
type fakeDirectory struct {
	mu      sync.Mutex
	rows    []workspace.Workspace
	lookups []string
	created []string
	err     error
}

func newFakeDirectory() *fakeDirectory {
	row := func(tenant, name workspace.Name, state workspace.State) workspace.Workspace {
		generation := "gen-" + string(name)
		if tenant != "default" {
			generation = "gen-" + string(tenant) + "-" + string(name)
		}
		return workspace.Workspace{
			Ref:  workspace.Ref{Tenant: tenant, Name: name, Generation: workspace.Generation(generation)},
			Kind: "test", WorkerName: "w" + generation, State: state,
		}
	}
	return &fakeDirectory{rows: []workspace.Workspace{
		row("default", "default", workspace.StateActive),
		row("default", "alpha", workspace.StateActive),
		row("default", "beta", workspace.StateActive),
		row("default", "fresh", workspace.StateProvisioning),
		row("default", "gone", workspace.StateDeleted),
		row("acme", "alpha", workspace.StateActive),
		row("acme", "solo", workspace.StateActive),
	}}
}

func (d *fakeDirectory) Lookup(_ context.Context, tenant, name workspace.Name) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookups = append(d.lookups, string(tenant+"."+name))
	return d.findLocked(func(w workspace.Workspace) bool {
		return w.Tenant.Fold() == tenant.Fold() && w.Name.Fold() == name.Fold()
	})
}

func (d *fakeDirectory) LookupGeneration(_ context.Context, generation workspace.Generation) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.findLocked(func(w workspace.Workspace) bool { return w.Generation == generation })
}

func (d *fakeDirectory) findLocked(match func(workspace.Workspace) bool) (workspace.Workspace, error) {
	if d.err != nil {
		return workspace.Workspace{}, d.err
	}
	for _, w := range d.rows {
		if match(w) {
			return w, nil
		}
	}
	return workspace.Workspace{}, workspace.ErrNotFound
}

func (d *fakeDirectory) Create(_ context.Context, tenant, name workspace.Name, kind string) (workspace.Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := workspace.Workspace{
		Ref:  workspace.Ref{Tenant: tenant, Name: name, Generation: workspace.Generation("new-" + string(name))},
		Kind: kind, State: workspace.StateActive,
	}
	d.rows = append(d.rows, w)
	d.created = append(d.created, w.String())
	return w, nil
}

func (d *fakeDirectory) setState(name workspace.Name, state workspace.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.rows {
		if d.rows[i].Name == name {
			d.rows[i].State = state
		}
	}
}

func (d *fakeDirectory) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *fakeDirectory) names(of func(*fakeDirectory) []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), of(d)...)
}

// oneKind is the same profile whatever the name.
type oneKind struct{ kind *kind.Kind }

func (k oneKind) Kind(string) (*kind.Kind, bool) { return k.kind, k.kind != nil }

// fakePool has one worker per workspace, on a Unix socket, and counts leases.
type fakePool struct {
	tb     testing.TB
	worker http.HandlerFunc

	mu      sync.Mutex
	workers map[workspace.Generation]*fakeWorker
	wishes  []supervisor.Wish
	before  func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) error // may refuse
	last    *fakeLease
	fails   func(lease int64) error // what the transport of the nth lease says instead of sending
	ends    func(lease int64) bool  // whether the nth lease has ended when it is taken

	acquired, released, again atomic.Int64
}

type fakeWorker struct {
	socket    string
	launch    supervisor.LaunchID
	server    *http.Server
	transport *http.Transport
}

func newFakePool(tb testing.TB, worker http.HandlerFunc) *fakePool {
	p := &fakePool{tb: tb, worker: worker, workers: map[workspace.Generation]*fakeWorker{}}
	tb.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range p.workers {
			w.transport.CloseIdleConnections()
			w.server.Close()
		}
	})
	return p
}

func (p *fakePool) Acquire(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (Lease, error) {
	p.mu.Lock()
	before := p.before
	p.wishes = append(p.wishes, wish)
	p.mu.Unlock()
	if before != nil {
		if err := before(ctx, ref, wish); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[ref.Generation]
	if w == nil {
		w = p.startLocked(ref)
	}
	n := p.acquired.Add(1)
	lease := &fakeLease{pool: p, launch: w.launch, transport: w.transport}
	if p.ends != nil {
		lease.ended = p.ends(n)
	}
	if p.fails != nil {
		if err := p.fails(n); err != nil {
			lease.transport = failing{err}
		}
	}
	p.last = lease
	return lease, nil
}

// failing is a transport that sends nothing, and closes the body as transports do.
type failing struct{ err error }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, f.err
}

func (p *fakePool) failFirst(err error) {
	p.fails = func(lease int64) error {
		if lease == 1 {
			return err
		}
		return nil
	}
}

func (p *fakePool) failAlways(err error) { p.fails = func(int64) error { return err } }

func (p *fakePool) endFirst() { p.ends = func(lease int64) bool { return lease == 1 } }

func (p *fakePool) startLocked(ref workspace.Ref) *fakeWorker {
	p.tb.Helper()
	socket := filepath.Join(p.tb.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		p.tb.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Worker-Of", string(ref.Generation))
		p.worker(w, r)
	})
	w := &fakeWorker{
		socket: socket, launch: supervisor.LaunchID(fmt.Sprintf("launch%d", len(p.workers))),
		server: &http.Server{Handler: handler},
		transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	go func() { _ = w.server.Serve(listener) }()
	p.workers[ref.Generation] = w
	return w
}

func (p *fakePool) refuse(before func(context.Context, workspace.Ref, supervisor.Wish) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = before
}

func (p *fakePool) lastLease() *fakeLease {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *fakePool) wished() []supervisor.Wish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]supervisor.Wish(nil), p.wishes...)
}

type fakeLease struct {
	pool      *fakePool
	launch    supervisor.LaunchID
	transport http.RoundTripper

	mu       sync.Mutex
	ended    bool
	onEnded  func()
	released bool
}

func (l *fakeLease) Launch() supervisor.LaunchID { return l.launch }
func (l *fakeLease) Waited() time.Duration       { return 0 }
func (l *fakeLease) Upstream() http.RoundTripper { return l.transport }

func (l *fakeLease) OnEnded(f func()) {
	l.mu.Lock()
	ended := l.ended
	l.onEnded = f
	l.mu.Unlock()
	if ended {
		f()
	}
}

// end is what the pool does when the launch dies or the lease is cut.
func (l *fakeLease) end() {
	l.mu.Lock()
	l.ended = true
	f := l.onEnded
	l.mu.Unlock()
	if f != nil {
		f()
	}
}

func (l *fakeLease) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		l.pool.again.Add(1)
		return
	}
	l.released = true
	l.pool.released.Add(1)
}
