package catalog

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

func makeTenant(t *testing.T, c *Catalog, name workspace.Name) workspace.Tenant {
	t.Helper()
	made, created, err := c.CreateTenant(t.Context(), name, "The "+string(name))
	if err != nil || !created {
		t.Fatalf("created %v: %v", created, err)
	}
	return made
}

func TestCreateTenant_MakesANameOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	made := makeTenant(t, c, "acme")
	if made.ID == "" || !made.Active || made.Revision != 1 || made.DisplayName != "The acme" || time.Since(made.CreatedAt) > time.Minute {
		t.Errorf("got %+v", made)
	}
	if again, created, err := c.CreateTenant(t.Context(), "ACME", "Another"); err != nil || created || again != made {
		t.Errorf("the same name: %+v, created %v, %v", again, created, err)
	}
	if _, _, err := c.CreateTenant(t.Context(), "not a name", ""); !errors.Is(err, workspace.ErrNameInvalid) {
		t.Errorf("no name: %v", err)
	}
	for what, get := range map[string]func() (workspace.Tenant, error){
		"by name": func() (workspace.Tenant, error) { return c.Tenant(t.Context(), "Acme") },
		"by id":   func() (workspace.Tenant, error) { return c.TenantByID(t.Context(), made.ID) },
	} {
		if got, err := get(); err != nil || got != made {
			t.Errorf("%s: %+v %v", what, got, err)
		}
	}
	if _, err := c.TenantByID(t.Context(), "none"); !errors.Is(err, workspace.ErrTenantNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

// A suspension is seen by the next look-up, a remembered one too, and so is its end.
func TestChangeTenant_SuspendsItsWorkspaces(t *testing.T) {
	t.Parallel()
	c := open(t)
	acme := makeTenant(t, c, "acme")
	if _, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "acme", Name: "alpha", Kind: "embedded"}); err != nil {
		t.Fatal(err)
	}
	other := create(t, c, "alpha")
	for _, active := range []bool{true, false, true} {
		changed, err := c.ChangeTenant(t.Context(), acme.ID, workspace.Change{Active: &active})
		if err != nil || changed.Active != active {
			t.Fatalf("got %+v, %v", changed, err)
		}
		for range 2 {
			if w, err := c.Lookup(t.Context(), "acme", "alpha"); err != nil || w.Suspended == active {
				t.Errorf("active %v: suspended %v, %v", active, w.Suspended, err)
			}
		}
		if w, err := c.LookupGeneration(t.Context(), other.Generation); err != nil || w.Suspended {
			t.Errorf("another tenant's: %+v %v", w, err)
		}
	}
}

func TestChange_OfWhatWasChangedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	acme, alpha, name := makeTenant(t, c, "acme"), create(t, c, "alpha"), "New"
	if changed, err := c.ChangeTenant(t.Context(), acme.ID, workspace.Change{DisplayName: &name, Revision: 1}); err != nil || changed.Revision != 2 || changed.DisplayName != name {
		t.Errorf("got %+v, %v", changed, err)
	}
	if _, err := c.ChangeTenant(t.Context(), acme.ID, workspace.Change{DisplayName: &name, Revision: 1}); !errors.Is(err, workspace.ErrChanged) {
		t.Errorf("an old revision: %v", err)
	}
	if changed, err := c.ChangeWorkspace(t.Context(), alpha.Generation, workspace.Change{DisplayName: &name, Revision: 1}); err != nil || changed.Revision != 2 || changed.DisplayName != name {
		t.Errorf("got %+v, %v", changed, err)
	}
	if got, err := c.Lookup(t.Context(), "default", "alpha"); err != nil || got.DisplayName != name || got.Revision != 2 {
		t.Errorf("looked up: %+v, %v", got, err)
	}
	if _, err := c.ChangeWorkspace(t.Context(), alpha.Generation, workspace.Change{DisplayName: &name, Revision: 1}); !errors.Is(err, workspace.ErrChanged) {
		t.Errorf("an old revision: %v", err)
	}
	if _, err := c.ChangeWorkspace(t.Context(), "none", workspace.Change{}); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an unknown generation: %v", err)
	}
}

// Whatever belonged to a deleted tenant ends with it, and nothing of it passes to the next of that name.
func TestDeleteTenant_EndsAllThatIsIts(t *testing.T) {
	t.Parallel()
	c := open(t)
	acme := makeTenant(t, c, "acme")
	alpha, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "acme", Name: "alpha", Kind: "embedded"})
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("secret"))
	key := workspace.Key{ID: "k", Grant: workspace.Grant{Tenant: "acme", Permissions: workspace.Permissions(workspace.QueryRun)}, CreatedAt: moment1}
	if err := c.CreateKey(t.Context(), key, hash); err != nil {
		t.Fatal(err)
	}
	version := c.KeysVersion()
	deleted, err := c.DeleteTenant(t.Context(), acme.ID)
	if err != nil || len(deleted) != 1 || deleted[0] != alpha.Ref {
		t.Fatalf("got %v, %v", deleted, err)
	}
	if k, err := c.KeyByHash(t.Context(), hash); err != nil || k.ValidAt(time.Now()) || c.KeysVersion() == version {
		t.Errorf("its key: %+v, %v", k, err)
	}
	if w, err := c.LookupGeneration(t.Context(), alpha.Generation); err != nil || w.State != workspace.StateDeleted {
		t.Errorf("its workspace: %+v, %v", w, err)
	}
	if _, err := c.Lookup(t.Context(), "acme", "alpha"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("by its name: %v", err)
	}
	if refs, err := c.DeletedRefs(t.Context()); err != nil || len(refs) != 1 || refs[0] != alpha.Ref {
		t.Errorf("deleted are %v, %v", refs, err)
	}
	next := makeTenant(t, c, "acme")
	if list, err := c.List(t.Context(), "acme"); err != nil || len(list) != 0 || next.ID == acme.ID {
		t.Errorf("the next of that name has %v, %v", list, err)
	}
	if keys, err := c.TenantKeys(t.Context(), "acme"); err != nil || len(keys) != 0 {
		t.Errorf("the next of that name has the keys %v, %v", keys, err)
	}
	if _, err := c.DeleteTenant(t.Context(), acme.ID); !errors.Is(err, workspace.ErrTenantNotFound) {
		t.Errorf("again: %v", err)
	}
	home, err := c.Tenant(t.Context(), workspace.DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteTenant(t.Context(), home.ID); !errors.Is(err, workspace.ErrRefused) {
		t.Errorf("the default tenant: %v", err)
	}
}

func TestRotateKey_LeavesTheOldOneAnOverlap(t *testing.T) {
	t.Parallel()
	c := open(t)
	grant := workspace.Grant{Tenant: "default", Permissions: workspace.Permissions(workspace.QueryRun)}
	old, new := sha256.Sum256([]byte("old")), sha256.Sum256([]byte("new"))
	if err := c.CreateKey(t.Context(), workspace.Key{ID: "old", Grant: grant, CreatedAt: moment1}, old); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	version := c.KeysVersion()
	if err := c.RotateKey(t.Context(), "old", workspace.Key{ID: "new", Grant: grant, CreatedAt: moment1}, new, until); err != nil {
		t.Fatal(err)
	}
	if k, err := c.KeyByHash(t.Context(), old); err != nil || !k.ExpiresAt.Equal(until) || c.KeysVersion() == version {
		t.Errorf("the old one: %+v %v", k, err)
	}
	if k, err := c.KeyByHash(t.Context(), new); err != nil || !k.ValidAt(until.Add(time.Hour)) {
		t.Errorf("the new one: %+v %v", k, err)
	}
	// A second rotation does not make the first one's end later.
	if err := c.RotateKey(t.Context(), "old", workspace.Key{ID: "third", Grant: grant, CreatedAt: moment1}, sha256.Sum256([]byte("third")), until.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if k, _ := c.KeyByHash(t.Context(), old); !k.ExpiresAt.Equal(until) {
		t.Errorf("the old one ends at %v, want %v", k.ExpiresAt, until)
	}
	if err := c.RevokeKey(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"old", "none"} {
		if err := c.RotateKey(t.Context(), id, workspace.Key{ID: "x", Grant: grant, CreatedAt: moment1}, sha256.Sum256([]byte("x")), until); !errors.Is(err, workspace.ErrKeyNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestAnswers_AreGivenOnceAndAgain(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, body, other := sha256.Sum256([]byte("id")), sha256.Sum256([]byte("body")), sha256.Sum256([]byte("other"))
	begin := func(hash [sha256.Size]byte, wantBegun bool, wantStatus int) {
		t.Helper()
		known, begun, err := c.BeginAnswer(t.Context(), id, hash)
		if err != nil || begun != wantBegun || known.Status != wantStatus {
			t.Errorf("got %+v, begun %v, %v", known, begun, err)
		}
	}
	begin(body, true, 0)
	begin(body, false, 0)
	if err := c.EndAnswer(t.Context(), id, workspace.Answer{}); err != nil { // it failed and may be tried again
		t.Fatal(err)
	}
	begin(body, true, 0)
	if err := c.EndAnswer(t.Context(), id, workspace.Answer{Status: 201, Body: []byte("made")}); err != nil {
		t.Fatal(err)
	}
	begin(body, false, 201)
	if _, begun, err := c.BeginAnswer(t.Context(), id, other); begun || !errors.Is(err, workspace.ErrRefused) {
		t.Errorf("another body: begun %v, %v", begun, err)
	}
}
