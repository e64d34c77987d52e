package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"workspace-router/internal/admin"
	"workspace-router/internal/testkit"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
	"workspace-router/supervisor/journal"
)

// A client that comes back after days goes on where it was: the files first, then what happens.
func TestFollow_GoesFromTheFilesOnToWhatHappens(t *testing.T) {
	t.Parallel()
	kept, err := journal.New(journal.Config{Dir: t.TempDir(), Keep: time.Hour, FileSize: 2 << 10, TotalSize: 1 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	limits := supervisor.Defaults()
	limits.EventBuffer = 8
	pool, err := supervisor.New(limits, supervisor.Deps{
		Driver: noDriver{}, Ownership: supervisor.Local{}, Archive: kept,
		Describe: func(context.Context, workspace.Ref) (supervisor.Spec, error) {
			return supervisor.Spec{}, errors.New("not known")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, ended := pool.SinceStart(), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- kept.Run(ctx, own) }()
	defer func() {
		cancel()
		<-ended
	}()
	happened := uint64(0)
	happen := func(n int) {
		for range n {
			pool.Note(supervisor.EventConfigReloaded, "test", "")
			happened++
			testkit.Eventually(t, "it is written", func() error {
				list, err := kept.Read(supervisor.EventQuery{After: happened - 1, Before: happened + 1, Limit: 1})
				if err == nil && len(list) == 0 {
					return errors.New("it is not")
				}
				return err
			})
		}
	}
	happen(40)
	var got, want []uint64
	enough := errors.New("enough")
	err = operations{pool: pool}.Follow(ctx, 10, func(event admin.Event) error {
		got = append(got, event.ID)
		switch event.ID {
		case 15, 45:
			happen(30) // while it is read
		case 100:
			return enough
		}
		return nil
	})
	for id := uint64(11); id <= 100; id++ {
		want = append(want, id)
	}
	if !errors.Is(err, enough) || !slices.Equal(got, want) {
		t.Errorf("Follow: %v, got the ids %v, want those from 11 to 100, each once", err, got)
	}
}
