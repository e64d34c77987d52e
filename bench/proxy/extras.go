package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// extra is what is measured of a subject beside small requests.
type extra struct {
	name              string
	down, pieces, up  bulk
	line              time.Duration // p50 from the worker's writing of a line to the client's reading of it
	left              time.Duration // p50 from a client's leaving to the worker's learning of it
	before, connected float64       // MiB without clients, and with many that do nothing
}

type bulk struct {
	perSecond float64 // MiB
	cpu       time.Duration
}

const (
	idleClients = 1000
	streamLines = 100
	leavings    = 15
)

func (f *field) extras(ctx context.Context, o options) ([]extra, error) {
	var list []extra
	for _, s := range f.subjects {
		e, err := f.extra(ctx, o, s)
		if err != nil {
			return list, fmt.Errorf("cannot measure %s: %w", s.name, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func (f *field) extra(ctx context.Context, o options, s *subject) (extra, error) {
	e := extra{name: s.name}
	var errs [6]error
	path := fmt.Sprintf("/bytes?n=%d", o.bulk)
	e.down, errs[0] = s.transfer(ctx, o.bulk, s.request(http.MethodGet, path, ""), nil)
	e.pieces, errs[1] = s.transfer(ctx, o.bulk, s.request(http.MethodGet, path+"&chunked=1", ""), nil)
	e.up, errs[2] = s.transfer(ctx, o.bulk, s.request(http.MethodPost, "/small", fmt.Sprintf("Content-Length: %d\r\n", o.bulk)), io.LimitReader(zeros{}, o.bulk))
	e.line, errs[3] = s.lineDelay(ctx)
	e.left, errs[4] = s.leaving(ctx, f.workerOf(s))
	e.before = residentMiB(s.tree())
	var idle *clients
	if idle, errs[5] = s.connect(ctx, idleClients); errs[5] == nil {
		_, errs[5] = idle.load(time.Millisecond) // one request each
		e.connected = residentMiB(s.tree())
	}
	idle.close()
	return e, errors.Join(errs[:]...)
}

// workerOf is where the subject's worker can be asked: the router has one of its own.
func (f *field) workerOf(s *subject) *subject {
	if s.prefix != "" {
		return s
	}
	return f.worker
}

// transfer measures a large body in one direction.
func (s *subject) transfer(ctx context.Context, size int64, request []byte, body io.Reader) (bulk, error) {
	pids := s.tree()
	begun, before := time.Now(), processorTime(pids)
	err := s.open(ctx, request, body, func(response *http.Response) error {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 256<<10))
		if err == nil && (response.StatusCode != http.StatusOK || body == nil && n != size) {
			err = fmt.Errorf("status %d with %d bytes", response.StatusCode, n)
		}
		return err
	})
	return bulk{float64(size) / (1 << 20) / time.Since(begun).Seconds(), processorTime(pids) - before}, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// lineDelay is how long a line of a stream takes.
func (s *subject) lineDelay(ctx context.Context) (time.Duration, error) {
	var delays []time.Duration
	err := s.open(ctx, s.request(http.MethodGet, fmt.Sprintf("/lines?n=%d", streamLines), ""), nil, func(response *http.Response) error {
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			written, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				return err
			}
			delays = append(delays, time.Since(time.Unix(0, written)))
		}
		return lines.Err()
	})
	return quantile(delays, 0.5), err
}

// leaving is how long the worker does not know that a client has gone.
func (s *subject) leaving(ctx context.Context, worker *subject) (time.Duration, error) {
	var delays []time.Duration
	for range leavings {
		var went time.Time
		if err := s.open(ctx, s.request(http.MethodGet, "/hang", ""), nil, func(*http.Response) error {
			went = time.Now() // the connection is closed with this
			return nil
		}); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		for delay := time.Millisecond; ; delay *= 2 {
			if err := pause(ctx, delay); err != nil {
				return 0, err
			}
			text, err := worker.get(ctx, "/left")
			if err != nil {
				return 0, err
			}
			if at, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && at > 0 {
				delays = append(delays, time.Unix(0, at).Sub(went))
				break
			}
			if delay > 2*time.Second {
				return delay, nil // never, as far as anybody waits
			}
		}
	}
	return quantile(delays, 0.5), nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
