package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"workspace-router/internal/workspace"
)

// A session is what a browser holds after a log-in: a signed token that stands for a key on one workspace and dies with
// the key. It outlives restarts, since nothing of it is kept here but the key that it is signed with.

// What tokens are for. One made for one thing is not accepted for another.
const (
	sessionIssuer   = "workspace-router"
	audienceSession = "session"
	audienceGuest   = "guest"
)

// maxSession bounds what is parsed, in bytes. Sessions have about 500.
const maxSession = 2048

// guestLifetime is what a guest's token says of itself, for programs that look at it.
const guestLifetime = 24 * time.Hour

type sessionClaims struct {
	jwt.RegisteredClaims
	Tenant      workspace.Name       `json:"tenant"`
	Generation  workspace.Generation `json:"generation"`
	Fingerprint string               `json:"fingerprint,omitempty"` // of the static key, which has no id
}

// guestClaims have the form of those that LightRAG gives to everybody where it has no accounts.
type guestClaims struct {
	jwt.RegisteredClaims
	Role     string            `json:"role"`
	Metadata map[string]string `json:"metadata"`
}

// dataPermissions are all that a session can hold.
var dataPermissions = workspace.Permissions(workspace.QueryRun, workspace.DocumentRead, workspace.DocumentWrite,
	workspace.DocumentDelete, workspace.GraphRead, workspace.GraphWrite, workspace.WorkspaceRead)

// OpenSession makes the token of a session on one workspace for the principal whom the key stands for.
func (a *Authenticator) OpenSession(key string, p *workspace.Principal, ref workspace.Ref, lifetime time.Duration) (string, error) {
	now := time.Now()
	claims := &sessionClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: sessionIssuer, Audience: jwt.ClaimStrings{audienceSession}, Subject: p.ID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Tenant: ref.Tenant, Generation: ref.Generation,
	}
	if p.ID == StaticPrincipal {
		claims.Fingerprint = a.fingerprint(hash(key))
	}
	return a.sign(claims)
}

// ResumeSession gives the principal of a session: who logged in, narrowed to the data of the one workspace, and to what
// the key permits there now. The error is, or wraps, workspace.ErrUnauthenticated where the session is not valid or its
// key is not any more, and workspace.ErrCatalogUnavailable where that cannot be known now.
func (a *Authenticator) ResumeSession(ctx context.Context, token string) (*workspace.Principal, error) {
	if len(token) > maxSession || len(a.config.SessionKey) == 0 {
		return nil, errNotValid
	}
	h, version, static := hash(token), a.keys.KeysVersion(), a.static.Load()
	if v, found := a.sessions.Get(h); found && v.version == version && (v.static == nil || v.static == static) {
		return v.use()
	}
	v, err := a.verifySession(ctx, token, static)
	if err != nil {
		a.sessions.Remove(h)
		return nil, err
	}
	v.version = version
	a.sessions.Add(h, v)
	return v.use()
}

func (a *Authenticator) verifySession(ctx context.Context, token string, static *digest) (*verified, error) {
	claims := &sessionClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(sessionIssuer),
		jwt.WithAudience(audienceSession), jwt.WithExpirationRequired(), jwt.WithStrictDecoding()).
		ParseWithClaims(token, claims, a.signingKey)
	if err != nil {
		return nil, errNotValid
	}
	v := &verified{expires: claims.ExpiresAt.Time}
	full := a.principal
	if claims.Subject == StaticPrincipal {
		if static == nil || subtle.ConstantTimeCompare([]byte(claims.Fingerprint), []byte(a.fingerprint(*static))) != 1 {
			return nil, errNotValid
		}
		v.static = static
	} else {
		id, _ := strings.CutPrefix(claims.Subject, keyPrincipal)
		key, err := a.keys.KeyByID(ctx, id)
		switch {
		case errors.Is(err, workspace.ErrNotFound) || err == nil && !key.ValidAt(time.Now()):
			return nil, errNotValid
		case err != nil:
			return nil, fmt.Errorf("cannot verify a session: %w", err)
		}
		if v.id = key.ID; !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(v.expires) {
			v.expires = key.ExpiresAt
		}
		full = keysPrincipal(key)
	}
	if v.principal = narrow(full, workspace.Ref{Tenant: claims.Tenant, Generation: claims.Generation}); v.principal == nil {
		return nil, errNotValid
	}
	return v, nil
}

// narrow gives the principal as far as it may use the data of one workspace; nil where it does not see that.
func narrow(p *workspace.Principal, ref workspace.Ref) *workspace.Principal {
	if ref.Generation == "" || !p.Sees(ref) {
		return nil
	}
	var held workspace.PermissionSet
	for _, permission := range dataPermissions.List() {
		if p.May(ref, permission) {
			held |= workspace.Permissions(permission)
		}
	}
	return &workspace.Principal{Type: workspace.PrincipalToken, ID: p.ID, Grants: []workspace.Grant{{
		Tenant: ref.Tenant, Workspaces: []workspace.Generation{ref.Generation}, Permissions: held,
	}}}
}

// GuestToken gives a token without any right, for pages that insist on sending one.
func (a *Authenticator) GuestToken() (string, error) {
	now := time.Now()
	return a.sign(&guestClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: sessionIssuer, Audience: jwt.ClaimStrings{audienceGuest}, Subject: "guest",
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(guestLifetime)),
		},
		Role: "guest", Metadata: map[string]string{"auth_mode": "disabled"},
	})
}

// IsGuestToken reports whether GuestToken made the token. Its age is nothing to go by: it has no right to lose.
func (a *Authenticator) IsGuestToken(token string) bool {
	if len(token) > maxSession || len(a.config.SessionKey) == 0 {
		return false
	}
	claims := &guestClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()).
		ParseWithClaims(token, claims, a.signingKey)
	return err == nil && claims.Issuer == sessionIssuer && len(claims.Audience) == 1 && claims.Audience[0] == audienceGuest
}

func (a *Authenticator) signingKey(*jwt.Token) (any, error) { return a.config.SessionKey, nil }

func (a *Authenticator) sign(claims jwt.Claims) (string, error) {
	if len(a.config.SessionKey) == 0 {
		return "", errors.New("cannot make a token: there is no key for sessions")
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(a.config.SessionKey)
	if err != nil {
		return "", fmt.Errorf("cannot make a token: %w", err)
	}
	return token, nil
}

// fingerprint tells static keys apart in a token that others may read: without the key for sessions nothing can be
// tried out on it.
func (a *Authenticator) fingerprint(key digest) string {
	mac := hmac.New(sha256.New, a.config.SessionKey)
	mac.Write([]byte("static key "))
	mac.Write(key[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
