// Package auth turns a request's credential into a principal. It keeps no secret beyond the process, only hashes;
// decides nothing about workspaces, which is the principal's own (workspace.Principal.May); and starts no goroutine
// but those of Authenticator.Run, which its caller starts.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"workspace-router/internal/workspace"
)

// Keys is where registered keys are looked up.
type Keys interface {
	// KeysVersion counts up with every change of the keys' validity; it must be cheap.
	KeysVersion() uint64
	// KeyByHash gives the key whose secret has this SHA-256, or workspace.ErrNotFound, or an error that wraps
	// workspace.ErrCatalogUnavailable. It may block until ctx ends.
	KeyByHash(ctx context.Context, hash [sha256.Size]byte) (workspace.Key, error)
	// KeyByID gives the key of an id, with the same errors.
	KeyByID(ctx context.Context, id string) (workspace.Key, error)
	// TouchKeys notes when keys were last used, by id. It may block until ctx ends.
	TouchKeys(ctx context.Context, used map[string]time.Time) error
}

// Config of an Authenticator.
type Config struct {
	// StaticKey is a key that no catalog knows, for the data of the tenant "default"; empty is none.
	StaticKey string
	// SessionKey signs sessions, 32 bytes; without it there are none.
	SessionKey []byte
	// CacheSize is how many verified keys are remembered, how many refused ones, and how many sessions; 0 is 4096 each.
	CacheSize int
	// TouchEvery is how often the use of keys is written down, and how exact it is; 0 is once a minute.
	TouchEvery time.Duration
}

// Deps of an Authenticator.
type Deps struct {
	Keys   Keys
	Logger *zap.Logger
}

// Authenticator verifies credentials. It remembers hashes of what it verified, good and bad apart, until the keys
// change; it is safe for concurrent use.
type Authenticator struct {
	config    Config
	keys      Keys
	logger    *zap.Logger
	good      *lru.Cache[digest, *verified]
	bad       *lru.Cache[digest, uint64]    // → the keys' version at which it was refused
	sessions  *lru.Cache[digest, *verified] // apart, since a session is no key and is not accepted as one
	uses      *uses
	static    atomic.Pointer[digest] // of the static key; nil where there is none
	principal *workspace.Principal   // of the static key
}

// New checks the configuration. Run, where it is started, writes down when keys were last used.
func New(config Config, deps Deps) (*Authenticator, error) {
	if deps.Keys == nil || deps.Logger == nil {
		return nil, errors.New("cannot make an authenticator: Keys and Logger are needed")
	}
	if n := len(config.SessionKey); n != 0 && n != sessionKeyBytes {
		return nil, fmt.Errorf("cannot make an authenticator: the key for sessions has %d bytes, want %d", n, sessionKeyBytes)
	}
	if config.CacheSize == 0 {
		config.CacheSize = 4096
	}
	if config.TouchEvery == 0 {
		config.TouchEvery = time.Minute
	}
	a := &Authenticator{config: config, keys: deps.Keys, logger: deps.Logger, uses: newUses(), principal: staticPrincipal()}
	var err error
	if a.good, err = lru.NewWithEvict(config.CacheSize, func(_ digest, v *verified) { a.uses.keep(v) }); err != nil {
		return nil, fmt.Errorf("cannot make an authenticator: %w", err)
	}
	if a.bad, err = lru.New[digest, uint64](config.CacheSize); err != nil {
		return nil, fmt.Errorf("cannot make an authenticator: %w", err)
	}
	if a.sessions, err = lru.NewWithEvict(config.CacheSize, func(_ digest, v *verified) { a.uses.keep(v) }); err != nil {
		return nil, fmt.Errorf("cannot make an authenticator: %w", err)
	}
	a.ReplaceStaticKey(config.StaticKey)
	a.config.StaticKey = "" // its hash is all that is needed from here on
	return a, nil
}

// ReplaceStaticKey makes another key the static one, or with an empty one none. The one before is not valid any more for
// whoever is authenticated afterwards; requests that were authenticated already are StaticPrincipal's still.
func (a *Authenticator) ReplaceStaticKey(key string) {
	if key == "" {
		a.static.Store(nil)
		return
	}
	h := hash(key)
	a.static.Store(&h)
}

// StaticPrincipal is the id of the principal whom the static key stands for.
const StaticPrincipal = "key:static"

// staticPrincipal may use the data of the tenant "default" and make workspaces in it, as the single server could whose
// key it was; it may operate nothing.
func staticPrincipal() *workspace.Principal {
	return &workspace.Principal{Type: workspace.PrincipalKey, ID: StaticPrincipal, Grants: []workspace.Grant{{
		Tenant: workspace.DefaultTenant,
		Permissions: workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite,
			workspace.DocumentDelete, workspace.GraphRead, workspace.GraphWrite, workspace.WorkspaceRead, workspace.WorkspaceCreate),
	}}}
}

// Authenticate gives the principal of the request's credential. The error is, or wraps, workspace.ErrUnauthenticated
// where there is none or it is not valid, and workspace.ErrCatalogUnavailable where that cannot be known now.
func (a *Authenticator) Authenticate(r *http.Request) (*workspace.Principal, error) {
	token, err := Credential(r.Header)
	if err != nil {
		return nil, err
	}
	return a.AuthenticateToken(r.Context(), token)
}

// AuthenticateToken is Authenticate for a credential that was taken from its place already.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string) (*workspace.Principal, error) {
	h := hash(token)
	if static := a.static.Load(); static != nil && subtle.ConstantTimeCompare(h[:], static[:]) == 1 {
		return a.principal, nil
	}
	version := a.keys.KeysVersion()
	if v, found := a.good.Get(h); found && v.version == version {
		return v.use()
	}
	if refusedAt, found := a.bad.Get(h); found && refusedAt == version {
		return nil, errNotValid
	}
	return a.verify(ctx, h, version)
}

// verify asks the catalog. The version was read before, so that a change in between makes the entry void.
func (a *Authenticator) verify(ctx context.Context, h digest, version uint64) (*workspace.Principal, error) {
	key, err := a.keys.KeyByHash(ctx, h)
	switch {
	case errors.Is(err, workspace.ErrNotFound) || err == nil && !key.ValidAt(time.Now()):
		a.good.Remove(h)
		a.bad.Add(h, version)
		return nil, errNotValid
	case err != nil:
		return nil, fmt.Errorf("cannot verify a key: %w", err)
	}
	v := &verified{version: version, id: key.ID, expires: key.ExpiresAt, principal: keysPrincipal(key)}
	a.good.Add(h, v)
	return v.use()
}

// keyPrincipal begins the ids of principals whom registered keys stand for; the key's id follows.
const keyPrincipal = "key:"

func keysPrincipal(key workspace.Key) *workspace.Principal {
	return &workspace.Principal{Type: workspace.PrincipalKey, ID: keyPrincipal + key.ID, Grants: []workspace.Grant{key.Grant}}
}
