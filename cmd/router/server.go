package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"go.uber.org/zap"

	"workspace-router/auth"
	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/catalog"
	"workspace-router/internal/keeper"
	"workspace-router/internal/problem"
	"workspace-router/internal/telemetry"
	"workspace-router/internal/version"
	"workspace-router/internal/workspace"
	"workspace-router/proxy"
	"workspace-router/proxy/dialect/chroma"
	"workspace-router/supervisor"
	"workspace-router/supervisor/journal"
	"workspace-router/supervisor/process"
)

// server is everything that `serve` puts together, in the order in which it is started. It is stopped in the reverse.
type server struct {
	live      atomic.Pointer[live] // the configuration that counts
	level     zap.AtomicLevel      // of the log
	log       *zap.Logger
	node      string
	data      *dataDir
	access    *telemetry.AccessLog
	catalog   *catalog.Catalog
	keys      *auth.Authenticator
	local     *auth.Local
	driver    *process.Driver
	retirer   *retirer
	pool      *supervisor.Pool
	journal   *journal.Journal // of the pool's events
	metrics   *telemetry.Metrics
	reloader  *reloader
	listeners *listeners
	// certificates are those that the listeners show; nil where none speaks TLS.
	certificates *proxy.Certificates
	manager      notifier
	heir         *heir // nil where this router follows no other
	upgrader     *upgrader
	door         *door
	closing      chan struct{} // closed when the end begins, so that those who follow events are let go

	adminKey   string // for the terminal, and only where it was made now
	keyCreated bool
}

// origin is what a server was started with beside its configuration.
type origin struct {
	source  configs.Source   // where the configuration is from
	hangup  <-chan os.Signal // asks for it to be read anew
	upgrade <-chan os.Signal // asks for another router in this one's place
	sockets given            // used instead of new ones
	heir    *heir            // of the router before; nil where there is none
}

// newServer locks the data directory, binds the addresses and builds every part; nothing is started and no request is
// served yet. What it opened is closed again where it fails.
func newServer(ctx context.Context, config configs.Config, from origin) (_ *server, err error) {
	s := &server{level: zap.NewAtomicLevel(), node: nodeName(), manager: newNotifier(), heir: from.heir, closing: make(chan struct{})}
	s.log, err = telemetry.NewLogger(telemetry.LogConfig{Level: config.Log.Level, Format: config.Log.Format, Var: &s.level}, os.Stderr)
	if err != nil {
		return nil, err
	}
	first, err := newLive(config)
	if err != nil {
		return nil, err
	}
	s.live.Store(first)
	s.reloader = &reloader{
		source: from.source, hangup: from.hangup, running: func() *configs.Config { return &s.live.Load().config }, apply: s.apply,
		note:  func(of supervisor.EventType, reason, detail string) { s.pool.Note(of, reason, detail) },
		watch: watcher{look: sight}, asked: make(chan chan<- outcome), ended: make(chan struct{}),
	}
	s.reloader.watch.read(config.Files)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.data, err = openDataDir(config.Data, s.heir.inherited(), ownUsers(config).First > 0); err != nil {
		return nil, err
	}
	// Before anything durable is made: an address that is in use must leave no trace.
	if s.listeners, err = listen(ctx, config, s.data, from.sockets); err != nil {
		return nil, err
	}
	if s.heir != nil { // until the router before gives way, clients are its own
		if err = s.listeners.hold(); err != nil {
			return nil, err
		}
	}
	if s.catalog, err = catalog.Open(ctx, catalog.Config{Path: s.data.join("catalog.db")}); err != nil {
		return nil, err
	}
	if s.adminKey, s.keyCreated, err = auth.EnsureAdminKey(ctx, s.data.path, s.catalog); err != nil {
		return nil, err
	}
	sessionKey, err := auth.EnsureSessionKey(s.data.path)
	if err != nil {
		return nil, err
	}
	if s.keys, err = auth.New(auth.Config{StaticKey: config.APIKey.Reveal(), SessionKey: sessionKey}, auth.Deps{Keys: s.catalog, Logger: s.log.Named("auth")}); err != nil {
		return nil, err
	}
	if err = takeOver(ctx, s.catalog, &config, s.log); err != nil {
		return nil, err
	}
	if s.local, err = s.localOperator(); err != nil {
		return nil, err
	}
	if err = s.supervise(config); err != nil {
		return nil, err
	}
	if s.access, err = telemetry.NewAccessLog(config.Log.Format, os.Stderr); err != nil {
		return nil, err
	}
	if s.upgrader, err = s.newUpgrader(from.upgrade); err != nil {
		return nil, err
	}
	return s, s.serveOn(config)
}

// localOperator is who uses the local socket. Its token changes with every start, but not under those who use it.
func (s *server) localOperator() (*auth.Local, error) {
	if s.heir != nil {
		return auth.InheritLocal(s.data.path)
	}
	return auth.NewLocal(s.data.path)
}

// supervise builds the driver, the pool, and what keeps and counts what the pool does.
func (s *server) supervise(config configs.Config) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the router's own program: %w", err)
	}
	beside := filepath.Dir(executable)
	whatToStart := describe(s.catalog, s.live.Load)
	s.driver, err = process.New(process.Config{
		Data: s.data.path, KeeperPath: filepath.Join(beside, "keeper"), ExeDir: beside, Keep: keepFor(config),
		UIDs: ownUsers(config), Groups: config.Isolation.Cgroup,
	}, process.Deps{Logger: s.log, Describe: whatToStart})
	if err != nil {
		return err
	}
	if s.journal, err = journal.New(journal.Defaults(s.data.join("events")), s.log.Named("journal")); err != nil {
		return err
	}
	s.metrics = telemetry.NewMetrics()
	counts := telemetry.NewPool(s.metrics)
	s.pool, err = supervisor.New(poolConfig(&config, s.node), supervisor.Deps{
		Driver: s.driver, Ownership: supervisor.Local{}, Describe: whatToStart, Logger: s.log.Named("pool"),
		Observer: counts, Archive: s.journal, OwnFiles: openFiles, OwnMemory: s.driver.PreloadMemory, Pins: s.catalog.Pins,
		NewTransport: newTransport(s.live.Load),
	})
	if err != nil {
		return err
	}
	s.door = &door{acquire: s.pool.Acquire}
	s.retirer = newRetirer(s.pool, s.catalog.DeletedRefs, s.data.path, s.log.Named("retire"))
	counts.Watch(s.metrics, func() telemetry.Fill { return fill(s.pool.Figures()) })
	return nil
}

// nodeName is how this router is named where there may be several.
func nodeName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

// serveOn puts the handlers onto the listeners.
func (s *server) serveOn(config configs.Config) error {
	observer := proxy.Observer{Access: s.access, Metrics: s.metrics, Logger: s.log.Named("http")}
	operator, err := s.operatorAPI(s.metrics.Handler())
	if err != nil {
		return err
	}
	api, err := s.tenantAPI(operator.Host)
	if err != nil {
		return err
	}
	deps := proxy.Deps{
		Authenticator: s.keys,
		Sessions:      s.keys,
		Directory:     proxyDirectory{s.catalog, s.placer()},
		Settings:      func() *proxy.Settings { return &s.live.Load().settings },
		Pool:          leases(s.door),
		Own:           ownHandler(operator, api, admin.Public, s.keys),
		Observer:      observer,
		Admission:     proxy.NewAdmission(),
	}
	plane := proxy.Config{Version: version.Version, HeaderBytes: int(config.Limits.HeaderBytes)}
	data, err := proxy.New(plane, deps)
	if err != nil {
		return err
	}
	names, err := chroma.NewNames()
	if err != nil {
		return err
	}
	// The listeners of those who operate are served by the same rules, and recorded alike.
	own, err := proxy.Observe(observer, ownHandler(operator, api, admin.Operator, s.keys))
	if err != nil {
		return err
	}
	local, err := proxy.Observe(observer, ownHandler(operator, api, admin.Local, s.local))
	if err != nil {
		return err
	}
	bound, err := boundHandlers(config.Bound(), plane, deps)
	if err != nil {
		return err
	}
	if s.live.Load().config.Projects.Listen != "" {
		data = names.Watch(data)
		for i := range bound {
			bound[i] = names.Watch(bound[i])
		}
		projects, err := s.projectHandler(deps, names)
		if err != nil {
			return err
		}
		bound = append(bound, projects)
	}
	entrance, err := s.entrance(config, observer)
	if err != nil {
		return err
	}
	return s.listeners.serve(entrance, data, own, local, bound)
}

// entrance is what stands between clients and the handlers.
func (s *server) entrance(config configs.Config, observer proxy.Observer) (_ entrance, err error) {
	limits := config.Limits
	e := entrance{log: s.log.Named("http"), operatorTLS: config.TLS.Operator, server: proxy.ServerConfig{
		HeaderTimeout: limits.HeaderTimeout, IdleTimeout: limits.IdleTimeout, UnreadTimeout: limits.UnreadTimeout,
		HeaderBytes: int(limits.HeaderBytes), CountError: s.metrics.HTTP2Error,
	}}
	if len(config.Certificates) > 0 {
		if s.certificates, err = proxy.NewCertificates(config.Certificates); err != nil {
			return entrance{}, err
		}
		e.certificates = s.certificates
	}
	e.front, err = proxy.NewFront(proxy.ListenerConfig{
		Connections: limits.Connections, UnreadTimeout: limits.UnreadTimeout, HeaderTimeout: limits.HeaderTimeout,
		ProxyProtocol: configs.Networks(config.ProxyProtocol),
	}, observer)
	return e, err
}

func (s *server) operatorAPI(metrics http.Handler) (*admin.Admin, error) {
	o := operations{pool: s.pool, pins: newPinner(s.pool, s.catalog), node: s.node}
	return admin.New(admin.Config{}, admin.Deps{
		Directory: adminDirectory{s.catalog, s.placer()}, Environments: environments{s.catalog, s.live.Load, s.data.path, s.log.Named("environment")}, Workers: o, Operations: o, Events: o, Metrics: metrics, BaseDomain: func() string { return s.live.Load().config.BaseDomain },
		Kinds: func() admin.Kinds { return s.live.Load().kinds }, Reload: s.reloader.Reload,
		Ready: s.ready, LogFile: s.logFile, Report: s.report, Closing: s.closing,
	})
}

// ready says whether requests can be taken: what an earlier router left is accounted for, and the catalog answers.
func (s *server) ready(ctx context.Context) error {
	select {
	case <-s.pool.Opened():
		return s.catalog.Ping(ctx)
	default:
		return errors.New("the workers of before are not accounted for yet")
	}
}

// logFile is where the workers of a workspace are logged.
func (s *server) logFile(ref workspace.Ref) string { return keeper.Data(s.data.path).Log(ref.String()) }

// report logs the cause of an operator's failed request; the answer may not tell it.
func (s *server) report(r *http.Request, err error) {
	s.log.Warn("an operator's request failed", zap.String(telemetry.FieldMethod, r.Method),
		zap.String(telemetry.FieldPath, telemetry.SafePath(r.URL.Path)), zap.String(telemetry.FieldCode, problem.Of(err).Code), zap.Error(err))
}

// close gives back what newServer opened; run must have returned.
func (s *server) close() {
	if s.listeners != nil {
		s.listeners.close()
	}
	if s.access != nil {
		s.access.Close()
	}
	if s.catalog != nil {
		s.catalog.Close()
	}
	if s.data != nil {
		s.data.Close()
	}
}
