package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// A large answer of known length comes out byte for byte, and is counted; over HTTP/1.1 the kernel moves it.
func TestRelay_ALargeAnswer(t *testing.T) {
	t.Parallel()
	for _, size := range []int{largeAnswer - 1, largeAnswer, 5*largeAnswer + 7} {
		content := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(content)
		})
		for range 2 {
			if got := r.get("/w/alpha/query"); got.status != 200 || !bytes.Equal([]byte(got.body), content) {
				t.Errorf("got %d with %d bytes that differ", got.status, len(got.body))
			}
		}
		r.settled()
		if line := r.recorded(2)[1]; !strings.Contains(line, fmt.Sprintf(`"bytes_out":%d`, size)) {
			t.Errorf("recorded as %s", line)
		}
	}
}

// A worker that dies in one leaves the client with a cut connection, not with an answer that looks whole.
func TestRelay_ALargeAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(10*largeAnswer))
		_, _ = w.Write(make([]byte, 3*largeAnswer))
		panic(http.ErrAbortHandler)
	})
	response, err := r.open(t.Context(), http.MethodGet, "/w/alpha/query", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil || n > 3*largeAnswer {
		t.Errorf("got %d bytes, %v", n, err)
	}
	r.settled()
}

// Pieces of a large answer go on as they come, too.
func TestRelay_ALargeAnswerThatComesSlowly(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]rigOption{"lean": nil, "standard": {withStandard()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowly(t, options...)
		})
	}
}

func slowly(t *testing.T, options ...rigOption) {
	t.Helper()
	const pieces, size = 5, largeAnswer
	next := make(chan struct{}, 1)
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(pieces*size))
		_ = http.NewResponseController(w).Flush()
		for range pieces {
			<-next
			_, _ = w.Write(append(bytes.Repeat([]byte("x"), size-1), '\n'))
			_ = http.NewResponseController(w).Flush()
		}
	}, options...)
	response, err := r.open(t.Context(), http.MethodGet, "/w/alpha/query", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for range pieces {
		next <- struct{}{}
		if line, err := lines.ReadString('\n'); len(line) != size || err != nil {
			t.Fatalf("got %d bytes, %v", len(line), err)
		}
	}
	r.settled()
}
