package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// The probe begins tightly, because it is all that stands between a worker that is ready and its first request.
const (
	firstProbe  = 2 * time.Millisecond
	lastProbe   = 100 * time.Millisecond
	probeShare  = 16              // a pause is this part of the time that the worker has taken so far, within the two above
	probeBound  = 5 * time.Second // of one probe; a worker may accept before it answers
	maxIdentity = 1 << 20         // bytes of the answer
)

// errNotReady says that the worker does not answer yet.
var errNotReady = errors.New("the worker is not ready")

// prove waits until the worker answers its ready probe, and answers as this launch. Each connection is proven to lead
// to the launch's own process before a byte goes out on it, so that the secret reaches nobody else.
func (w *worker) prove(ctx context.Context, s *start) error {
	k := w.spec.Kind
	endpoint, found := k.Endpoints[kind.HTTPEndpoint]
	if !found {
		return fmt.Errorf("the kind %q has no endpoint %q", k.Name, kind.HTTPEndpoint)
	}
	if k.Ready.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, k.Ready.Timeout, fmt.Errorf("it took longer than %v", k.Ready.Timeout))
		defer cancel()
	}
	ctx, cancel := w.untilExit(ctx)
	defer cancel()
	dial := w.dialer(kind.HTTPEndpoint, endpoint)
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	probe := &prober{worker: w, client: &http.Client{Transport: transport, CheckRedirect: noRedirect}, host: endpoint.Host}
	pace := newPace(w.untold())
	defer pace.timer.Stop()
	last := errNotReady
	for {
		select {
		case <-pace.timer.C:
		case <-w.notify.told():
			pace.told()
		case <-ctx.Done():
			return w.whyNot(ctx, last)
		}
		body, err := probe.once(ctx)
		switch {
		case err == nil:
			s.reached(supervisor.PhaseReady, time.Now())
			if err := w.identify(body); err != nil {
				return &causeError{supervisor.CauseWrongIdentity, err}
			}
			if err := s.hardened(ctx); err != nil && !closed(w.exited) {
				return err
			}
			return w.proven(s)
		case errors.Is(err, errForeign):
			return &causeError{supervisor.CauseWrongIdentity, err}
		case errors.Is(err, errAddressInUse):
			return err
		case ctx.Err() == nil:
			last = err
		}
		pace.next()
	}
}

// A worker that can say when it is ready is asked then. The probe of one that says nothing, as an older version of its
// program, begins later and goes on more slowly, so as not to take from its start what it needs itself.
const (
	firstUntold = 50 * time.Millisecond
	lastUntold  = time.Second
	untoldShare = 8
)

// pace says when the next probe is due.
type pace struct {
	timer  *time.Timer
	began  time.Time
	untold time.Duration // the shortest pause while the worker may still say that it is ready; 0 where it will not, or has
}

// untold is for how long a worker that can say when it is ready is not asked.
func (w *worker) untold() time.Duration {
	if w.notify == nil {
		return 0
	}
	return w.driver.untold
}

func newPace(untold time.Duration) *pace {
	return &pace{timer: time.NewTimer(untold), began: time.Now(), untold: untold}
}

// told takes the worker by its word: from now on it is expected to answer.
func (p *pace) told() { p.began, p.untold = time.Now(), 0 }

func (p *pace) next() {
	taken := time.Since(p.began)
	if p.untold > 0 {
		p.timer.Reset(max(min(taken/untoldShare, lastUntold), p.untold))
		return
	}
	p.timer.Reset(min(max(taken/probeShare, firstProbe), lastProbe))
}

// hardened waits until the claim on the workspace's directory is on the disk. Nothing is served before.
func (s *start) hardened(ctx context.Context) error {
	if s.durable == nil {
		return nil
	}
	select {
	case err := <-s.durable:
		return err
	case <-ctx.Done():
		return hangs(ctx, "cannot mark the workspace's directory")
	}
}

// proven opens the endpoints, unless the worker has ended meanwhile.
func (w *worker) proven(s *start) error {
	select {
	case <-w.exited:
		return w.ended()
	default:
	}
	w.mu.Lock()
	w.ready = true
	w.mu.Unlock()
	s.reached(supervisor.PhaseProven, time.Now())
	return nil
}

func (w *worker) isReady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

// untilExit gives a context that ends with the root process too.
func (w *worker) untilExit(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-w.exited:
			cancel(errWorkerGone)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// whyNot names the cause of an end without readiness; last is why the last probe failed.
func (w *worker) whyNot(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errWorkerGone):
		return w.ended()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err := fmt.Errorf("the worker did not become ready: %w: %w", cause, last)
		if status := w.notify.last(); status != "" {
			err = fmt.Errorf("%w; it said %q", err, status)
		}
		return &causeError{supervisor.CauseNeverReady, err}
	}
	return &causeError{supervisor.CauseCancelled, cause}
}

// ended is the error of a worker whose root process ended before it was proven.
func (w *worker) ended() error {
	w.mu.Lock()
	status, stopped := w.status, w.stopped
	link := w.link
	w.mu.Unlock()
	select {
	case <-link.down:
		return &causeError{supervisor.CauseKeeper, errKeeperDied}
	default:
	}
	switch {
	case stopped:
		return &causeError{supervisor.CauseCancelled, errors.New("the worker was stopped before it was ready")}
	case w.lostPort(): // it could not bind, and ended before a probe found the other process
		return errAddressInUse
	case status.OutOfMemory:
		return &causeError{supervisor.CauseOutOfMemory, fmt.Errorf("the worker was ended before it was ready, as it needed more memory than its limit of %s", w.memoryLimit())}
	case status.Signal != "":
		return &causeError{supervisor.CauseExited, fmt.Errorf("the worker was ended by %s before it was ready", status.Signal)}
	}
	return &causeError{supervisor.CauseExited, fmt.Errorf("the worker exited with status %d before it was ready", status.Code)}
}

// identify compares the ready probe's answer with what this launch must say.
func (w *worker) identify(body []byte) error {
	if len(w.spec.Kind.Identity) == 0 {
		return nil
	}
	var answer any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return fmt.Errorf("the ready probe's answer is not JSON: %w", err)
	}
	for _, check := range w.spec.Kind.Identity {
		want, err := w.values.expand(check.Equals)
		if err != nil {
			return err
		}
		got, found := kind.LookUp(answer, check.Pointer)
		if !found {
			return fmt.Errorf("the ready probe's answer has nothing at %q", check.Pointer)
		}
		if textOf(got) != want { // neither is quoted: it may be a secret, or another launch's
			return fmt.Errorf("the ready probe's answer says something else at %q than this launch must", check.Pointer)
		}
	}
	return nil
}

// prober sends ready probes.
type prober struct {
	worker *worker
	client *http.Client
	host   string
}

// noRedirect takes a redirection as the answer that it is: what it points to is not the launch.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// once sends one probe and gives the body of the right answer.
func (p *prober) once(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	ready := p.worker.spec.Kind.Ready
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://worker"+ready.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make the ready probe: %w", err)
	}
	request.Header = p.worker.header.Clone()
	if p.host != "" {
		request.Host = p.host
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIdentity))
	if err != nil {
		return nil, err
	}
	want := ready.Status
	if want == 0 {
		want = http.StatusOK
	}
	if response.StatusCode != want {
		return nil, fmt.Errorf("%w: %s is answered with status %d, want %d", errNotReady, ready.Path, response.StatusCode, want)
	}
	return body, nil
}
