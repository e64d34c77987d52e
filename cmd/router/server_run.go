package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/telemetry"
)

// running are the parts of a server that runs, as far as their order matters at the end.
type running struct {
	parts                                          *parts
	keys, driver, journal, pool, reloader, retirer *part
}

func (s *server) start() *running {
	s.warnOfKeep()
	warnOfAnonymous(&s.live.Load().config, s.log)
	all := newParts()
	r := &running{parts: all}
	r.keys = all.start("authenticator", s.keys.Run)
	r.driver = all.start("process driver", s.driver.Run)
	r.journal = all.start("journal", s.keepEvents())
	r.pool = all.start("pool", s.pool.Run)
	r.reloader = all.start("reloader", s.reloader.Run)
	r.retirer = all.start("retirer", s.retirer.Run)
	all.start("catalog", func(ctx context.Context) error { return s.catalog.Run(ctx, nil) })
	all.start("listeners", s.listeners.run)
	all.start("announcer", s.announceReady)
	return r
}

// run serves until ctx ends, a part fails, or another router has taken over, and returns when nothing runs any more. An
// orderly end is nil.
func (s *server) run(ctx context.Context) error {
	r := s.start()
	upgrader := r.parts.start("upgrader", s.upgrader.Run)
	var failure error
	select {
	case <-ctx.Done():
		s.log.Info("shutting down", zap.NamedError("cause", context.Cause(ctx)))
	case failure = <-r.parts.failed:
		s.log.Error("a part failed; shutting down", zap.Error(failure))
	case <-s.upgrader.taken:
	}
	if s.heir.waiting() {
		// Nothing is stopped: the router before takes the workers back as soon as this process is gone, which is at once.
		return errors.Join(failure, context.Cause(ctx))
	}
	failure = errors.Join(failure, upgrader.stop()) // an upgrade that is under way is taken back, or done
	close(s.closing)
	select {
	case <-s.upgrader.taken:
		defer s.passOn(ctx)()
		return errors.Join(failure, s.leave(r))
	default:
		return errors.Join(failure, s.end(r))
	}
}

// end stops everything.
func (s *server) end(r *running) error {
	began := time.Now()
	s.tell(notifyStopping)
	// What counts now counts to the end. Requests end first, then the workers that served them, then the keeper that held those.
	// The journal writes what the pool has told to its end.
	errs := errors.Join(r.reloader.stop(), r.retirer.stop())
	s.listeners.shutdown(s.live.Load().config.ShutdownGrace)
	if s.keeps() {
		s.pool.LetGo()
	}
	errs = errors.Join(errs, r.pool.stop(), r.driver.stop(), r.journal.stop(), r.keys.stop())
	r.parts.wait()
	s.log.Info("shut down", zap.Duration(telemetry.FieldDuration, time.Since(began)), zap.Error(errs))
	return errs
}

// tell lets the service manager know. That it does not hear it changes nothing here.
func (s *server) tell(state string) {
	if err := s.manager.tell(context.Background(), state); err != nil {
		s.log.Warn("the service manager is not told", zap.Error(err))
	}
}
