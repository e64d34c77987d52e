package auth

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/workspace"
)

// assertAdmin checks that exactly this key is the installation's admin.
func assertAdmin(t *testing.T, s *store, key string) {
	t.Helper()
	p, err := newAuthenticator(t, s, Config{}).Authenticate(request("X-API-Key", key))
	if err != nil {
		t.Fatalf("the admin key: %v", err)
	}
	if !p.MayEverywhere(workspace.ClusterAdmin) {
		t.Error("the admin key is not the admin's")
	}
	valid := 0
	for _, k := range s.keys {
		if k.RevokedAt.IsZero() {
			valid++
		}
	}
	if valid != 1 {
		t.Errorf("%d keys are valid, want 1", valid)
	}
}

func TestEnsureAdminKey_FirstStart(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	key, created, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	path := filepath.Join(dir, AdminKeyFile)
	content, err := os.ReadFile(path)
	if err != nil || string(content) != key {
		t.Errorf("the file holds %q (%v), want the key and nothing else", content, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left, want 1", len(entries))
	}
	assertAdmin(t, s, key)
}

func TestEnsureAdminKey_LaterStarts(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	first, _, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	version := s.KeysVersion()
	again, created, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil || created || again != first {
		t.Errorf("created %v, the same key %v, %v", created, again == first, err)
	}
	if s.KeysVersion() != version {
		t.Error("the catalog was changed")
	}
}

func TestEnsureAdminKey_RegistersAFileThatTheCatalogDoesNotKnow(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	first, _, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	written := strings.Repeat("k", 40)
	if err := os.WriteFile(filepath.Join(dir, AdminKeyFile), []byte(written+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, created, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil || created || got != written {
		t.Fatalf("got %q, created %v, %v", got, created, err)
	}
	assertAdmin(t, s, written)
	lost := newStore() // the catalog was lost
	if _, created, err := EnsureAdminKey(t.Context(), dir, lost); err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	assertAdmin(t, lost, written)
	if _, err := newAuthenticator(t, s, Config{}).Authenticate(request("X-API-Key", first)); !errors.Is(err, workspace.ErrUnauthenticated) {
		t.Errorf("the key of before: %v, want ErrUnauthenticated", err)
	}
}

func TestEnsureAdminKey_ReplacesTheKeyWhereTheFileWasRemoved(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	first, _, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, AdminKeyFile)); err != nil {
		t.Fatal(err)
	}
	second, created, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil || !created || second == first {
		t.Fatalf("created %v, another key %v, %v", created, second != first, err)
	}
	assertAdmin(t, s, second)
}

func TestEnsureAdminKey_LeavesOtherKeysAlone(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	secret, _ := s.register(t, nil)
	if _, _, err := EnsureAdminKey(t.Context(), dir, s); err != nil {
		t.Fatal(err)
	}
	if _, err := newAuthenticator(t, s, Config{}).Authenticate(request("X-API-Key", secret)); err != nil {
		t.Errorf("another key: %v", err)
	}
}

// A start that ends between writing the file and registering the key must not lock the admin out.
func TestEnsureAdminKey_SurvivesACrashInBetween(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newStore()
	s.failing = func(workspace.Key) error { return workspace.ErrCatalogUnavailable }
	if _, _, err := EnsureAdminKey(t.Context(), dir, s); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Fatalf("got %v", err)
	}
	s.failing = nil
	key, _, err := EnsureAdminKey(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	assertAdmin(t, s, key)
}

func TestEnsureAdminKey_Refusals(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("k", 40)
	cases := map[string]struct {
		content string
		mode    os.FileMode
		prepare func(*testing.T, *store)
		want    string
	}{
		"readable for others": {good, 0o644, nil, "mode 0644, want 0600"},
		"too short":           {"short", 0o600, nil, "does not hold a key"},
		"two lines":           {good + "\n" + good, 0o600, nil, "does not hold a key"},
		"empty":               {"", 0o600, nil, "does not hold a key"},
		"revoked": {good, 0o600, func(t *testing.T, s *store) {
			key, h := describeKey(adminKeyName, good, workspace.Grant{AllTenants: true})
			if err := errors.Join(s.CreateKey(t.Context(), key, h), s.RevokeKey(t.Context(), key.ID)); err != nil {
				t.Fatal(err)
			}
		}, "was revoked"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, s := t.TempDir(), newStore()
			path := filepath.Join(dir, AdminKeyFile)
			if err := errors.Join(os.WriteFile(path, []byte(tc.content), tc.mode), os.Chmod(path, tc.mode)); err != nil {
				t.Fatal(err)
			}
			if tc.prepare != nil {
				tc.prepare(t, s)
			}
			_, _, err := EnsureAdminKey(t.Context(), dir, s)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), good) {
				t.Errorf("got %v, want an error with %q and without the key", err, tc.want)
			}
		})
	}
}

func TestLocal_KnowsItsTokenAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	local, err := NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, LocalTokenFile)
	token, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the token's mode is %v, want 0600", info.Mode())
	}
	p, err := local.Authenticate(request("Authorization", "Bearer "+string(token)))
	if err != nil || p.Type != workspace.PrincipalLocal || !p.MayEverywhere(workspace.ClusterAdmin) {
		t.Fatalf("got %+v, %v; want the local operator", p, err)
	}
	heir, err := InheritLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := heir.Authenticate(request("Authorization", "Bearer "+string(token))); err != nil {
		t.Errorf("the router that follows does not know the token: %v", err)
	}
	next, err := NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"none": request("", ""), "another": request("Authorization", "Bearer sk-x"),
		"that of an earlier start": request("Authorization", "Bearer "+string(token)),
	} {
		if _, err := next.Authenticate(r); !errors.Is(err, workspace.ErrUnauthenticated) {
			t.Errorf("%s: %v, want ErrUnauthenticated", name, err)
		}
	}
}

func TestInheritLocal_RefusesATokenThatIsNone(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "short": "sk-x"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, LocalTokenFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := InheritLocal(dir); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := InheritLocal(t.TempDir()); err == nil {
		t.Error("missing: no error")
	}
}
