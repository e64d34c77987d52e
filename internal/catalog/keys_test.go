package catalog

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

var moment1 = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func TestKeys_ComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha, beta := create(t, c, "alpha"), create(t, c, "beta")
	grants := map[string]workspace.Grant{
		"everything":       {AllTenants: true, Permissions: workspace.AllPermissions()},
		"a tenant":         {Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun, workspace.DocumentRead)},
		"one workspace":    {Tenant: "default", Workspaces: []workspace.Generation{alpha.Generation}, Permissions: workspace.Permissions(workspace.QueryRun)},
		"two workspaces":   {Tenant: "default", Workspaces: []workspace.Generation{alpha.Generation, beta.Generation}, Permissions: workspace.Permissions(workspace.QueryRun)},
		"no workspace":     {Tenant: "default", Workspaces: []workspace.Generation{}, Permissions: workspace.Permissions(workspace.QueryRun)},
		"without a right":  {Tenant: "default"},
		"some, everywhere": {AllTenants: true, Workspaces: []workspace.Generation{beta.Generation}, Permissions: workspace.Permissions(workspace.ClusterOperate)},
	}
	for name, grant := range grants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := sha256.Sum256([]byte(name))
			want := workspace.Key{
				ID: "id of " + name, Prefix: "sk-abcd", Name: name, Grant: grant, CreatedAt: moment1, ExpiresAt: moment1.Add(time.Hour),
			}
			if err := c.CreateKey(t.Context(), want, h); err != nil {
				t.Fatal(err)
			}
			got, err := c.KeyByHash(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			byGeneration := cmp.Transformer("set", func(list []workspace.Generation) map[workspace.Generation]bool {
				if list == nil {
					return nil
				}
				set := map[workspace.Generation]bool{}
				for _, g := range list {
					set[g] = true
				}
				return set
			})
			if diff := cmp.Diff(want, got, byGeneration); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreateKey_Refuses(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha := create(t, c, "alpha")
	if _, err := c.EnsureTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	deleted := create(t, c, "deleted")
	if err := c.MarkDeleted(t.Context(), deleted.Generation); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateKey(t.Context(), workspace.Key{ID: "taken", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}, sha256.Sum256([]byte("taken"))); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		key  workspace.Key
		hash string
		want error
	}{
		"an id that is taken":           {workspace.Key{ID: "taken", Grant: workspace.Grant{AllTenants: true}}, "other", workspace.ErrExists},
		"a secret that is taken":        {workspace.Key{ID: "other", Grant: workspace.Grant{AllTenants: true}}, "taken", workspace.ErrExists},
		"an unknown tenant":             {workspace.Key{ID: "a", Grant: workspace.Grant{Tenant: "nobody"}}, "a", workspace.ErrTenantNotFound},
		"an unknown workspace":          {workspace.Key{ID: "b", Grant: workspace.Grant{Tenant: "default", Workspaces: []workspace.Generation{"no"}}}, "b", workspace.ErrNotFound},
		"another tenant's workspace":    {workspace.Key{ID: "c", Grant: workspace.Grant{Tenant: "acme", Workspaces: []workspace.Generation{alpha.Generation}}}, "c", workspace.ErrNotFound},
		"a workspace that is no more":   {workspace.Key{ID: "d", Grant: workspace.Grant{Tenant: "default", Workspaces: []workspace.Generation{deleted.Generation}}}, "d", workspace.ErrNotFound},
		"one known and one that is not": {workspace.Key{ID: "e", Grant: workspace.Grant{Tenant: "default", Workspaces: []workspace.Generation{alpha.Generation, "no"}}}, "e", workspace.ErrNotFound},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.key.CreatedAt = moment1
			if err := c.CreateKey(t.Context(), tc.key, sha256.Sum256([]byte(tc.hash))); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if tc.hash != "taken" {
				if _, err := c.KeyByHash(t.Context(), sha256.Sum256([]byte(tc.hash))); !errors.Is(err, workspace.ErrNotFound) {
					t.Errorf("part of it was kept: %v", err)
				}
			}
		})
	}
}

func TestRevokeKey_EndsItOnceAndTellsTheVersion(t *testing.T) {
	t.Parallel()
	c := open(t)
	h := sha256.Sum256([]byte("secret"))
	start := c.KeysVersion()
	if err := c.CreateKey(t.Context(), workspace.Key{ID: "k", Name: "n", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}, h); err != nil {
		t.Fatal(err)
	}
	made := c.KeysVersion()
	if err := c.RevokeKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	revoked := c.KeysVersion()
	if start == made || made == revoked {
		t.Errorf("the versions are %d, %d, %d; want each another", start, made, revoked)
	}
	first, err := c.KeyByHash(t.Context(), h)
	if err != nil || first.RevokedAt.IsZero() || first.ValidAt(time.Now()) {
		t.Fatalf("after the revocation: %+v, %v", first, err)
	}
	if byID, err := c.KeyByID(t.Context(), "k"); err != nil || !cmp.Equal(byID, first) {
		t.Errorf("by its id: %+v, %v", byID, err)
	}
	if _, err := c.KeyByID(t.Context(), "no such"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	if err := c.RevokeKey(t.Context(), "k"); err != nil {
		t.Errorf("again: %v", err)
	}
	if second, _ := c.KeyByHash(t.Context(), h); !second.RevokedAt.Equal(first.RevokedAt) {
		t.Error("the second revocation moved the first")
	}
	if err := c.RevokeKey(t.Context(), "no such"); !errors.Is(err, workspace.ErrKeyNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestTouchKeys_OnlyMovesForward(t *testing.T) {
	t.Parallel()
	c := open(t)
	h := sha256.Sum256([]byte("secret"))
	if err := c.CreateKey(t.Context(), workspace.Key{ID: "k", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}, h); err != nil {
		t.Fatal(err)
	}
	version := c.KeysVersion()
	for _, at := range []time.Time{moment1.Add(time.Minute), moment1} {
		if err := c.TouchKeys(t.Context(), map[string]time.Time{"k": at, "no such": at}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.Keys(t.Context())
	if err != nil || len(list) != 1 || !list[0].LastUsedAt.Equal(moment1.Add(time.Minute)) {
		t.Errorf("the keys are %+v, %v; want one used at the later moment", list, err)
	}
	if c.KeysVersion() != version {
		t.Error("a use made every verified key void")
	}
}

func TestCatalog_HoldsNoSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	const secret = "sk-this-must-never-be-on-the-disk"
	key := workspace.Key{ID: "k", Prefix: secret[:7], Name: "n", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}
	if err := c.CreateKey(t.Context(), key, sha256.Sum256([]byte(secret))); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), secret[7:]) {
			t.Errorf("the secret is in %s", filepath.Base(path)+suffix)
		}
	}
}

// failCommits makes every change of a table fail at its commit, not before.
func failCommits(t *testing.T, c *Catalog, change string) {
	t.Helper()
	if _, err := c.writer.ExecContext(t.Context(), `
		CREATE TABLE parent (id INTEGER PRIMARY KEY);
		CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
		CREATE TRIGGER orphan AFTER `+change+` BEGIN INSERT INTO child VALUES (1); END`); err != nil {
		t.Fatal(err)
	}
}

// Of a commit that fails nobody knows whether it took effect: what is remembered of the keys must not outlive it.
func TestKeysVersion_CountsCommitsThatFail(t *testing.T) {
	t.Parallel()
	key := workspace.Key{ID: "k", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}
	t.Run("revoke", func(t *testing.T) {
		t.Parallel()
		c := open(t)
		if err := c.CreateKey(t.Context(), key, sha256.Sum256([]byte("secret"))); err != nil {
			t.Fatal(err)
		}
		failCommits(t, c, "UPDATE ON keys")
		before := c.KeysVersion()
		if err := c.RevokeKey(t.Context(), "k"); !errors.Is(err, workspace.ErrCatalogUnavailable) || c.KeysVersion() == before {
			t.Errorf("got %v and the version %d, want an error and not %d", err, c.KeysVersion(), before)
		}
		before = c.KeysVersion()
		if err := c.RevokeKey(t.Context(), "no such"); !errors.Is(err, workspace.ErrKeyNotFound) || c.KeysVersion() != before {
			t.Errorf("before a commit: got %v and the version %d, want %d as it was", err, c.KeysVersion(), before)
		}
	})
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		c := open(t)
		failCommits(t, c, "INSERT ON keys")
		before := c.KeysVersion()
		if err := c.CreateKey(t.Context(), key, sha256.Sum256([]byte("secret"))); !errors.Is(err, workspace.ErrCatalogUnavailable) || c.KeysVersion() == before {
			t.Errorf("got %v and the version %d, want an error and not %d", err, c.KeysVersion(), before)
		}
	})
}
