package main

import (
	"testing"
	"time"

	"workspace-router/configs"
	"workspace-router/internal/workspace"
)

func TestIdleTimeout_OfTheWorkspaceGoesBeforeItsKinds(t *testing.T) {
	t.Parallel()
	long, never := time.Hour, time.Duration(0)
	l := &live{config: configs.Config{Kind: map[string]configs.KindOverrides{"long": {IdleTimeout: &long}, "never": {IdleTimeout: &never}, "none": {}}}}
	for _, tc := range []struct {
		kind string
		own  time.Duration
		want time.Duration
		of   string
	}{
		{"none", 0, 0, ""},
		{"unknown", 0, 0, ""},
		{"long", 0, time.Hour, "kind"},
		{"never", 0, -1, "kind"},
		{"long", time.Minute, time.Minute, "workspace"},
		{"long", -1, -1, "workspace"},
		{"never", time.Minute, time.Minute, "workspace"},
	} {
		got, of := l.idleTimeout(&workspace.Workspace{Kind: tc.kind, IdleTimeout: tc.own})
		if got != tc.want || of != tc.of {
			t.Errorf("%s with its own %v: got %v of %q, want %v of %q", tc.kind, tc.own, got, of, tc.want, tc.of)
		}
	}
}
