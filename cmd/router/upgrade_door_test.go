package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// newDoor is a door before a pool in which only "warm" runs; the others take a second to start.
func newDoor() *door {
	return &door{acquire: func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (*supervisor.Lease, error) {
		switch {
		case ref.Name == "warm":
			return &supervisor.Lease{}, nil
		case wish.Class == kind.Never:
			return nil, workspace.ErrCold
		}
		select {
		case <-time.After(time.Second):
			return &supervisor.Lease{}, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}}
}

// entering runs enter in a goroutine.
func entering(ctx context.Context, d *door, name workspace.Name, wish supervisor.Wish) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := d.enter(ctx, workspace.Ref{Name: name}, wish)
		done <- err
	}()
	return done
}

func answered(done <-chan error) bool {
	synctest.Wait()
	return len(done) > 0
}

func TestDoor_LetsTheWarmThroughAndHoldsTheCold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if done := entering(t.Context(), d, "warm", supervisor.Wish{}); !answered(done) || <-done != nil {
			t.Error("a request for a worker that runs was held up")
		}
		if done := entering(t.Context(), d, "cold", supervisor.Wish{Class: kind.Never}); !answered(done) || !errors.Is(<-done, workspace.ErrCold) {
			t.Error("a request that starts nothing was held up")
		}
		done := entering(t.Context(), d, "cold", supervisor.Wish{})
		if answered(done) {
			t.Fatalf("a request that starts a worker came through: %v", <-done)
		}
		d.open()
		if err := <-done; err != nil {
			t.Errorf("after the door was opened again: %v", err)
		}
	})
}

func TestDoor_SendsTheColdAwayForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		waiting := entering(t.Context(), d, "cold", supervisor.Wish{})
		synctest.Wait()
		d.lock()
		later := entering(t.Context(), d, "cold", supervisor.Wish{})
		for _, done := range []<-chan error{waiting, later} {
			if err := <-done; !errors.Is(err, workspace.ErrClosing) {
				t.Errorf("got %v, want ErrClosing", err)
			}
		}
		if err := <-entering(t.Context(), d, "warm", supervisor.Wish{}); err != nil {
			t.Errorf("a request for a worker that runs: %v", err)
		}
	})
}

func TestDoor_BoundsTheWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := <-entering(t.Context(), d, "cold", supervisor.Wish{Wait: 3 * time.Second}); !errors.Is(err, workspace.ErrClosing) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := entering(ctx, d, "cold", supervisor.Wish{})
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v for a client that left", err)
		}
	})
}

func TestS4_RequestsThatWaitedAtTheDoorAreCheckedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		revoked := errors.New("revoked")
		d := newDoor()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := entering(t.Context(), d, "cold", supervisor.Wish{Recheck: func(context.Context) error { return revoked }})
		synctest.Wait()
		d.open()
		if err := <-done; !errors.Is(err, revoked) {
			t.Errorf("got %v, want that it is refused", err)
		}
	})
}

func TestDoor_CountsItsWaitAsPartOfTheWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left time.Duration
		pool := d.acquire
		d.acquire = func(ctx context.Context, ref workspace.Ref, wish supervisor.Wish) (*supervisor.Lease, error) {
			left = wish.Wait
			return pool(ctx, ref, wish)
		}
		done := entering(t.Context(), d, "cold", supervisor.Wish{Wait: 10 * time.Second})
		synctest.Wait()
		<-time.After(9 * time.Second)
		d.open()
		if err := <-done; err != nil || left != time.Second {
			t.Errorf("after 9 s at the door the pool was given %v, want the last of 10: %v", left, err)
		}
	})
}

func TestDoor_ClosesWhenThoseBeforeHaveTheirAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		before := entering(t.Context(), d, "cold", supervisor.Wish{})
		synctest.Wait()
		if err := d.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !answered(before) || <-before != nil {
			t.Error("the door closed before a request that had come through was answered")
		}
		d.open()
		entering(t.Context(), d, "cold", supervisor.Wish{})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := d.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the time is over", err)
		}
	})
}
