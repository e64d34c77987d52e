package supervisor

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sender is a body that sends itself in pieces, with time between them.
type sender struct {
	io.Reader
	pieces int
}

func (sender) Close() error { return nil }

func (sender) Buffered() int { return 7 }

func (s sender) WriteTo(w io.Writer) (total int64, err error) {
	for range s.pieces {
		<-time.After(time.Minute)
		n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("piece"))
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// S3: a stream whose bytes the kernel moves is no stuck one.
func TestS3_WhatABodySendsByItselfIsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool := &Pool{born: time.Now()}
		lease := &Lease{launch: &launch{pool: pool}}
		response := &http.Response{StatusCode: http.StatusOK, Body: sender{pieces: 3}}
		lease.watch(response)
		begun := lease.lastByte.Load()
		var out bytes.Buffer
		body, sends := response.Body.(sendingBody)
		if !sends || body.Buffered() != 7 {
			t.Fatalf("the body is hidden by a %T", response.Body)
		}
		n, err := body.WriteTo(&out)
		if n != 15 || err != nil || out.String() != "piecepiecepiece" {
			t.Errorf("got %d, %q, %v", n, out.String(), err)
		}
		if last := lease.lastByte.Load(); last <= begun || last != pool.now() {
			t.Errorf("the last byte is noted at %d, now it is %d", last, pool.now())
		}
	})
}

// What cannot send itself does not look as if it could.
func TestStream_AnotherBodyIsOnlyRead(t *testing.T) {
	t.Parallel()
	lease := &Lease{launch: &launch{pool: &Pool{born: time.Now()}}}
	response := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("read"))}
	lease.watch(response)
	if _, sends := response.Body.(sendingBody); sends {
		t.Error("it does")
	}
	if got, err := io.ReadAll(response.Body); string(got) != "read" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
