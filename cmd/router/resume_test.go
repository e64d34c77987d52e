package main

import (
	"slices"
	"testing"

	"workspace-router/configs"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

func TestResume_OfTheWorkspaceGoesBeforeItsKinds(t *testing.T) {
	t.Parallel()
	l := &live{config: configs.Config{Kind: map[string]configs.KindOverrides{"all": {Resume: kind.ResumeAll}, "none": {}}}}
	for _, tc := range []struct {
		kind, own string
		want      kind.Resume
	}{
		{"none", "", kind.ResumeOff},
		{"unknown", "", kind.ResumeOff},
		{"all", "", kind.ResumeAll},
		{"all", "off", kind.ResumeOff},
		{"none", "pending", kind.ResumePending},
	} {
		if got := l.resume(&workspace.Workspace{Kind: tc.kind, Resume: tc.own}); got != tc.want {
			t.Errorf("%s with its own %q: got %q, want %q", tc.kind, tc.own, got, tc.want)
		}
	}
}

func TestResumable_AreKindsWithARequestForIt(t *testing.T) {
	t.Parallel()
	shipped, err := configs.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if got := resumable(shipped); !slices.Equal(got, []string{"lightrag"}) {
		t.Errorf("got %q, want lightrag alone", got)
	}
}
