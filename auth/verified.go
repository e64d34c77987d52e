package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
)

// digest is the SHA-256 of a credential. It is what is looked up and remembered: an attacker cannot choose it byte by
// byte, so comparing it leaks nothing about a secret, and a dump of the memory of the cache gives no key away.
type digest = [sha256.Size]byte

func hash(token string) digest { return sha256.Sum256([]byte(token)) }

// verified is a key that was good when the keys had this version.
type verified struct {
	principal *workspace.Principal
	id        string
	version   uint64
	expires   int64        // ns since 1970; 0 is never
	used      atomic.Int64 // ns since 1970, the last use
	written   int64        // the use that was last written down; Run's alone
}

// use notes the use and gives the principal, unless the key has expired.
func (v *verified) use(now time.Time) (*workspace.Principal, error) {
	at := now.UnixNano()
	if v.expires != 0 && at >= v.expires {
		return nil, errNotValid
	}
	v.used.Store(at)
	return v.principal, nil
}

// uses holds the last uses of keys that left the cache before they were written down.
type uses struct {
	mu   sync.Mutex // guards left
	left map[string]time.Time
}

func newUses() *uses { return &uses{left: map[string]time.Time{}} }

func (u *uses) keep(v *verified) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left[v.id] = time.Unix(0, v.used.Load())
}

func (u *uses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	left := u.left
	u.left = map[string]time.Time{}
	return left
}

// Run writes down when keys were last used, every so often and once more when ctx ends; then it returns nil.
func (a *Authenticator) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.config.TouchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			a.touch(last)
			return nil
		case <-ticker.C:
			a.touch(ctx)
		}
	}
}

// touch writes down what is new. What could not be written is lost: the time of the last use is a convenience.
func (a *Authenticator) touch(ctx context.Context) {
	used := a.uses.take()
	for _, v := range a.good.Values() {
		if at := v.used.Load(); at > v.written {
			v.written = at
			if moment := time.Unix(0, at); moment.After(used[v.id]) {
				used[v.id] = moment
			}
		}
	}
	if len(used) == 0 {
		return
	}
	if err := a.keys.TouchKeys(ctx, used); err != nil {
		a.logger.Warn("cannot note the last use of keys", zap.Error(err))
	}
}
