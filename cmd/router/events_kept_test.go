package main

import (
	"strings"
	"testing"
	"time"

	"workspace-router/internal/admin"
)

func TestEvents_TableNamesTheDay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printEvent(&out, admin.Event{Time: time.Date(2030, 5, 1, 23, 4, 5, 6e6, time.Local), Type: "stopping", Workspace: "acme", Reason: "room", For: "other"})
	if got, want := out.String(), "05-01 23:04:05.006  stopping "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
}
