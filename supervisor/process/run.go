package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/supervisor"
)

const (
	firstBackoff = 20 * time.Millisecond // before a keeper that died is replaced
	lastBackoff  = 5 * time.Second
	// steady is how long a keeper must have lived for its death not to count as one of a row.
	steady = 30 * time.Second
	// closeMargin is what an orderly end may take beyond the longest grace of a worker: the keeper's own patience after
	// SIGKILL, and its farewell.
	closeMargin = 15 * time.Second
	// reapPatience is how long a keeper that closed its connection may take to end.
	reapPatience = 5 * time.Second
	// askEvery is how often a keeper is asked for its session that another router has.
	askEvery = 25 * time.Millisecond
)

// Run keeps a keeper alive until the context or Close ends it; then all workers are stopped in their own way. It
// returns when the keeper is gone, or with an error that wraps supervisor.ErrNotGone when not all of it is in time.
func (d *Driver) Run(ctx context.Context) (err error) {
	d.mu.Lock()
	again := d.started
	d.started = true
	d.mu.Unlock()
	if again {
		return errors.New("cannot run the process driver twice")
	}
	defer func() {
		d.runError = err
		close(d.ended)
	}()
	defer d.preloads.end()
	stop := context.AfterFunc(ctx, func() { d.closeOnce.Do(func() { close(d.closing) }) })
	defer stop()
	backoff := firstBackoff
	for own := false; ; {
		began := time.Now()
		done, err := d.attend(own)
		var denied *deniedError
		if done || d.isClosing() {
			if errors.As(err, &denied) {
				return nil // what runs is another router's
			}
			return err
		}
		if d.isReleased() {
			<-d.closing // what runs is another router's
			return nil
		}
		if own = errors.As(err, &denied) && denied.Reason == keeper.DenyEnding; own {
			continue // ours waits for it
		}
		if denied != nil {
			d.denied(denied)
			continue
		}
		err = fmt.Errorf("%w; its last words are in %q", err, d.data.KeeperLog())
		d.setLink(nil, err)
		d.log.Error("the keeper is replaced; its workers are being reaped", zap.Error(err), zap.Duration("after", time.Since(began)))
		if time.Since(began) > steady {
			backoff = firstBackoff
		}
		d.pause(backoff)
		backoff = min(2*backoff, lastBackoff)
	}
}

// denied waits a moment before the keeper is asked again.
func (d *Driver) denied(denied *deniedError) {
	d.mu.Lock()
	var before *deniedError
	news := !errors.As(d.failure, &before) || before.PID != denied.PID
	d.mu.Unlock()
	if news {
		d.log.Warn("waits for the workers, which are another router's", zap.Int("pid", denied.PID))
		d.setLink(nil, denied)
	}
	d.pause(askEvery)
}

func (d *Driver) isClosing() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

func (d *Driver) pause(t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.closing:
	}
}

// reach connects to the keeper that runs, or starts one; with own it starts one in any case.
func (d *Driver) reach(own bool) (*link, error) {
	if !own {
		l, err := attachKeeper(d.data, d.id)
		if !errors.Is(err, errNoKeeper) {
			return l, err
		}
	}
	return dialKeeper(d.config.KeeperPath, d.data, d.config.Groups)
}

// attend is the life of one connection to a keeper. done says that it ended because it was asked to.
func (d *Driver) attend(own bool) (done bool, err error) {
	l, err := d.reach(own)
	if err != nil {
		d.setLink(nil, err)
		return false, err
	}
	_ = l.send(keeper.Message{Attach: &keeper.Attach{Keep: d.config.Keep, Token: l.token}}) // where it cannot be sent, nothing comes either
	messages := make(chan keeper.Message)
	var readError error
	go func() {
		defer close(messages)
		for {
			m, err := l.conn.Read()
			if err != nil {
				readError = err
				return
			}
			messages <- m
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	farewell, err := d.converse(ctx, l, messages)
	cancel()
	l.background.Wait()
	l.file.Close()
	for range messages { // the reader ends with the file
	}
	close(l.down)
	var denied *deniedError
	switch {
	case errors.As(err, &denied):
		return false, err
	case errors.Is(err, errLetGo):
		return true, nil
	}
	d.setLink(nil, errKeeperDied)
	for _, w := range d.all() {
		w.orphaned(l)
	}
	if errors.Is(readError, unix.ECONNRESET) { // it had not read all that it was told
		readError = io.EOF
	}
	if err == nil && farewell == nil && !errors.Is(readError, io.EOF) {
		err = readError
	}
	if farewell != nil && len(farewell.Left) > 0 {
		return true, fmt.Errorf("cannot prove the launches %s gone, the keeper goes on trying: %w",
			strings.Join(farewell.Left, ", "), supervisor.ErrNotGone)
	}
	if l.command != nil || farewell != nil { // another router's child is not this one's to wait for, unless it was told to end
		err = errors.Join(err, l.wait(reapPatience))
	}
	if err == nil && farewell == nil {
		err = errKeeperDied
	}
	return farewell != nil, err
}

// converse handles what the keeper says until it says no more, or until an orderly end takes too long. What it starts in
// the link's background ends with the context.
func (d *Driver) converse(ctx context.Context, l *link, messages <-chan keeper.Message) (*keeper.Done, error) {
	closing := d.closing
	var held []keeper.Message
	var deadline <-chan time.Time
	var done *keeper.Done
	for {
		select {
		case m, open := <-messages:
			if !open {
				return done, nil
			}
			switch {
			case m.Done != nil:
				done = m.Done
				if len(done.Left) > 0 {
					return done, nil // it stays, without us
				}
			case m.Denied != nil:
				return nil, &deniedError{*m.Denied}
			case m.Held != nil:
				held = append(held, m)
			case m.Hello != nil && d.isReleased():
				return nil, errLetGo // the keeper that the other router had died, and this one was faster to have another
			case m.Hello != nil:
				l.attached = true
				d.hello(l, *m.Hello, held)
				held = nil
				if l.command == nil { // else this router has just started it
					l.background.Go(func() { d.renew(ctx, l, *m.Hello) })
				}
			default:
				d.handle(m)
			}
		case <-closing:
			if d.gaveAway() || d.config.Keep > 0 && d.serves() || l.command == nil && !l.attached {
				return nil, errLetGo
			}
			closing = nil
			timer := time.NewTimer(d.longestGrace() + closeMargin)
			defer timer.Stop()
			deadline = timer.C
			if err := l.send(keeper.Message{Shutdown: &keeper.Shutdown{}}); err != nil {
				return nil, err
			}
		case <-deadline:
			return nil, fmt.Errorf("the keeper does not end: %w", supervisor.ErrNotGone)
		}
	}
}

// serves reports whether there is a worker. A preloader alone is not worth to be kept.
func (d *Driver) serves() bool {
	return slices.ContainsFunc(d.all(), func(w *worker) bool { return !w.preloads })
}

func (d *Driver) longestGrace() (grace time.Duration) {
	for _, w := range d.all() {
		grace = max(grace, w.spec.Kind.Stop.Grace)
	}
	return grace
}

// handle takes in one message.
func (d *Driver) handle(m keeper.Message) {
	switch {
	case m.Waiting != nil:
		d.log.Warn("an earlier keeper still stops its workers", zap.Int("pid", m.Waiting.PID))
		d.setLink(nil, fmt.Errorf("the data directory is held by process %d", m.Waiting.PID))
	case m.Spawned != nil:
		d.tell(m.Spawned.Launch, m.Nonce, func(w *worker) { w.onSpawned(*m.Spawned) })
	case m.Refused != nil:
		d.tell(m.Refused.Launch, m.Nonce, func(w *worker) { w.onRefused(*m.Refused) })
	case m.Exited != nil:
		d.tell(m.Exited.Launch, m.Nonce, func(w *worker) { w.onExited(m.Exited.Status) })
	case m.NotGone != nil:
		d.log.Error("a worker is not gone after SIGKILL", zap.String("launch", m.NotGone.Launch), zap.Ints("pids", m.NotGone.PIDs))
		d.tell(m.NotGone.Launch, m.Nonce, (*worker).onNotGone)
	case m.Gone != nil:
		d.tell(m.Gone.Launch, m.Nonce, func(w *worker) { w.onGone(*m.Gone) })
	case m.Taken != nil:
		d.onTaken(m.Taken.PID)
	case m.Stayed != nil:
		d.onStayed()
	case m.Returned != nil:
		d.onReturned()
	case m.Yield != nil:
		d.onYield(m.Yield.Launch)
	case m.Elsewhere != nil:
		d.onElsewhere(*m.Elsewhere)
	case m.Renewed != nil:
		d.onRenewed(*m.Renewed)
	}
}

// tell passes on what the keeper says of a launch, unless it is about an earlier one with the same id.
func (d *Driver) tell(launch, nonce string, event func(*worker)) {
	if w := d.worker(launch); w != nil && w.values.nonce == nonce {
		event(w)
	}
}

// errLetGo ends a conversation with a keeper that goes on without this router.
var errLetGo = errors.New("the workers are left to the next router")

// hello opens the driver for starts. Whatever an earlier keeper held is proven gone by now, but for what the new one
// could not end and holds as its own; what an earlier router has left to this keeper is taken up.
func (d *Driver) hello(l *link, h keeper.Hello, held []keeper.Message) {
	left := map[string]bool{}
	for _, m := range held {
		d.takeUp(context.Background(), l, m.Nonce, *m.Held)
		left[m.Held.Launch] = true
	}
	for _, r := range h.Reaped {
		left[r.Launch] = r.Left
		for _, pid := range r.PIDs {
			// Where this process is the first of its machine or container, orphans of a killed keeper came to it.
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
		d.log.Warn("a launch of an earlier keeper was reaped", zap.String("launch", r.Launch),
			zap.String("workspace", r.Workspace), zap.Int("killed", len(r.PIDs)), zap.Bool("left", r.Left))
	}
	for _, w := range d.all() {
		if w.holder() == l {
			continue
		}
		if left[string(w.spec.Launch)] {
			w.adoptedBy(l)
		} else {
			w.onGone(keeper.Gone{Status: keeper.Status{Code: -1, Signal: "SIGKILL", At: time.Now()}, Proof: h.Proof})
		}
	}
	d.mu.Lock()
	d.recovered = true
	d.mu.Unlock()
	d.regained(l)
	d.log.Debug("the keeper takes commands", zap.Int("pid", h.PID), zap.String("proof", h.Proof))
	d.setLink(l, nil)
}
