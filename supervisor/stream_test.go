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
		for name, body := range map[string]io.ReadCloser{"by itself": sender{pieces: 3}, "read": io.NopCloser(strings.NewReader("piecepiecepiece"))} {
			lease := &Lease{launch: &launch{pool: pool}}
			response := &http.Response{StatusCode: http.StatusOK, Body: body}
			lease.watch(response)
			<-time.After(time.Minute)
			begun := lease.lastByte.Load()
			var out bytes.Buffer
			n, err := response.Body.(io.WriterTo).WriteTo(&out)
			if n != 15 || err != nil || out.String() != "piecepiecepiece" {
				t.Errorf("%s: got %d, %q, %v", name, n, out.String(), err)
			}
			if last := lease.lastByte.Load(); last <= begun || last != pool.now() {
				t.Errorf("%s: the last byte is noted at %d, now it is %d", name, last, pool.now())
			}
		}
	})
}
