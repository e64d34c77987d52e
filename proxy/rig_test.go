package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
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
	tb       testing.TB
	url      string
	client   *http.Client
	dir      *fakeDirectory
	pool     *fakePool
	auth     *fakeAuth
	config   Config
	settings Settings
	log      *syncBuffer
	access   *telemetry.AccessLog
	deps     Deps
	begun    chan struct{} // for tests that wait for the head of an answer
}

type rigOption func(*rig)

func withConfig(change func(*Config)) rigOption { return func(r *rig) { change(&r.config) } }

func withSettings(change func(*Settings)) rigOption {
	return func(r *rig) { change(&r.settings) }
}

// withStandard is the configuration's `transport: standard`.
func withStandard() rigOption { return func(r *rig) { r.pool.standard = true } }

func withOwn(own http.Handler) rigOption { return func(r *rig) { r.deps.Own = own } }

func withKind(yaml string) rigOption {
	return func(r *rig) { r.settings.Kinds = oneKind{mustKind(r.tb, yaml)} }
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
  - {methods: [GET], path: /auth-status, permission: "query:run", class: never, cold: {body: '{}'}}
  - {methods: [POST], path: /login, permission: "query:run", class: never, cold: {body: '{}'}}
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
	r.config = Config{Version: "1.2.3"}
	r.settings = Settings{
		DefaultWorkspace: "default", AllowDefault: true, MaxBody: 1 << 20, BodyTimeout: patience, MaxInFlight: 1000, MaxInFlightPerWorkspace: 1000, DefaultKind: "test", MaxWait: 25 * time.Second,
		Kinds: oneKind{mustKind(tb, testKind)},
	}
	r.deps = Deps{
		Authenticator: r.auth, Sessions: fakeSessions{r.auth}, Directory: r.dir, Pool: r.pool, Settings: r.inForce,
		Own: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own "+r.URL.Path) }),
		Observer: Observer{
			Access: access, Metrics: telemetry.NewMetrics(), Logger: zap.NewNop(),
		},
		Admission: NewAdmission(),
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// inForce gives the settings. Workers are of the kind that is in force when the first request comes.
func (r *rig) inForce() *Settings {
	if one, ok := r.settings.Kinds.(oneKind); ok {
		r.pool.launchWith(one.kind)
	}
	return &r.settings
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
