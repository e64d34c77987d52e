package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/workspace"
)

func TestPlaces_AreThoseThatTheWorkspaceWasMadeWith(t *testing.T) {
	t.Parallel()
	c := open(t)
	places := map[string]string{"storage": "/srv/storage", "inputs": "/srv/inputs"}
	adopted, created, err := c.Create(t.Context(), NewWorkspace{Tenant: workspace.DefaultTenant, Name: "old", Kind: "k", Places: places})
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if adopted.WorkerName != "" {
		t.Errorf("its worker is called %q, want no name, as before", adopted.WorkerName)
	}
	plain, _, err := c.Create(t.Context(), NewWorkspace{Tenant: workspace.DefaultTenant, Name: "new", Kind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	// Who comes second changes nothing.
	if _, created, err := c.Create(t.Context(), NewWorkspace{Tenant: workspace.DefaultTenant, Name: "NEW", Kind: "k", Places: places}); err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	for generation, want := range map[workspace.Generation]map[string]string{adopted.Generation: places, plain.Generation: nil} {
		got, err := c.Places(t.Context(), generation)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the places (-want +got):\n%s", diff)
		}
	}
}
