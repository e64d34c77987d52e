package catalog

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

// Two routers share the catalog for a moment while one follows the other: what one of them takes away, the other one
// does not remember for longer than a second.
func TestRun_ForgetsWhatAnotherProcessChanged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	here, there := openAt(t, path), openAt(t, path)
	w := create(t, here, "alpha")
	home, err := here.Tenant(t.Context(), workspace.DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	if err := here.CreateKey(t.Context(), workspace.Key{ID: "k", Grant: workspace.Grant{AllTenants: true}, CreatedAt: moment1}, sha256.Sum256([]byte("k"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, changes := make(chan error, 1), make(chan struct{}, 100)
	go func() { ended <- there.Run(ctx, func() { changes <- struct{}{} }) }()
	look := func() workspace.Workspace {
		t.Helper()
		found, err := there.LookupGeneration(t.Context(), w.Generation)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	<-changes // it looks for the first time
	await := func(what string, done func() bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for !done() {
			select {
			case <-changes:
			case <-deadline:
				t.Fatalf("%s is not seen", what)
			}
		}
	}
	no := false
	look() // it is remembered
	if _, err := here.ChangeTenant(t.Context(), home.ID, workspace.Change{Active: &no}); err != nil {
		t.Fatal(err)
	}
	await("the suspension", func() bool { return look().Suspended })
	version := there.KeysVersion()
	if err := here.RevokeKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	await("the revocation", func() bool { return there.KeysVersion() != version })
	if err := here.MarkDeleted(t.Context(), w.Generation); err != nil {
		t.Fatal(err)
	}
	await("the deletion", func() bool { return look().State == workspace.StateDeleted })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
