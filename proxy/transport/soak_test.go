package transport

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 500*time.Millisecond, "how long workers and clients misbehave at random")

// misdeeds are what a worker does with a request in place of answering it well. Each writes something, and says whether
// the connection goes on.
var misdeeds = []func(conn net.Conn, token string, dice *rand.Rand) bool{
	func(net.Conn, string, *rand.Rand) bool { return false },
	func(c net.Conn, token string, dice *rand.Rand) bool {
		whole := goodAnswer(token)
		_, _ = io.WriteString(c, whole[:dice.IntN(len(whole))])
		return false
	},
	func(c net.Conn, token string, _ *rand.Rand) bool { // more than it said, of somebody else's
		_, _ = io.WriteString(c, goodAnswer(token)+goodAnswer("stray"))
		return true
	},
	func(c net.Conn, token string, _ *rand.Rand) bool {
		_, _ = io.WriteString(c, strings.Replace(goodAnswer(token), "\r\n", "\n", 1))
		return true
	},
	func(c net.Conn, token string, _ *rand.Rand) bool {
		_, _ = io.WriteString(c, okHead+"Content-Length: 3\r\nContent-Length: 4\r\n\r\n"+token)
		return true
	},
	func(c net.Conn, _ string, _ *rand.Rand) bool {
		_, _ = io.WriteString(c, chunked("5\r\nstray\n0\r\n\r\n"))
		return true
	},
	func(c net.Conn, token string, _ *rand.Rand) bool { // says that it closes, and does not
		_, _ = io.WriteString(c, strings.Replace(goodAnswer(token), "\r\n", "\r\nConnection: close\r\n", 1)+goodAnswer("stray"))
		return true
	},
	func(c net.Conn, token string, _ *rand.Rand) bool { // closes, and does not say so
		_, _ = io.WriteString(c, goodAnswer(token))
		return false
	},
	func(c net.Conn, token string, dice *rand.Rand) bool { // in pieces
		for whole := goodAnswer(token); whole != ""; {
			n := 1 + dice.IntN(len(whole))
			if _, err := io.WriteString(c, whole[:n]); err != nil {
				return false
			}
			whole = whole[n:]
		}
		return true
	},
	func(c net.Conn, token string, _ *rand.Rand) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"+goodAnswer(token))
		return true
	},
	func(c net.Conn, _ string, _ *rand.Rand) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray")
		return true
	},
}

func goodAnswer(token string) string {
	if len(token)%2 == 0 {
		return chunked(fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Token: %s\r\n\r\n", len(token), token, token))
	}
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, len(token), token)
}

// misbehave answers requests well half of the time.
func misbehave(_ int, conn net.Conn, in *bufio.Reader) {
	dice := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		token := strings.TrimPrefix(request.URL.Path, "/")
		early := dice.IntN(4) == 0
		if !early {
			if body, err := io.ReadAll(request.Body); err != nil || len(body) > 0 && string(body[:min(len(token), len(body))]) != token[:min(len(token), len(body))] {
				token = "stray" // another request's body
			}
		}
		goOn := true
		if dice.IntN(2) == 0 {
			goOn = misdeeds[dice.IntN(len(misdeeds))](conn, token, dice)
		} else if _, err := io.WriteString(conn, goodAnswer(token)); err != nil {
			return
		}
		if !goOn || early {
			return
		}
	}
}

// Whatever workers and clients do, nobody gets another's answer, and nobody waits for ever.
func TestSoak_NobodyGetsAnothersAnswer(t *testing.T) {
	t.Parallel()
	w := script(t, misbehave)
	transport := w.lean()
	ends := time.Now().Add(*soak)
	var all sync.WaitGroup
	var asked, answered atomic.Int64
	for client := range 8 {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(rand.Uint64(), uint64(client)))
			for n := 0; time.Now().Before(ends) && !t.Failed(); n++ {
				asked.Add(1)
				if askOnce(t, transport, dice, fmt.Sprintf("%d-%d", client, n)) {
					answered.Add(1)
				}
			}
		})
	}
	all.Wait()
	if asked.Load() < 100 || answered.Load()*4 < asked.Load() {
		t.Errorf("%d of %d requests were answered well: this tests nothing", answered.Load(), asked.Load())
	}
	t.Logf("%d of %d requests answered well, over %d connections", answered.Load(), asked.Load(), w.dialed.Load())
}

// askOnce sends one request, perhaps with a body, and perhaps not to its end. It reports whether it was answered well.
func askOnce(t *testing.T, transport http.RoundTripper, dice *rand.Rand, token string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request := newRequest(t, http.MethodGet, "/"+token, nil)
	if kind := dice.IntN(4); kind > 0 {
		request.Method = http.MethodPost
		content := io.Reader(strings.NewReader(strings.Repeat(token, 1+dice.IntN(1<<dice.IntN(16)))))
		if kind == 3 {
			content = io.MultiReader(io.LimitReader(content, 1000), failingReader{errors.New("broken")})
		}
		request.Body, request.ContentLength = io.NopCloser(content), -1
	}
	if dice.IntN(8) == 0 {
		time.AfterFunc(time.Duration(dice.IntN(2000))*time.Microsecond, cancel)
	}
	response, err := transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: no answer in %v", token, patience)
		}
		return false
	}
	defer response.Body.Close()
	if dice.IntN(8) == 0 {
		_, _ = io.ReadFull(response.Body, make([]byte, 1))
		return false
	}
	body, err := io.ReadAll(response.Body)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: no end of the answer in %v", token, patience)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		return false
	}
	if trailer := response.Trailer.Get("X-Token"); string(body) != token || trailer != "" && trailer != token {
		t.Errorf("%s got %q with the trailer %q", token, body, trailer)
	}
	return true
}
