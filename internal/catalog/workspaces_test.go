package catalog

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"workspace-router/internal/workspace"
)

// create makes a workspace that must be new.
func create(tb testing.TB, c *Catalog, name workspace.Name) workspace.Workspace {
	tb.Helper()
	w, created, err := c.Create(tb.Context(), NewWorkspace{Tenant: "default", Name: name, Kind: "embedded"})
	if err != nil || !created {
		tb.Fatalf("cannot make %q: created %v, %v", name, created, err)
	}
	return w
}

func TestCreate_GivesAWorkspaceOfItsOwn(t *testing.T) {
	t.Parallel()
	c, began := open(t), time.Now().Add(-time.Second)
	got := create(t, c, "Alpha")
	if len(got.Generation) != 36 || got.Generation != workspace.Generation(strings.ToLower(string(got.Generation))) {
		t.Errorf("the generation %q is no UUID in its canonical form", got.Generation)
	}
	if got.CreatedAt.Before(began) || got.CreatedAt.After(time.Now()) {
		t.Errorf("it was made at %v", got.CreatedAt)
	}
	want := workspace.Workspace{
		Ref: workspace.Ref{Tenant: "default", Name: "Alpha", Generation: got.Generation}, DisplayName: "Alpha", Kind: "embedded",
		WorkerName: got.Generation.WorkerName(), State: workspace.StateActive, Revision: 1, CreatedAt: got.CreatedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	adopted, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "default", Name: "old", DisplayName: "Old data", Kind: "embedded", WorkerName: "default"})
	if err != nil || adopted.WorkerName != "default" || adopted.DisplayName != "Old data" {
		t.Errorf("adopted data: %+v, %v", adopted, err)
	}
}

func TestCreate_Refuses(t *testing.T) {
	t.Parallel()
	c := open(t)
	if _, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "default", Name: "not a name", Kind: "embedded"}); !errors.Is(err, workspace.ErrNameInvalid) {
		t.Errorf("an invalid name: %v", err)
	}
	if _, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "nobody", Name: "alpha", Kind: "embedded"}); !errors.Is(err, workspace.ErrTenantNotFound) {
		t.Errorf("an unknown tenant: %v", err)
	}
}

func TestCreate_ManyMakersOfOneNameGetOneWorkspace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "catalog.db")
	catalogs := []*Catalog{openAt(t, path), openAt(t, path)} // as two processes would
	var makers sync.WaitGroup
	var makes atomic.Int64
	var generations sync.Map
	for i := range 16 {
		makers.Go(func() {
			name := workspace.Name([]string{"alpha", "ALPHA", "Alpha"}[i%3])
			w, created, err := catalogs[i%2].Create(t.Context(), NewWorkspace{Tenant: "default", Name: name, Kind: "embedded"})
			if err != nil {
				t.Errorf("maker %d: %v", i, err)
			}
			if created {
				makes.Add(1)
			}
			generations.Store(w.Generation, true)
		})
	}
	makers.Wait()
	count := 0
	generations.Range(func(any, any) bool { count++; return true })
	if makes.Load() != 1 || count != 1 {
		t.Errorf("%d made it and %d generations were given, want 1 and 1", makes.Load(), count)
	}
}

func TestLookup_IgnoresCaseAndKeepsTenantsApart(t *testing.T) {
	t.Parallel()
	c := open(t)
	if _, err := c.EnsureTenant(t.Context(), "Acme"); err != nil {
		t.Fatal(err)
	}
	mine := create(t, c, "Alpha")
	theirs, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "acme", Name: "alpha", Kind: "embedded"})
	if err != nil || theirs.Tenant != "Acme" {
		t.Fatalf("the other tenant's: %+v, %v", theirs, err)
	}
	cases := map[string]struct {
		tenant, name workspace.Name
		want         workspace.Workspace
		err          error
	}{
		"as it is written":    {"default", "Alpha", mine, nil},
		"in another case":     {"DEFAULT", "aLPHA", mine, nil},
		"of another tenant":   {"acme", "ALPHA", theirs, nil},
		"unknown":             {"default", "beta", workspace.Workspace{}, workspace.ErrNotFound},
		"of an unknown owner": {"nobody", "alpha", workspace.Workspace{}, workspace.ErrNotFound},
		"no pattern":          {"default", "%", workspace.Workspace{}, workspace.ErrNotFound},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, from := range []string{"the database", "the cache"} {
				got, err := c.Lookup(t.Context(), tc.tenant, tc.name)
				if got != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("from %s: %+v, %v; want %+v, %v", from, got, err, tc.want, tc.err)
				}
			}
		})
	}
	for range 2 {
		if got, err := c.LookupGeneration(t.Context(), theirs.Generation); err != nil || got != theirs {
			t.Errorf("by generation: %+v, %v", got, err)
		}
		if _, err := c.LookupGeneration(t.Context(), "no such"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("an unknown generation: %v", err)
		}
	}
}

func TestMarkDeleted_FreesTheNameAndKeepsTheGeneration(t *testing.T) {
	t.Parallel()
	c := open(t)
	first := create(t, c, "alpha")
	if _, err := c.Lookup(t.Context(), "default", "ALPHA"); err != nil { // into the cache under another spelling
		t.Fatal(err)
	}
	for range 2 { // again changes nothing
		if err := c.MarkDeleted(t.Context(), first.Generation); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []workspace.Name{"alpha", "ALPHA"} {
		if got, err := c.Lookup(t.Context(), "default", name); err != nil || got.State != workspace.StateDeleted {
			t.Errorf("%s: %+v, %v; want the deleted one", name, got, err)
		}
	}
	if list, err := c.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("the list is %v, %v; want none", list, err)
	}
	second := create(t, c, "Alpha")
	if second.Generation == first.Generation {
		t.Error("the name came back with its old generation")
	}
	if got, err := c.Lookup(t.Context(), "default", "alpha"); err != nil || got != second {
		t.Errorf("the name gives %+v, %v; want the new one", got, err)
	}
	if got, err := c.LookupGeneration(t.Context(), first.Generation); err != nil || got.State != workspace.StateDeleted {
		t.Errorf("the old generation gives %+v, %v; want the deleted one", got, err)
	}
	if err := c.MarkDeleted(t.Context(), second.Generation); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Lookup(t.Context(), "default", "alpha"); err != nil || got.Generation != second.Generation {
		t.Errorf("of two deleted ones the name gives %+v, %v; want the last", got, err)
	}
	if err := c.MarkDeleted(t.Context(), "no such"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an unknown generation: %v", err)
	}
}

func TestList_IsInOrder(t *testing.T) {
	t.Parallel()
	c := open(t)
	if _, err := c.EnsureTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []workspace.Name{"beta", "Alpha", "gamma"} {
		create(t, c, name)
	}
	if _, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "acme", Name: "zeta", Kind: "embedded"}); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[workspace.Name][]string{
		"": {"acme.zeta", "Alpha", "beta", "gamma"}, "default": {"Alpha", "beta", "gamma"}, "ACME": {"acme.zeta"}, "nobody": nil,
	} {
		list, err := c.List(t.Context(), tenant)
		var got []string
		for _, w := range list {
			got = append(got, w.String())
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil || list == nil {
			t.Errorf("of tenant %q, %v (-want +got):\n%s", tenant, err, diff)
		}
	}
}

func TestSchema_HoldsTheInvariantsByItself(t *testing.T) {
	t.Parallel()
	c := open(t)
	alpha := create(t, c, "alpha")
	for what, statement := range map[string]string{
		"a name twice": `INSERT INTO workspaces SELECT 'other', tenant_id, name, name_fold, display_name, kind, worker_name, state, created_at, NULL
			FROM workspaces WHERE generation = '` + string(alpha.Generation) + `'`,
		"a workspace without a tenant": `INSERT INTO workspaces VALUES ('other', 'nobody', 'b', 'b', 'b', 'k', 'w', 'active', 0, NULL)`,
		"a tenant twice":               `INSERT INTO tenants VALUES ('x', 'DEFAULT', 'default', '', 1, 0)`,
		"a key without a scope":        `INSERT INTO keys (id, prefix, hash, name, all_tenants, all_workspaces, permissions, created_at) VALUES ('k', 'p', x'00', 'n', 0, 1, '', 0)`,
		"a key of no workspace":        `INSERT INTO key_workspaces VALUES ('k', 'g')`,
	} {
		if _, err := c.writer.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

// What a reader saw before a change must not be remembered after it: the reader's own fill comes too late.
func TestResolver_DropsAFillThatAChangeOvertook(t *testing.T) {
	t.Parallel()
	r, err := newResolver(8)
	if err != nil {
		t.Fatal(err)
	}
	key := nameKey{"default", "alpha"}
	old := &workspace.Workspace{Ref: workspace.Ref{Tenant: "default", Name: "alpha", Generation: "1"}}
	version := r.begin()
	r.forget() // the change commits while the reader has its answer in hand
	r.fillName(version, key, old)
	r.fillName(version, nameKey{"default", "beta"}, nil)
	r.fillGeneration(version, old)
	if _, _, hit := r.name(key); hit {
		t.Error("a stale workspace is remembered")
	}
	if _, _, hit := r.name(nameKey{"default", "beta"}); hit {
		t.Error("a stale absence is remembered")
	}
	if _, hit := r.generation("1"); hit {
		t.Error("a stale generation is remembered")
	}
}

func TestLookup_IsNeverStaleForItsOwnChanges(t *testing.T) {
	t.Parallel()
	c := open(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := c.Lookup(t.Context(), "default", "alpha"); err != nil && !errors.Is(err, workspace.ErrNotFound) {
						t.Errorf("a look-up: %v", err)
						return
					}
				}
			}
		})
	}
	for range 25 {
		w := create(t, c, "alpha")
		if got, err := c.Lookup(t.Context(), "default", "alpha"); err != nil || got != w {
			t.Errorf("after making it: %+v, %v", got, err)
		}
		if err := c.MarkDeleted(t.Context(), w.Generation); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Lookup(t.Context(), "default", "alpha"); err != nil || got.State != workspace.StateDeleted || got.Generation != w.Generation {
			t.Errorf("after deleting it: %+v, %v", got, err)
		}
	}
	close(stop)
	readers.Wait()
}

// fill registers n workspaces in one transaction.
func fill(tb testing.TB, c *Catalog, n int) {
	tb.Helper()
	tenant, err := c.Tenant(tb.Context(), "default")
	if err != nil {
		tb.Fatal(err)
	}
	err = c.update(tb.Context(), "fill", nil, func(tx *sql.Tx) error {
		for i := range n {
			if _, err := insertWorkspace(tb.Context(), tx, tenant.ID, NewWorkspace{Name: workspace.Name(fmt.Sprintf("workspace-%05d", i)), Kind: "embedded"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkLookup(b *testing.B) {
	c := open(b)
	fill(b, c, 10_000)
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Lookup(b.Context(), "default", "workspace-05000"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Lookup(b.Context(), "default", "no-such"); !errors.Is(err, workspace.ErrNotFound) {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			c.resolved.forget()
			if _, err := c.Lookup(b.Context(), "default", "workspace-05000"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list of 10000", func(b *testing.B) {
		for b.Loop() {
			if list, err := c.List(b.Context(), ""); err != nil || len(list) != 10_000 {
				b.Fatal(len(list), err)
			}
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	c := open(b)
	i := 0
	for b.Loop() {
		i++
		create(b, c, workspace.Name(fmt.Sprintf("w%d", i)))
	}
}

// S11: a registered workspace costs a row, and where it was asked for a place in the cache.
func TestResolver_TenThousandWorkspacesAreCheap(t *testing.T) {
	heap := func() uint64 { // not parallel: it measures
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r, err := newResolver(defaultCacheSize)
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		g := workspace.Generation(uuid.NewString())
		name := workspace.Name("a-name-of-usual-length-" + g[:8])
		w := &workspace.Workspace{
			Ref: workspace.Ref{Tenant: "default", Name: name, Generation: g}, DisplayName: string(name), Kind: "embedded",
			WorkerName: g.WorkerName(), State: workspace.StateActive,
		}
		r.fillName(r.begin(), nameKey{"default", name}, w)
		r.fillGeneration(r.begin(), w)
	}
	const bound = 15 << 20
	if grown := int64(heap()) - int64(before); grown > bound {
		t.Errorf("10,000 workspaces that were asked for take %d bytes, want at most %d", grown, bound)
	}
	if r.names.Len() != 10_000 || r.generations.Len() != 10_000 {
		t.Errorf("%d names and %d generations are remembered", r.names.Len(), r.generations.Len())
	}
}

// Of a commit that fails nobody knows whether it took effect: what is remembered of names must not outlive it.
func TestResolver_ForgetsAtCommitsThatFail(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Catalog, workspace.Generation) error{
		"INSERT ON workspaces": func(c *Catalog, _ workspace.Generation) error {
			_, _, err := c.Create(t.Context(), NewWorkspace{Tenant: "default", Name: "beta", Kind: "embedded"})
			return err
		},
		"UPDATE ON workspaces": func(c *Catalog, g workspace.Generation) error { return c.MarkDeleted(t.Context(), g) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			alpha := create(t, c, "alpha")
			failCommits(t, c, name)
			before := c.resolved.begin()
			if err := change(c, alpha.Generation); !errors.Is(err, workspace.ErrCatalogUnavailable) || c.resolved.begin() == before {
				t.Errorf("got %v and the version %d, want an error and not %d", err, c.resolved.begin(), before)
			}
		})
	}
}
