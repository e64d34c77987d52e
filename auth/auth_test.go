package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"workspace-router/internal/workspace"
)

// store is a Keys and a Registry in memory that counts what it is asked.
type store struct {
	version atomic.Uint64
	asked   atomic.Int64

	mu      sync.Mutex // guards what follows
	keys    map[digest]workspace.Key
	touched map[string]time.Time
	err     error                     // of the next look-ups
	before  func(h digest)            // is called in a look-up, before it reads
	failing func(workspace.Key) error // of CreateKey
}

func newStore() *store {
	return &store{keys: map[digest]workspace.Key{}, touched: map[string]time.Time{}}
}

func (s *store) KeysVersion() uint64 { return s.version.Load() }

func (s *store) KeyByHash(_ context.Context, h [sha256.Size]byte) (workspace.Key, error) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return workspace.Key{}, s.err
	}
	k, found := s.keys[h]
	if s.before != nil {
		s.mu.Unlock()
		s.before(h)
		s.mu.Lock()
	}
	if !found {
		return workspace.Key{}, workspace.ErrNotFound
	}
	return k, nil
}

func (s *store) TouchKeys(_ context.Context, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range used {
		s.touched[id] = at
	}
	return nil
}

func (s *store) Keys(context.Context) (list []workspace.Key, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		list = append(list, k)
	}
	return list, nil
}

func (s *store) CreateKey(_ context.Context, k workspace.Key, h [sha256.Size]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		if err := s.failing(k); err != nil {
			return err
		}
	}
	s.keys[h] = k
	s.version.Add(1)
	return nil
}

func (s *store) RevokeKey(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, k := range s.keys {
		if k.ID == id {
			k.RevokedAt = time.Now()
			s.keys[h] = k
			s.version.Add(1)
			return nil
		}
	}
	return workspace.ErrNotFound
}

// register makes a key and puts it into the store.
func (s *store) register(t testing.TB, change func(*workspace.Key)) (secret string, key workspace.Key) {
	t.Helper()
	secret, key, h := NewKey("test", workspace.Grant{Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun)})
	if change != nil {
		change(&key)
	}
	if err := s.CreateKey(t.Context(), key, h); err != nil {
		t.Fatal(err)
	}
	return secret, key
}

func newAuthenticator(t testing.TB, s *store, config Config) *Authenticator {
	t.Helper()
	a, err := New(config, Deps{Keys: s, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(header, value string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	if header != "" {
		r.Header.Set(header, value)
	}
	return r.WithContext(context.Background())
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestCredential_TheFirstHeaderThatIsThereDecides(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		header http.Header
		want   string
		err    error
	}{
		"none":              {http.Header{}, "", errNone},
		"X-API-Key":         {http.Header{"X-Api-Key": {"a"}}, "a", nil},
		"X-Chroma-Token":    {http.Header{"X-Chroma-Token": {"b"}}, "b", nil},
		"bearer":            {http.Header{"Authorization": {"Bearer c"}}, "c", nil},
		"bearer, any case":  {http.Header{"Authorization": {"bEARER  c"}}, "c", nil},
		"basic":             {http.Header{"Authorization": {basic("neo4j", "d:e")}}, "d:e", nil},
		"basic, no user":    {http.Header{"Authorization": {basic("", "d")}}, "d", nil},
		"X-API-Key first":   {http.Header{"X-Api-Key": {"a"}, "X-Chroma-Token": {"b"}, "Authorization": {"Bearer c"}}, "a", nil},
		"Chroma second":     {http.Header{"X-Chroma-Token": {"b"}, "Authorization": {"Bearer c"}}, "b", nil},
		"blank one decides": {http.Header{"X-Api-Key": {""}, "Authorization": {"Bearer c"}}, "", errForm},
		"twice":             {http.Header{"X-Api-Key": {"a", "a"}}, "", errSeveral},
		"bearer twice":      {http.Header{"Authorization": {"Bearer a", "Bearer b"}}, "", errSeveral},
		"unknown scheme":    {http.Header{"Authorization": {"Digest x"}}, "", errForm},
		"no scheme":         {http.Header{"Authorization": {"sk-x"}}, "", errForm},
		"bearer of nothing": {http.Header{"Authorization": {"Bearer "}}, "", errForm},
		"basic of nothing":  {http.Header{"Authorization": {basic("user", "")}}, "", errForm},
		"basic, not base64": {http.Header{"Authorization": {"Basic ???"}}, "", errForm},
		"basic, no colon":   {http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("x"))}}, "", errForm},
		"too long":          {http.Header{"X-Api-Key": {strings.Repeat("x", maxCredential+1)}}, "", errForm},
		"cookies are none":  {http.Header{"Cookie": {"key=a"}}, "", errNone},
		"another's name":    {http.Header{"X_api_key": {"a"}}, "", errNone},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Credential(tc.header)
			if got != tc.want || !errors.Is(err, tc.err) || tc.err == nil && err != nil {
				t.Errorf("got %q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
			if err != nil && !errors.Is(err, workspace.ErrUnauthenticated) {
				t.Errorf("%v is not ErrUnauthenticated", err)
			}
		})
	}
}

func TestAuthenticate_GivesThePrincipalOfARegisteredKey(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, key := s.register(t, nil)
	a := newAuthenticator(t, s, Config{})
	want := &workspace.Principal{Type: workspace.PrincipalKey, ID: "key:" + key.ID, Grants: []workspace.Grant{key.Grant}}
	for header, value := range map[string]string{"X-API-Key": secret, "X-Chroma-Token": secret, "Authorization": "Bearer " + secret} {
		got, err := a.Authenticate(request(header, value))
		if err != nil {
			t.Fatalf("by %s: %v", header, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", header, diff)
		}
	}
	if asked := s.asked.Load(); asked != 1 {
		t.Errorf("the store was asked %d times, want once", asked)
	}
}

func TestAuthenticate_RefusesWhatIsNotAValidKey(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, _ := s.register(t, nil)
	revoked, key := s.register(t, nil)
	expired, _ := s.register(t, func(k *workspace.Key) { k.ExpiresAt = time.Now().Add(-time.Second) })
	if err := s.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t, s, Config{})
	for name, token := range map[string]string{
		"unknown": "sk-unknown", "revoked": revoked, "expired": expired, "the beginning of one": secret[:len(secret)-1],
		"one and more": secret + "x", "another case": strings.ToUpper(secret), "blanks around it": " " + secret,
	} {
		for range 2 { // the second answer is remembered
			if p, err := a.Authenticate(request("X-API-Key", token)); !errors.Is(err, workspace.ErrUnauthenticated) || p != nil {
				t.Errorf("%s: got %v, %v; want ErrUnauthenticated", name, p, err)
			}
		}
	}
	if asked := s.asked.Load(); asked != 7 {
		t.Errorf("the store was asked %d times, want once for each of 7", asked)
	}
}

func TestAuthenticate_ForgetsOnRevocation(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, key := s.register(t, nil)
	a := newAuthenticator(t, s, Config{})
	if _, err := a.Authenticate(request("X-API-Key", secret)); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(request("X-API-Key", secret)); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("after the revocation: %v, want ErrUnauthenticated", err)
	}
}

func TestAuthenticate_ForgetsARefusalWhenTheKeyIsMade(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newAuthenticator(t, s, Config{})
	secret, key, h := NewKey("late", workspace.Grant{})
	if _, err := a.Authenticate(request("X-API-Key", secret)); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Fatal(err)
	}
	if err := s.CreateKey(t.Context(), key, h); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(request("X-API-Key", secret)); err != nil {
		t.Errorf("after the key was made: %v", err)
	}
}

// A revocation that comes while a look-up is under way must not be overwritten by what the look-up found.
func TestAuthenticate_ARevocationDuringTheLookUpCounts(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, key := s.register(t, nil)
	a := newAuthenticator(t, s, Config{})
	s.before = func(digest) {
		s.mu.Lock()
		s.before = nil
		s.mu.Unlock()
		if err := s.RevokeKey(context.Background(), key.ID); err != nil {
			t.Error(err)
		}
	}
	_, _ = a.Authenticate(request("X-API-Key", secret)) // may still be let in: it was asked before
	if _, err := a.Authenticate(request("X-API-Key", secret)); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("the request after the revocation: %v, want ErrUnauthenticated", err)
	}
}

func TestAuthenticate_ExpiresARememberedKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		secret, _ := s.register(t, func(k *workspace.Key) { k.ExpiresAt = time.Now().Add(time.Minute) })
		a := newAuthenticator(t, s, Config{})
		if _, err := a.Authenticate(request("X-API-Key", secret)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if _, err := a.Authenticate(request("X-API-Key", secret)); !errors.Is(err, workspace.ErrUnauthenticated) {
			t.Errorf("after its end: %v, want ErrUnauthenticated", err)
		}
	})
}

func TestAuthenticate_AStoreThatFailsIsNoRefusal(t *testing.T) {
	t.Parallel()
	s := newStore()
	known, _ := s.register(t, nil)
	other, _ := s.register(t, nil)
	a := newAuthenticator(t, s, Config{})
	if _, err := a.Authenticate(request("X-API-Key", known)); err != nil {
		t.Fatal(err)
	}
	s.err = fmt.Errorf("cannot look up: %w", workspace.ErrCatalogUnavailable)
	if _, err := a.Authenticate(request("X-API-Key", known)); err != nil {
		t.Errorf("a verified key while the store fails: %v", err)
	}
	if _, err := a.Authenticate(request("X-API-Key", other)); !errors.Is(err, workspace.ErrCatalogUnavailable) || errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("an unverified key while the store fails: %v, want ErrCatalogUnavailable alone", err)
	}
	s.err = nil
	if _, err := a.Authenticate(request("X-API-Key", other)); err != nil {
		t.Errorf("the failure was remembered: %v", err)
	}
}

func TestAuthenticate_RemembersABoundedNumber(t *testing.T) {
	t.Parallel()
	s := newStore()
	good, _ := s.register(t, nil)
	a := newAuthenticator(t, s, Config{CacheSize: 4})
	if _, err := a.Authenticate(request("X-API-Key", good)); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		_, _ = a.Authenticate(request("X-API-Key", fmt.Sprintf("guess-%d", i)))
	}
	if n := a.bad.Len(); n != 4 {
		t.Errorf("%d refusals are remembered, want 4", n)
	}
	before := s.asked.Load()
	if _, err := a.Authenticate(request("X-API-Key", good)); err != nil || s.asked.Load() != before {
		t.Errorf("guesses pushed a good key out (%v)", err)
	}
}

func TestStaticKey_MayUseTheDataOfTheDefaultTenant(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newAuthenticator(t, s, Config{StaticKey: "well-known"})
	p, err := a.Authenticate(request("Authorization", "Bearer well-known"))
	if err != nil {
		t.Fatal(err)
	}
	mine := workspace.Ref{Tenant: "default", Name: "a", Generation: "1"}
	other := workspace.Ref{Tenant: "other", Name: "a", Generation: "2"}
	for _, permission := range []workspace.Permission{workspace.QueryRun, workspace.DocumentWrite, workspace.DocumentDelete, workspace.WorkspaceRead} {
		if !p.May(mine, permission) || p.May(other, permission) {
			t.Errorf("%v: mine %v, another tenant's %v; want true, false", permission, p.May(mine, permission), p.May(other, permission))
		}
	}
	for _, permission := range []workspace.Permission{workspace.WorkspaceOperate, workspace.WorkspaceDelete, workspace.KeyManage, workspace.ClusterOperate, workspace.ClusterAdmin} {
		if p.May(mine, permission) {
			t.Errorf("it has %v", permission)
		}
	}
	if _, err := a.Authenticate(request("X-API-Key", "well-know")); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("the beginning of the key: %v", err)
	}
	without := newAuthenticator(t, newStore(), Config{})
	if _, err := without.Authenticate(request("X-API-Key", "")); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("a blank key where none is configured: %v", err)
	}
}

func TestRun_WritesDownTheLastUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		first, firstKey := s.register(t, nil)
		second, secondKey := s.register(t, nil)
		a := newAuthenticator(t, s, Config{CacheSize: 1})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()

		began := time.Now()
		for _, secret := range []string{first, second} { // the second pushes the first out of the cache
			if _, err := a.Authenticate(request("X-API-Key", secret)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute + time.Second)
		synctest.Wait()
		s.mu.Lock()
		for _, key := range []workspace.Key{firstKey, secondKey} {
			if after := s.touched[key.ID].Sub(began); after < 0 || after > time.Minute {
				t.Errorf("after a minute the uses are %v, want both within the minute after %v", s.touched, began)
			}
		}
		s.touched = map[string]time.Time{}
		s.mu.Unlock()

		<-time.After(2 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		if len(s.touched) != 0 {
			t.Errorf("without a use %v was written", s.touched)
		}
		s.mu.Unlock()

		if _, err := a.Authenticate(request("X-API-Key", second)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if _, found := s.touched[secondKey.ID]; !found {
			t.Error("the last use before the end was lost")
		}
	})
}

func TestNewKey_IsLongAndNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		secret, key, h := NewKey("name", workspace.Grant{})
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(secret, "sk-"))
		if err != nil || len(raw) != 32 || !strings.HasPrefix(secret, "sk-") || seen[secret] {
			t.Fatalf("the key %q: %d bytes, %v", secret, len(raw), err)
		}
		if h != sha256.Sum256([]byte(secret)) || len(key.ID) != 8 || !strings.HasPrefix(secret, key.Prefix) || len(key.Prefix) > 8 {
			t.Fatalf("%q is described as %+v", secret, key)
		}
		seen[secret] = true
	}
}

func TestAuthenticate_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore()
	a := newAuthenticator(t, s, Config{CacheSize: 8})
	secrets := make([]string, 16)
	for i := range secrets {
		secrets[i], _ = s.register(t, nil)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 500 {
				secret := secrets[i%len(secrets)]
				if _, err := a.Authenticate(request("X-API-Key", secret)); err != nil {
					t.Errorf("%v", err)
					return
				}
				if i%50 == 0 {
					s.version.Add(1)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkAuthenticate_Warm(b *testing.B) {
	s := newStore()
	secret, _ := s.register(b, nil)
	a := newAuthenticator(b, s, Config{StaticKey: "another"})
	r := request("X-API-Key", secret)
	if _, err := a.Authenticate(r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReplaceStaticKey_EndsTheOneBefore(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, newStore(), Config{})
	valid := func(key string) bool {
		p, err := a.Authenticate(request("X-API-Key", key))
		return err == nil && p.ID == StaticPrincipal
	}
	for _, step := range []struct {
		key       string
		one, more bool
	}{{"one-key", true, false}, {"more-key", false, true}, {"one-key", true, false}, {"", false, false}} {
		a.ReplaceStaticKey(step.key)
		if valid("one-key") != step.one || valid("more-key") != step.more {
			t.Errorf("with %q: one %v, more %v", step.key, valid("one-key"), valid("more-key"))
		}
	}
}
