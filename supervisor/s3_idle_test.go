package supervisor

import (
	"context"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

func TestS12_ExplainSaysWhoseIdleTimeoutItIs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		own  time.Duration
		of   string
		now  string // while it is ready
		then string // when it was stopped; empty: it is not
	}{
		"the pool's":             {0, "", "At rest it is stopped by the pool's time-out of 1m0s.", "because it was at rest for the pool's time-out of 1m0s; it had been at rest for 60.0 s"},
		"its kind's":             {time.Hour, "kind", "At rest it is stopped by its kind's time-out of 1h0m0s.", "because it was at rest for its kind's time-out of 1h0m0s"},
		"its workspace's":        {time.Second, "workspace", "by its workspace's time-out of 1s.", "for its workspace's time-out of 1s"},
		"its own, of nobody":     {time.Second, "", "by its own time-out of 1s.", "for its own time-out of 1s"},
		"never, by its kind":     {-1, "kind", "By its kind it is never stopped for being at rest.", ""},
		"never, by itself alone": {-1, "workspace", "By its workspace it is never stopped", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(2)
			cfg.IdleTimeout = time.Minute
			bubble(t, cfg, func(b *bench) {
				describe := b.pool.deps.Describe
				b.pool.deps.Describe = func(ctx context.Context, ref workspace.Ref) (Spec, error) {
					spec, err := describe(ctx, ref)
					spec.IdleTimeout, spec.IdleTimeoutOf = tc.own, tc.of
					return spec, err
				}
				b.use("a")
				explained := func(want string) {
					t.Helper()
					if text := strings.Join(b.pool.Explain(refOf("a")).Sentences, "\n"); !strings.Contains(text, want) {
						t.Errorf("it is explained without %q:\n%s", want, text)
					}
				}
				explained(tc.now)
				pass(2 * time.Hour)
				if tc.then == "" {
					b.wantState("a", StateReady)
					return
				}
				b.wantState("a", StateCold)
				explained(tc.then)
			})
		})
	}
}

func TestS12_ExplainSaysThatAPinKeepsAnIdleWorker(t *testing.T) {
	t.Parallel()
	cfg := testConfig(2)
	cfg.IdleTimeout = time.Minute
	bubble(t, cfg, func(b *bench) {
		b.use("a")
		_ = b.pool.Pin(refOf("a"))
		pass(time.Hour)
		if text := strings.Join(b.pool.Explain(refOf("a")).Sentences, "\n"); !strings.Contains(text, "While it is pinned, it is not stopped by the pool's time-out of 1m0s.") {
			t.Errorf("it is explained as:\n%s", text)
		}
	})
}
