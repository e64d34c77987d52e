package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/kind"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// What is measured here is the router's own work: credentials, names and leases are found at once, and nothing is sent.

type instant struct {
	kind      *kind.Kind
	principal *workspace.Principal
	workspace workspace.Workspace
	answer    string
}

func (i *instant) Authenticate(*http.Request) (*workspace.Principal, error) { return i.principal, nil }

func (i *instant) AuthenticateToken(context.Context, string) (*workspace.Principal, error) {
	return i.principal, nil
}

func (i *instant) Lookup(context.Context, workspace.Name, workspace.Name) (workspace.Workspace, error) {
	return i.workspace, nil
}

func (i *instant) List(context.Context, workspace.Name) ([]workspace.Workspace, error) {
	return []workspace.Workspace{i.workspace}, nil
}

func (i *instant) FindTenant(context.Context, string) (workspace.Tenant, error) {
	return workspace.Tenant{}, workspace.ErrTenantNotFound
}

func (i *instant) LookupGeneration(context.Context, workspace.Generation) (workspace.Workspace, error) {
	return i.workspace, nil
}

func (i *instant) Create(context.Context, workspace.Name, workspace.Name, string) (workspace.Workspace, error) {
	return i.workspace, nil
}

func (i *instant) Acquire(context.Context, workspace.Ref, supervisor.Wish) (Lease, error) {
	return i, nil
}
func (i *instant) Launch() supervisor.LaunchID { return "launch" }
func (i *instant) Kind() *kind.Kind            { return i.kind }
func (i *instant) Waited() time.Duration       { return 0 }
func (i *instant) Upstream() http.RoundTripper { return i }
func (i *instant) OnEnded(func())              {}
func (i *instant) Release()                    {}

func (i *instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(i.answer)),
		Header: http.Header{"Content-Type": {"application/json"}, "Content-Length": {"58"}}, Body: io.NopCloser(strings.NewReader(i.answer)),
	}, nil
}

func newInstant(b *testing.B) (*instant, *chain) {
	b.Helper()
	p, err := principalOf(bothKey)
	if err != nil {
		b.Fatal(err)
	}
	p.Grants = p.Grants[:1]
	i := &instant{principal: p, answer: strings.Repeat("x", 58), workspace: newFakeDirectory().rows[1]}
	access, err := telemetry.NewAccessLog(telemetry.FormatJSON, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = access.Close() })
	i.kind = mustKind(b, testKind)
	settings := &Settings{AllowDefault: true, MaxBody: 1 << 20, DefaultWorkspace: "default", Kinds: oneKind{i.kind}}
	c := &chain{Config: Config{AnswerTimeout: time.Minute}, deps: Deps{
		Authenticator: i, Directory: i, Pool: i, Settings: func() *Settings { return settings }, Own: http.NotFoundHandler(),
		Observer: Observer{Access: access, Metrics: telemetry.NewMetrics(), Logger: zap.NewNop()},
	}}
	c.reverse = c.newReverse()
	return i, c
}

func benchRequest(path string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Header = http.Header{
		"X-Api-Key": {"sk-0123456789"}, "User-Agent": {"bench"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"},
		"Content-Type": {"application/json"}, "X-Forwarded-For": {"1.2.3.4"},
	}
	return r
}

// measure runs f and reports the CPU time that it took, which other work on the machine does not change.
func measure(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	used := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	before := used()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
}

// nothing is a response writer that keeps no body.
type nothing struct{ header http.Header }

func (n *nothing) Header() http.Header         { return n.header }
func (n *nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n *nothing) WriteHeader(int)             {}
func (n *nothing) Flush()                      {}

// BenchmarkOwnWork is everything but forwarding: id, path, host, credential, selection, route, right, lease, figures and
// the line of the log.
func BenchmarkOwnWork(b *testing.B) {
	for name, path := range map[string]string{"path": "/w/alpha/query", "default": "/query"} {
		b.Run(name, func(b *testing.B) {
			_, c := newInstant(b)
			handler := &recorder{Observer: c.deps.Observer, next: func(x *exchange) error {
				x.settings = c.deps.Settings()
				for _, step := range [...]func(*exchange) error{
					c.readPath, c.readHost, c.checkHost, c.answerPublic, c.answerOwn, c.authenticate, c.selectWorkspace, c.classify, c.authorise,
					c.checkUpgrade, c.limitBody, c.acquire,
				} {
					if err := step(x); err != nil {
						return err
					}
				}
				defer x.release()
				x.w.WriteHeader(http.StatusOK)
				return nil
			}}
			r := benchRequest(path)
			w := &nothing{header: http.Header{}}
			measure(b, func() {
				clear(w.header)
				handler.ServeHTTP(w, r)
			})
		})
	}
}

// BenchmarkWhole is the whole way with a transport that sends nothing; BenchmarkBare is what httputil alone takes.
func BenchmarkWhole(b *testing.B) {
	_, c := newInstant(b)
	handler := &recorder{Observer: c.deps.Observer, next: c.serve}
	r := benchRequest("/w/alpha/query")
	w := &nothing{header: http.Header{}}
	measure(b, func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	})
}

func BenchmarkBare(b *testing.B) {
	i, _ := newInstant(b)
	target := &url.URL{Scheme: "http", Host: upstreamHost}
	proxy := &httputil.ReverseProxy{
		Transport: i, FlushInterval: -1, BufferPool: &buffers{},
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
	}
	r := benchRequest("/query")
	w := &nothing{header: http.Header{}}
	measure(b, func() {
		clear(w.header)
		proxy.ServeHTTP(w, r)
	})
}

func BenchmarkSteps(b *testing.B) {
	i, c := newInstant(b)
	base := &exchange{r: benchRequest("/w/alpha/query"), principal: i.principal, kind: i.kind, settings: c.deps.Settings()}
	base.workspace = i.workspace
	base.path = kind.Path{Raw: "/query", Decoded: "/query"}
	for _, step := range []struct {
		name string
		run  func(*exchange) error
	}{
		{"readPath", c.readPath}, {"readHost", c.readHost}, {"checkHost", c.checkHost}, {"answerPublic", c.answerPublic}, {"answerOwn", c.answerOwn},
		{"selectWorkspace", c.selectWorkspace}, {"classify", c.classify}, {"authorise", c.authorise}, {"checkUpgrade", c.checkUpgrade},
		{"limitBody", c.limitBody}, {"acquire", c.acquire},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			x := &exchange{r: base.r, principal: base.principal, kind: base.kind, workspace: base.workspace, settings: base.settings}
			for b.Loop() {
				x.path, x.inPath, x.pathName, x.route = base.path, true, "alpha", kind.Route{Permission: workspace.QueryRun}
				if err := step.run(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("requestID", func(b *testing.B) {
		measure(b, func() {
			requestID(base.r.Header)
		})
	})
	b.Run("cleanRequest", func(b *testing.B) {
		measure(b, func() {
			cleanRequest(http.Header{"User-Agent": nil, "Accept": nil, "Accept-Encoding": nil, "Content-Type": nil, "X-Api-Key": nil}, base.kind)
		})
	})
}
