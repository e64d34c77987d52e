package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/telemetry"
	"workspace-router/supervisor"
)

// newUpgrader makes what replaces this server by another one.
func (s *server) newUpgrader(asked <-chan os.Signal) (*upgrader, error) {
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	grace := func() time.Duration { return s.live.Load().config.ShutdownGrace }
	return &upgrader{
		program: program, asked: asked, tell: s.tell, log: s.log.Named("upgrade"), ready: s.ready, before: s.heir.predecessor,
		note:  func(of supervisor.EventType, reason, detail string) { s.pool.Note(of, reason, detail) },
		begin: func() (*successor, error) { return startSuccessor(program, s.listeners, s.data.lock) },
		door:  s.door, still: s.pool.Still, listeners: s.listeners, claim: s.data.claim, taken: make(chan struct{}),
		session: session{
			handOver: func(ctx context.Context) error { return s.driver.HandOver(ctx, grace(), s.pool.Holds, s.pool.GiveUp) },
			release:  s.driver.Release, returned: s.driver.Returned,
		},
	}, nil
}

// announceReady says that requests can be taken: to the router that this one follows, or else to the service manager.
func (s *server) announceReady(ctx context.Context) error {
	select {
	case <-s.pool.Opened():
	case <-ctx.Done():
		return nil
	}
	if s.heir == nil {
		s.tell(notifyReady)
	} else if err := s.takePlace(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// takePlace makes this router the one that serves.
func (s *server) takePlace() error {
	if err := errors.Join(s.data.claim(), s.listeners.open()); err != nil {
		return err
	}
	s.listeners.inherit()
	s.pool.Note(supervisor.EventUpgraded, "", fmt.Sprintf("follows process %d", s.heir.before))
	s.heir.serving()
	return nil
}

// leave ends this router when another one goes on: what is open here ends by itself, and nothing is stopped.
func (s *server) leave(run *running) error {
	began := time.Now()
	s.pool.LetGo()
	errs := errors.Join(run.reloader.stop(), run.retirer.stop())
	s.listeners.leave(s.live.Load().config.ShutdownGrace)
	errs = errors.Join(errs, run.pool.stop(), run.driver.stop(), run.journal.stop(), run.keys.stop())
	run.parts.wait()
	s.log.Info("left", zap.Duration(telemetry.FieldDuration, time.Since(began)), zap.Error(errs))
	return errs
}

// passOn has the other router end, too, where this one was told to while it was leaving.
func (s *server) passOn(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		if err := s.upgrader.heir.command.Process.Signal(syscall.SIGTERM); err != nil {
			s.log.Warn("the other router cannot be told to end", zap.Error(err))
		}
	})
}
