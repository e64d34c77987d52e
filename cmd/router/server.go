package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

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
	pool      *supervisor.Pool
	journal   *journal.Journal // of the pool's events
	metrics   *telemetry.Metrics
	reloader  *reloader
	listeners *listeners
	manager   notifier
	closing   chan struct{} // closed when the end begins, so that those who follow events are let go

	adminKey   string // for the terminal, and only where it was made now
	keyCreated bool
}

// newServer locks the data directory, binds the addresses and builds every part; nothing is started and no request is
// served yet. What it opened is closed again where it fails. The configuration is the source's; a signal from hangup has
// it read anew. The sockets that this process was started with are used instead of new ones.
func newServer(ctx context.Context, config configs.Config, source configs.Source, hangup <-chan os.Signal, sockets given) (_ *server, err error) {
	s := &server{level: zap.NewAtomicLevel(), node: nodeName(), manager: newNotifier(), closing: make(chan struct{})}
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
		source: source, hangup: hangup, running: func() *configs.Config { return &s.live.Load().config }, apply: s.apply,
		note:  func(of supervisor.EventType, reason, detail string) { s.pool.Note(of, reason, detail) },
		watch: watcher{look: sight}, asked: make(chan chan<- outcome), ended: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.data, err = openDataDir(config.Data, nil); err != nil {
		return nil, err
	}
	// Before anything durable is made: an address that is in use must leave no trace.
	if s.listeners, err = listen(ctx, config, s.data, sockets); err != nil {
		return nil, err
	}
	if s.catalog, err = catalog.Open(ctx, catalog.Config{Path: s.data.join("catalog.db")}); err != nil {
		return nil, err
	}
	if s.adminKey, s.keyCreated, err = auth.EnsureAdminKey(ctx, s.data.path, s.catalog); err != nil {
		return nil, err
	}
	if s.keys, err = auth.New(auth.Config{StaticKey: config.APIKey.Reveal()}, auth.Deps{Keys: s.catalog, Logger: s.log.Named("auth")}); err != nil {
		return nil, err
	}
	if s.local, err = auth.NewLocal(s.data.path); err != nil {
		return nil, err
	}
	if err = s.supervise(config); err != nil {
		return nil, err
	}
	if s.access, err = telemetry.NewAccessLog(config.Log.Format, os.Stderr); err != nil {
		return nil, err
	}
	return s, s.serveOn(config.Limits)
}

// supervise builds the driver, the pool, and what keeps and counts what the pool does.
func (s *server) supervise(config configs.Config) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the router's own program: %w", err)
	}
	beside := filepath.Dir(executable)
	s.driver, err = process.New(process.Config{
		Data: s.data.path, KeeperPath: filepath.Join(beside, "keeper"), ExeDir: beside,
	}, process.Deps{Logger: s.log})
	if err != nil {
		return err
	}
	if s.journal, err = journal.New(journal.Defaults(s.data.join("events")), s.log.Named("journal")); err != nil {
		return err
	}
	s.metrics = telemetry.NewMetrics()
	counts := telemetry.NewPool(s.metrics)
	s.pool, err = supervisor.New(poolConfig(config.Pool, s.node), supervisor.Deps{
		Driver: s.driver, Ownership: supervisor.Local{}, Describe: describe(s.catalog, s.live.Load), Logger: s.log.Named("pool"),
		Observer: counts, Archive: s.journal,
	})
	if err != nil {
		return err
	}
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
func (s *server) serveOn(limits configs.Limits) error {
	observer := proxy.Observer{Access: s.access, Metrics: s.metrics, Logger: s.log.Named("http")}
	operator, err := s.operatorAPI(s.metrics.Handler())
	if err != nil {
		return err
	}
	data, err := proxy.New(proxy.Config{Version: version.Version}, proxy.Deps{
		Authenticator: s.keys,
		Directory:     proxyDirectory{s.catalog},
		Settings:      func() *proxy.Settings { return &s.live.Load().settings },
		Pool:          leases(s.pool),
		Own:           operator.Handler(admin.Public, s.keys),
		Observer:      observer,
	})
	if err != nil {
		return err
	}
	// The listeners of those who operate are served by the same rules, and recorded alike.
	own, err := proxy.Observe(observer, operator.Handler(admin.Operator, s.keys))
	if err != nil {
		return err
	}
	local, err := proxy.Observe(observer, operator.Handler(admin.Local, s.local))
	if err != nil {
		return err
	}
	return s.listeners.serve(limits, s.log.Named("http"), data, own, local)
}

func (s *server) operatorAPI(metrics http.Handler) (*admin.Admin, error) {
	o := operations{pool: s.pool, node: s.node}
	return admin.New(admin.Config{}, admin.Deps{
		Directory: adminDirectory{s.catalog}, Workers: o, Operations: o, Events: o, Metrics: metrics,
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

// run serves until ctx ends or a part fails, and returns when nothing runs any more. An orderly end is nil.
func (s *server) run(ctx context.Context) error {
	parts := newParts()
	keys := parts.start("authenticator", s.keys.Run)
	driver := parts.start("process driver", s.driver.Run)
	journal := parts.start("journal", s.keepEvents())
	pool := parts.start("pool", s.pool.Run)
	reloader := parts.start("reloader", s.reloader.Run)
	parts.start("listeners", s.listeners.run)
	parts.start("announcer", s.announceReady)

	var failure error
	select {
	case <-ctx.Done():
		s.log.Info("shutting down", zap.NamedError("cause", context.Cause(ctx)))
	case failure = <-parts.failed:
		s.log.Error("a part failed; shutting down", zap.Error(failure))
	}
	began := time.Now()
	s.tell(notifyStopping)
	close(s.closing)
	// What counts now counts to the end. Requests end first, then the workers that served them, then the keeper that held those.
	// The journal writes what the pool has told to its end.
	failure = errors.Join(failure, reloader.stop())
	s.listeners.shutdown(s.live.Load().config.ShutdownGrace)
	errs := errors.Join(failure, pool.stop(), driver.stop(), journal.stop(), keys.stop())
	parts.wait()
	s.log.Info("shut down", zap.Duration(telemetry.FieldDuration, time.Since(began)), zap.Error(errs))
	return errs
}

// announceReady tells the service manager when requests can be taken.
func (s *server) announceReady(ctx context.Context) error {
	select {
	case <-s.pool.Opened():
		s.tell(notifyReady)
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// tell lets the service manager know. That it does not hear it changes nothing here.
func (s *server) tell(state string) {
	if err := s.manager.tell(context.Background(), state); err != nil {
		s.log.Warn("the service manager is not told", zap.Error(err))
	}
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
