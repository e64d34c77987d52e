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

func hash(token string) digest {
	var buffer [64]byte // room for every key that is made here, so that hashing one allocates nothing
	return sha256.Sum256(append(buffer[:0], token...))
}

// verified is a key, or a session, that was good when the keys had this version.
type verified struct {
	principal *workspace.Principal
	id        string // of the key; blank for the static one
	version   uint64
	static    *digest     // the static key, for a session that hangs on it
	expires   time.Time   // zero is never
	used      atomic.Bool // since Run last looked; the moment would cost more than all the rest
}

// use notes the use and gives the principal, unless the key has expired.
func (v *verified) use() (*workspace.Principal, error) {
	if !v.expires.IsZero() && !time.Now().Before(v.expires) {
		return nil, errNotValid
	}
	if !v.used.Load() {
		v.used.Store(true)
	}
	return v.principal, nil
}

// uses holds the last uses of keys that left the cache before they were written down.
type uses struct {
	mu   sync.Mutex // guards left
	left map[string]time.Time
}

func newUses() *uses { return &uses{left: map[string]time.Time{}} }

func (u *uses) keep(v *verified) {
	if v.id == "" || !v.used.Load() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left[v.id] = time.Now()
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

// touch writes down what was used since it last did, with the present as the moment. What could not be written is lost:
// the time of the last use is a convenience, right to within Config.TouchEvery.
func (a *Authenticator) touch(ctx context.Context) {
	used := a.uses.take()
	for _, v := range append(a.good.Values(), a.sessions.Values()...) {
		if v.used.Swap(false) && v.id != "" {
			used[v.id] = time.Now()
		}
	}
	if len(used) == 0 {
		return
	}
	if err := a.keys.TouchKeys(ctx, used); err != nil {
		a.logger.Warn("cannot note the last use of keys", zap.Error(err))
	}
}
