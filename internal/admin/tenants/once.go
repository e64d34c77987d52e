package tenants

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

const (
	maxIdempotencyKey = 255
	// keepAnswerTimeout bounds the writing down of an answer, which its request does not end.
	keepAnswerTimeout = 5 * time.Second
)

// once has a request with an Idempotency-Key done only once: the same principal, route and key get the first answer again,
// for a day, but for a secret that was shown in it. The key with another body is refused.
func (a *API) once(serve func(*call) error) func(*call) error {
	return func(c *call) error {
		key := c.r.Header.Get("Idempotency-Key")
		if key == "" {
			return serve(c)
		}
		if len(key) > maxIdempotencyKey {
			return fmt.Errorf("%w: Idempotency-Key: it has %d bytes, want at most %d", problem.ErrBadRequest, len(key), maxIdempotencyKey)
		}
		content, err := c.body()
		if err != nil {
			return err
		}
		id := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", c.principal.ID, c.r.Method, c.r.URL.Path, key))
		known, begun, err := a.deps.Directory.BeginAnswer(c.r.Context(), id, sha256.Sum256(content))
		switch {
		case err != nil:
			return err
		case begun:
			return a.serveOnce(c, id, serve)
		case known.Status == 0:
			return fmt.Errorf("%w: the first request with this Idempotency-Key has not been answered", workspace.ErrRefused)
		}
		c.w.Header().Set("Idempotency-Replayed", "true")
		c.send(known.Status, known.Body)
		return nil
	}
}

// serveOnce keeps the answer before it is sent. Where it failed it may be tried again.
func (a *API) serveOnce(c *call, id [sha256.Size]byte, serve func(*call) error) error {
	keep := func(answer workspace.Answer) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), keepAnswerTimeout)
		defer cancel()
		return a.deps.Directory.EndAnswer(ctx, id, answer)
	}
	real := c.w
	c.w = &held{ResponseWriter: real}
	err := serve(c)
	sent := c.w.(*held)
	c.w = real
	if err != nil {
		_ = keep(workspace.Answer{}) // a request that is sent again is refused for a day at worst, and says why
		return err
	}
	if err := keep(c.answer); err != nil && a.deps.Report != nil {
		a.deps.Report(c.r, err)
	}
	c.send(sent.status, sent.content)
	return nil
}

// held keeps an answer back.
type held struct {
	http.ResponseWriter
	status  int
	content []byte
}

func (h *held) WriteHeader(status int) { h.status = status }

func (h *held) Write(p []byte) (int, error) {
	h.content = append(h.content, p...)
	return len(p), nil
}
