package catalog

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

func wantPins(t *testing.T, c *Catalog, want ...workspace.Name) {
	t.Helper()
	list, err := c.Pins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []workspace.Name
	for _, ref := range list {
		if found, err := c.LookupGeneration(t.Context(), ref.Generation); err != nil || found.Ref != ref {
			t.Errorf("the pin of %+v is of %+v (%v)", ref, found.Ref, err)
		}
		got = append(got, ref.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pins (-want +got):\n%s", diff)
	}
}

func TestPins_AreKeptInTheOrderInWhichTheyWereSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	pin := func(c *Catalog, w workspace.Workspace, pinned bool) {
		t.Helper()
		if err := c.SetPinned(t.Context(), w.Generation, pinned); err != nil {
			t.Error(err)
		}
	}
	wantPins(t, c)
	first, second, third := create(t, c, "z"), create(t, c, "m"), create(t, c, "a")
	pin(c, first, true)
	pin(c, second, true)
	pin(c, third, true)
	pin(c, first, true) // keeps its time
	c.Close()
	c = openAt(t, path)
	wantPins(t, c, "z", "m", "a")
	pin(c, second, false)
	pin(c, second, false)
	wantPins(t, c, "z", "a")
}

func TestPins_EndWithTheirWorkspace(t *testing.T) {
	t.Parallel()
	c := open(t)
	w := create(t, c, "alpha")
	if err := c.SetPinned(t.Context(), w.Generation, true); err != nil {
		t.Fatal(err)
	}
	if err := c.MarkDeleted(t.Context(), w.Generation); err != nil {
		t.Fatal(err)
	}
	wantPins(t, c)
	again := create(t, c, "alpha")
	wantPins(t, c)
	for name, generation := range map[string]workspace.Generation{"deleted": w.Generation, "unknown": "no-such"} {
		for _, pinned := range []bool{true, false} {
			if err := c.SetPinned(t.Context(), generation, pinned); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("%s, pinned %v: %v, want ErrNotFound", name, pinned, err)
			}
		}
	}
	if err := c.SetPinned(t.Context(), again.Generation, true); err != nil {
		t.Error(err)
	}
	wantPins(t, c, "alpha")
}

func TestPins_OfManyAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	c := open(t)
	var made []workspace.Workspace
	for _, name := range []workspace.Name{"a", "b", "c", "d", "e", "f"} {
		made = append(made, create(t, c, name))
	}
	var all sync.WaitGroup
	for _, w := range made {
		all.Go(func() {
			if err := c.SetPinned(t.Context(), w.Generation, true); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := c.Pins(t.Context()); err != nil || len(list) != len(made) {
		t.Errorf("kept are %v (%v)", list, err)
	}
}

func TestPins_ACatalogThatIsClosedSaysSo(t *testing.T) {
	t.Parallel()
	c := open(t)
	w := create(t, c, "alpha")
	c.Close()
	if err := c.SetPinned(t.Context(), w.Generation, true); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("setting one: %v", err)
	}
	if _, err := c.Pins(t.Context()); !errors.Is(err, workspace.ErrCatalogUnavailable) {
		t.Errorf("listing them: %v", err)
	}
}

// While two versions run beside each other, the one before makes, finds and deletes workspaces by its own statements.
func TestSchema_TheVersionBeforeGoesOnWithIt(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, statement := range []string{
		`INSERT INTO workspaces (generation, tenant_id, name, name_fold, display_name, kind, worker_name, state, created_at)
			SELECT 'g', id, 'Old', 'old', 'Old', 'embedded', 'w', 'active', 1 FROM tenants WHERE true
			ON CONFLICT (tenant_id, name_fold) WHERE state <> 'deleted' DO NOTHING`,
		`UPDATE workspaces SET pinned_at = 1 WHERE generation = 'g'`, // this version
		`UPDATE workspaces SET state = 'deleted', deleted_at = COALESCE(deleted_at, 1) WHERE generation = 'g'`,
	} {
		if _, err := c.writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	wantPins(t, c)
}
