package auth

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"workspace-router/internal/workspace"
)

func (s *store) KeyByID(_ context.Context, id string) (workspace.Key, error) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return workspace.Key{}, s.err
	}
	for _, k := range s.keys {
		if k.ID == id {
			return k, nil
		}
	}
	return workspace.Key{}, workspace.ErrNotFound
}

const staticKey = "a-static-key"

var (
	alpha      = workspace.Ref{Tenant: "default", Name: "alpha", Generation: "gen-alpha"}
	beta       = workspace.Ref{Tenant: "default", Name: "beta", Generation: "gen-beta"}
	sessionKey = bytes.Repeat([]byte{7}, sessionKeyBytes)
)

func newSessions(t *testing.T, keys Keys, key []byte) *Authenticator {
	t.Helper()
	a, err := New(Config{StaticKey: staticKey, SessionKey: key}, Deps{Keys: keys, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open logs in with a key and gives the session.
func open(t *testing.T, a *Authenticator, key string, ref workspace.Ref, lifetime time.Duration) string {
	t.Helper()
	p, err := a.AuthenticateToken(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.OpenSession(key, p, ref, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSession_HoldsTheDataOfOneWorkspace(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newSessions(t, s, sessionKey)
	admin, key := s.register(t, func(k *workspace.Key) {
		k.Grant = workspace.Grant{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterAdmin)}
	})
	reader, _ := s.register(t, nil)
	for name, test := range map[string]struct {
		key  string
		want workspace.PermissionSet
	}{
		"the admin's key":       {admin, dataPermissions},
		"a key that only reads": {reader, workspace.Permissions(workspace.QueryRun)},
		"the static key":        {staticKey, dataPermissions},
	} {
		p, err := a.ResumeSession(t.Context(), open(t, a, test.key, alpha, time.Hour))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := []workspace.Grant{{Tenant: "default", Workspaces: []workspace.Generation{"gen-alpha"}, Permissions: test.want}}
		if diff := cmp.Diff(want, p.Grants); diff != "" || p.Type != workspace.PrincipalToken {
			t.Errorf("%s: type %s (-want +got):\n%s", name, p.Type, diff)
		}
		if p.Sees(beta) || p.May(alpha, workspace.WorkspaceOperate) || p.May(alpha, workspace.ClusterAdmin) || p.MayInTenant("default", workspace.WorkspaceCreate) {
			t.Errorf("%s: the session reaches beyond the data of its workspace", name)
		}
	}
	p, err := a.ResumeSession(t.Context(), open(t, a, admin, alpha, time.Hour))
	if err != nil || p.ID != "key:"+key.ID {
		t.Errorf("the session is %v's (%v), want the key's", p, err)
	}
}

func TestSession_OutlivesTheProcessAndIsRemembered(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, _ := s.register(t, nil)
	token := open(t, newSessions(t, s, sessionKey), secret, alpha, time.Hour)
	later := newSessions(t, s, sessionKey)
	before := s.asked.Load()
	for range 3 {
		if _, err := later.ResumeSession(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if asked := s.asked.Load() - before; asked != 1 {
		t.Errorf("the catalog was asked %d times, want once", asked)
	}
}

func TestSession_EndsWithItsKey(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *store, a *Authenticator, id string){
		"revoked": func(t *testing.T, s *store, _ *Authenticator, id string) {
			if err := s.RevokeKey(t.Context(), id); err != nil {
				t.Error(err)
			}
		},
		"no longer for the workspace": func(_ *testing.T, s *store, _ *Authenticator, id string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for h, k := range s.keys {
				if k.ID == id {
					k.Grant.Workspaces = []workspace.Generation{"gen-beta"}
					s.keys[h] = k
				}
			}
			s.version.Add(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			a := newSessions(t, s, sessionKey)
			secret, key := s.register(t, nil)
			token := open(t, a, secret, alpha, time.Hour)
			if _, err := a.ResumeSession(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			end(t, s, a, key.ID)
			for range 2 {
				if _, err := a.ResumeSession(t.Context(), token); !errors.Is(err, workspace.ErrUnauthenticated) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestSession_EndsWithTheStaticKey(t *testing.T) {
	t.Parallel()
	a := newSessions(t, newStore(), sessionKey)
	token := open(t, a, staticKey, alpha, time.Hour)
	for _, step := range []struct {
		key   string
		valid bool
	}{{staticKey, true}, {"another", false}, {"", false}, {staticKey, true}} {
		a.ReplaceStaticKey(step.key)
		if _, err := a.ResumeSession(t.Context(), token); (err == nil) != step.valid {
			t.Errorf("with %q: got %v", step.key, err)
		}
	}
}

func TestSession_Expires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newSessions(t, s, sessionKey)
		secret, _ := s.register(t, nil)
		short, _ := s.register(t, func(k *workspace.Key) { k.ExpiresAt = time.Now().Add(time.Minute) })
		byTime, byKey := open(t, a, secret, alpha, time.Hour), open(t, a, short, alpha, time.Hour)
		check := func(token string, valid bool) {
			t.Helper()
			if _, err := a.ResumeSession(t.Context(), token); (err == nil) != valid {
				t.Errorf("after a while: got %v, want valid %v", err, valid)
			}
		}
		check(byTime, true)
		check(byKey, true)
		<-time.After(2 * time.Minute)
		check(byTime, true)
		check(byKey, false)
		<-time.After(time.Hour)
		check(byTime, false)
		fresh := newSessions(t, s, sessionKey)
		if _, err := fresh.ResumeSession(t.Context(), byTime); !errors.Is(err, workspace.ErrUnauthenticated) {
			t.Errorf("by one who never saw it: %v", err)
		}
	})
}

// Every token but the genuine one is refused, and none is taken for what it is not.
func TestSession_Attacks(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newSessions(t, s, sessionKey)
	secret, key := s.register(t, nil)
	genuine := open(t, a, secret, alpha, time.Hour)
	guest, err := a.GuestToken()
	if err != nil {
		t.Fatal(err)
	}
	claims := func(change func(*sessionClaims)) *sessionClaims {
		c := &sessionClaims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: sessionIssuer, Audience: jwt.ClaimStrings{audienceSession}, Subject: "key:" + key.ID,
				ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
			},
			Tenant: "default", Generation: "gen-alpha",
		}
		change(c)
		return c
	}
	forge := func(method jwt.SigningMethod, with any, change func(*sessionClaims)) string {
		token, err := jwt.NewWithClaims(method, claims(change)).SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	nothing := func(*sessionClaims) {}
	if _, err := a.ResumeSession(t.Context(), forge(jwt.SigningMethodHS256, sessionKey, nothing)); err != nil {
		t.Fatalf("the attacks begin from what is not valid itself: %v", err)
	}
	parts := strings.Split(genuine, ".")
	for name, token := range map[string]string{
		"nothing":            "",
		"no token":           "abc",
		"a key":              secret,
		"another key":        forge(jwt.SigningMethodHS256, bytes.Repeat([]byte{8}, 32), nothing),
		"an empty key":       forge(jwt.SigningMethodHS256, []byte{}, nothing),
		"no signature":       forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nothing),
		"signature cut off":  parts[0] + "." + parts[1] + ".",
		"another algorithm":  forge(jwt.SigningMethodHS512, sessionKey, nothing),
		"changed claims":     parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
		"another issuer":     forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Issuer = "other" }),
		"no issuer":          forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Issuer = "" }),
		"another audience":   forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Audience = jwt.ClaimStrings{audienceGuest} }),
		"no audience":        forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Audience = nil }),
		"no end":             forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.ExpiresAt = nil }),
		"expired":            forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) }),
		"an unknown key":     forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Subject = "key:00000000" }),
		"nobody":             forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Subject = "" }),
		"the local operator": forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Subject = "local" }),
		"no workspace":       forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Generation = "" }),
		"another tenant":     forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Tenant = "acme" }),
		"static, no print":   forge(jwt.SigningMethodHS256, sessionKey, func(c *sessionClaims) { c.Subject = StaticPrincipal }),
		"a guest":            guest,
		"too long":           genuine + strings.Repeat("A", maxSession),
	} {
		if _, err := a.ResumeSession(t.Context(), token); !errors.Is(err, workspace.ErrUnauthenticated) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := a.AuthenticateToken(t.Context(), genuine); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("a session in a header: got %v", err)
	}
	if _, err := newSessions(t, s, nil).ResumeSession(t.Context(), forge(jwt.SigningMethodHS256, []byte{}, nothing)); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("without a key for sessions: got %v", err)
	}
}

func TestSession_ReportsACatalogThatIsGone(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newSessions(t, s, sessionKey)
	secret, _ := s.register(t, nil)
	token := open(t, a, secret, alpha, time.Hour)
	s.err = workspace.ErrCatalogUnavailable
	if _, err := a.ResumeSession(t.Context(), token); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestGuestToken_HasNoRightAndLightRAGsForm(t *testing.T) {
	t.Parallel()
	a := newSessions(t, newStore(), sessionKey)
	token, err := a.GuestToken()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	mode, _ := claims["metadata"].(map[string]any)
	if claims["sub"] != "guest" || claims["role"] != "guest" || mode["auth_mode"] != "disabled" || claims["exp"] == nil {
		t.Errorf("the claims are %v", claims)
	}
	foreign, err := newSessions(t, newStore(), bytes.Repeat([]byte{8}, 32)).GuestToken()
	if err != nil {
		t.Fatal(err)
	}
	session := open(t, a, staticKey, alpha, time.Hour)
	for name, test := range map[string]struct {
		token string
		want  bool
	}{"its own": {token, true}, "another router's": {foreign, false}, "a session": {session, false}, "a key": {"sk-x", false}, "nothing": {"", false}} {
		if a.IsGuestToken(test.token) != test.want {
			t.Errorf("%s: want %v", name, test.want)
		}
	}
	if _, err := a.AuthenticateToken(t.Context(), token); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("as a credential: got %v", err)
	}
}

func TestSessionKey_IsMadeOnceAndKeptPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := EnsureSessionKey(dir)
	if err != nil || len(first) != 32 {
		t.Fatalf("got %d bytes, %v", len(first), err)
	}
	if second, err := EnsureSessionKey(dir); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the second start has another key (%v)", err)
	}
	path := filepath.Join(dir, SessionKeyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureSessionKey(dir); err == nil {
		t.Error("a key that others may have read was taken")
	}
	for _, content := range []string{"", "zz", strings.Repeat("a", 62)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, SessionKeyFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := EnsureSessionKey(dir); err == nil {
			t.Errorf("%q was taken for a key", content)
		}
	}
	if _, err := New(Config{SessionKey: []byte("short")}, Deps{Keys: newStore(), Logger: zaptest.NewLogger(t)}); err == nil {
		t.Error("a short key was taken")
	}
}
