package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A client that sends its body too slowly loses its request, and its worker is free for others.
func TestBody_ASlowOneIsRefused(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	f := newFronted(t, echo, reach{}, withSettings(func(s *Settings) { s.BodyTimeout = timeout }))
	for name, framing := range map[string]string{"declared": "Content-Length: 100\r\n\r\nbegun", "chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"} {
		response, content := f.raw(t, "POST /w/alpha/query HTTP/1.1\r\nHost: localhost\r\n"+credential+framing)
		if response.StatusCode != http.StatusRequestTimeout || response.Header.Get("X-Router-Error") != "body_timeout" || !response.Close {
			t.Errorf("%s: got %d %v %s", name, response.StatusCode, response.Header, content)
		}
		f.settled()
	}
}

func TestBody_ASlowOneIsRefusedOverHTTP2(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{}, withSettings(func(s *Settings) { s.BodyTimeout = 200 * time.Millisecond }))
	stalls, feed := io.Pipe()
	go func() { _, _ = io.WriteString(feed, "begun") }()
	defer stalls.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/w/alpha/query", stalls)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", adminKey)
	response, err := f.clear.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout || response.Header.Get("X-Router-Error") != "body_timeout" {
		t.Errorf("got %d %v", response.StatusCode, response.Header)
	}
	f.settled()
}

// The bound is a pace: what has come gives more time, and the time in which the worker reads nothing is not the client's.
func TestBody_ThePaceIsTheClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		out, in := io.Pipe()
		b := &countedBody{ReadCloser: out}
		left := func() time.Duration { d, _ := b.left(timeout); return d }
		<-time.After(time.Hour) // nobody reads
		if left() != timeout {
			t.Errorf("the worker's time counts: %v left", left())
		}
		go func() { _, _ = io.ReadAll(b) }()
		<-time.After(4 * time.Second)
		if d, waiting := b.left(timeout); d != 6*time.Second || !waiting {
			t.Errorf("after 4 s of waiting %v are left, waiting %v", d, waiting)
		}
		_, _ = io.WriteString(in, strings.Repeat("x", 3*bodyPace))
		<-time.After(time.Second)
		if left() != timeout-5*time.Second+3*time.Second {
			t.Errorf("after 3 KiB %v are left", left())
		}
		in.Close()
		synctest.Wait()
		if !b.ended.Load() {
			t.Error("the end was not seen")
		}
	})
}

// A worker that takes its time over an upload is not the client's fault, and not cut before it has had its own.
func TestAnswerTimer_GivesAWorkerItsTimeWhenItReadsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{settings: &Settings{BodyTimeout: 10 * time.Second}}
		x.body.ReadCloser = io.NopCloser(strings.NewReader("never read"))
		const patience = time.Minute
		ended := make(chan error, 1)
		began := time.Now()
		timer := x.answerTimer(patience, func(cause error) { ended <- cause })
		defer timer.Stop()
		if cause := <-ended; time.Since(began) != patience {
			t.Errorf("given up after %v: %v", time.Since(began), cause)
		}
	})
}

// A refusal reaches a client that announces a body and does not send it, and the connection is not kept for it.
func TestBody_ARefusalDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	for name, path := range map[string]string{"no such workspace": "/w/nowhere/query", "no credential": "/w/alpha/query", "the router's own": "/livez", "a redirect": "/w/alpha"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, reader := r.dial()
			head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n", path)
			if name != "no credential" {
				head += credential
			}
			began := time.Now()
			fmt.Fprint(conn, head+"\r\nonly a part")
			response, err := http.ReadResponse(reader, nil)
			if err != nil || response.StatusCode == http.StatusContinue {
				t.Fatalf("got %v, %v", response, err)
			}
			if _, err := io.ReadAll(reader); err != nil { // until the server closes
				t.Errorf("the connection was not closed: %v", err)
			}
			if took := time.Since(began); took > lingering+patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}
