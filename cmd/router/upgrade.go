package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/telemetry"
	"workspace-router/supervisor"
)

// How long an upgrade may take: the new router until it is prepared, starts of workers that are under way until they
// have ended, the new router until it serves, the keeper until it has seen the end of one that failed, and that one until
// its end is seen here.
const (
	prepareTimeout = 30 * time.Second
	settleTimeout  = 30 * time.Second
	takeTimeout    = 30 * time.Second
	returnTimeout  = 10 * time.Second
	endPatience    = time.Second
)

// upgrader replaces this router by a new one when it is asked to. The new one is started from the program as it is on
// disk now and is handed the listening sockets and the data directory's lock; then the keeper's session, and with it the
// workers. Until the new one serves, every step can be taken back, and this router goes on as if nothing had been.
type upgrader struct {
	program string
	asked   <-chan os.Signal
	tell    func(state string) // to the service manager
	note    func(of supervisor.EventType, reason, detail string)
	log     *zap.Logger

	ready  func(context.Context) error // whether this router serves
	before func(context.Context) int   // the pid of the router before while it is still leaving, or 0
	begin  func() (*successor, error)
	door   *door
	// still returns when no start or stop is under way; none begins then until resume is called.
	still     func(context.Context) (resume func(), err error)
	listeners *listeners
	session   session
	claim     func() error // writes into the lock's file who serves

	heir  *successor    // valid once taken is closed
	taken chan struct{} // closed when the new router serves
}

// session is this router's hold of the keeper, and with it of the workers.
type session struct {
	handOver func(context.Context) error // returns when the new router has it, or with an error and as if it had not been called
	release  func() error                // it is never to come back
	// returned, after handOver, is closed when it comes back because the new router died; nil where it is back already.
	returned func() <-chan struct{}
}

// errLost says that the workers cannot be had back from a new router that failed.
var errLost = errors.New("the keeper's session has not come back")

// Run upgrades whenever it is asked to, one attempt at a time, until ctx ends, and then returns nil. It takes no further
// attempt once one has succeeded. The error is that of an attempt that could not be taken back.
func (u *upgrader) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.asked:
			done := make(chan error, 1)
			go func() { done <- u.attempt(ctx) }()
			err := u.sitOut(done)
			switch {
			case err == nil:
				close(u.taken)
				<-ctx.Done()
				return nil
			case errors.Is(err, errLost):
				return err
			}
		}
	}
}

// sitOut waits for an attempt's end and refuses others meanwhile.
func (u *upgrader) sitOut(done <-chan error) error {
	for {
		select {
		case err := <-done:
			return err
		case <-u.asked:
			u.log.Warn("an upgrade is under way; SIGUSR2 is ignored")
		}
	}
}

// attempt makes one try. Where it fails, it says so and everything is as before.
func (u *upgrader) attempt(ctx context.Context) error {
	began := time.Now()
	if state, err := notifyReloading(); err == nil {
		u.tell(state)
	}
	u.log.Info("upgrading", zap.String("program", u.program))
	if err := u.try(ctx); err != nil {
		u.tell(notifyReady)
		u.note(supervisor.EventUpgradeFailed, "", err.Error())
		return err
	}
	// The service manager must hear it from this process: as yet it is the main one.
	u.tell(notifyMain(u.heir.pid()))
	u.log.Info("another router goes on", zap.Int("pid", u.heir.pid()), zap.Duration(telemetry.FieldDuration, time.Since(began)))
	return nil
}

// try starts the new router and gives it everything, or takes it all back.
func (u *upgrader) try(ctx context.Context) (err error) {
	if err := u.mayUpgrade(ctx); err != nil {
		return err
	}
	heir, err := u.begin()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			heir.kill()
			err = fmt.Errorf("the router %q, process %d, could not take over: %w", u.program, heir.pid(), err)
		}
	}()
	if err := within(ctx, prepareTimeout, func(ctx context.Context) error { return heir.await(ctx, wordPrepared) }); err != nil {
		return err
	}
	resume := func() {}
	defer func() {
		if err != nil {
			resume()
			u.door.open()
		}
	}()
	// Those who wait for a worker that is being started here are served here.
	if err := within(ctx, settleTimeout, func(ctx context.Context) error {
		if err := u.door.close(ctx); err != nil {
			return err
		}
		again, err := u.still(ctx)
		if err == nil {
			resume = again
		}
		return err
	}); err != nil {
		return err
	}
	if err := u.pass(ctx, heir); err != nil {
		return err
	}
	u.door.lock()
	u.heir = heir
	return nil
}

// mayUpgrade says what an upgrade would break.
func (u *upgrader) mayUpgrade(ctx context.Context) error {
	if os.Getpid() == 1 {
		return errors.New("cannot upgrade: this router is the first process of its container, and its end would be that of all; start another container")
	}
	if pid := u.before(ctx); pid != 0 {
		return fmt.Errorf("cannot upgrade: process %d, the router before this one, still ends its requests; try again later", pid)
	}
	if err := u.ready(ctx); err != nil {
		return fmt.Errorf("cannot upgrade: %w", err)
	}
	return nil
}

// pass hands the workers to the new router. Nobody accepts meanwhile, so that no connection is lost where the new one
// fails; what comes waits in the sockets' queues.
func (u *upgrader) pass(ctx context.Context, heir *successor) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, takeTimeout, fmt.Errorf("%v are over", takeTimeout))
	defer cancel()
	var returned <-chan struct{}
	defer func() {
		if err != nil {
			heir.kill() // before anything is taken back from it
			err = errors.Join(err, takeBack(returned, returnTimeout), u.claim(), u.listeners.open())
		}
	}()
	if err := u.listeners.hold(); err != nil {
		return err
	}
	if err := heir.proceed(); err != nil {
		return err
	}
	if err := u.offer(ctx, heir); err != nil {
		return err
	}
	returned = u.session.returned()
	if err := serves(ctx, heir, returned); err != nil {
		return err
	}
	return u.session.release()
}

// serves waits until the new router serves, or cannot because the workers are this one's again.
func serves(ctx context.Context, heir *successor, returned <-chan struct{}) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-returned:
		case <-ctx.Done():
			return
		}
		select { // it has ended, most likely, and can say why
		case <-heir.ended:
		case <-time.After(endPatience):
		}
		end(errors.New("the workers are this router's again"))
	}()
	return heir.await(ctx, wordServing)
}

// offer waits until the new router has the keeper's session, or has ended.
func (u *upgrader) offer(ctx context.Context, heir *successor) error {
	ctx, withdraw := context.WithCancelCause(ctx)
	defer withdraw(nil)
	go func() {
		select {
		case <-heir.ended:
			withdraw(heir.status)
		case <-ctx.Done():
		}
	}()
	return u.session.handOver(ctx)
}

// takeBack waits until the keeper has given the session of a dead router back; a nil channel is one that was not given.
func takeBack(returned <-chan struct{}, bound time.Duration) error {
	if returned == nil {
		return nil
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-returned:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w after %v", errLost, bound)
	}
}

// within runs one step with a bound of its own.
func within(ctx context.Context, bound time.Duration, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("%v are over", bound))
	defer cancel()
	return step(ctx)
}
