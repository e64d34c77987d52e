package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// stage is an upgrader whose surroundings are the test's, and what came of it.
type stage struct {
	*upgrader
	mu   sync.Mutex // guards what follows
	told []string   // to the service manager
	said []string   // events
}

// newStage is an upgrader whose new router is a shell script. The pipes are those of a real one: it reads from 7 and
// writes to 8.
func newStage(t *testing.T, script string) *stage {
	t.Helper()
	sockets := &listeners{data: newGate(t), operator: newGate(t), local: newGate(t)}
	lock, err := os.Create(t.TempDir() + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	program := t.TempDir() + "/router"
	// A child that is forked beside this would hold the file open for writing for a moment, and it could not be executed.
	syscall.ForkLock.RLock()
	err = os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{}
	var heir *successor
	st.upgrader = &upgrader{
		program: program, log: zap.NewNop(), taken: make(chan struct{}), listeners: sockets,
		tell:  func(state string) { st.record(&st.told, strings.SplitN(state, "\n", 2)[0]) },
		note:  func(of supervisor.EventType, _, detail string) { st.record(&st.said, string(of)+": "+detail) },
		ready: func(context.Context) error { return nil }, before: func(context.Context) int { return 0 },
		begin: func() (_ *successor, err error) {
			heir, err = startSuccessor(program, sockets, lock)
			return heir, err
		},
		door:  &door{acquire: func(context.Context, workspace.Ref, supervisor.Wish) (*supervisor.Lease, error) { return nil, nil }},
		still: func(context.Context) (func(), error) { return func() {}, nil }, claim: func() error { return nil },
		session: session{
			handOver: func(context.Context) error { return nil }, release: func() error { return nil },
			returned: func() <-chan struct{} { return heir.ended },
		},
	}
	return st
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (st *stage) record(list *[]string, text string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	*list = append(*list, text)
}

const (
	obeys    = "echo prepared >&8; read word <&7; echo serving >&8; exec sleep 100\n"
	isSilent = "echo prepared >&8; read word <&7; exec sleep 100\n"
)

func TestUpgrader_GivesWay(t *testing.T) {
	t.Parallel()
	st := newStage(t, obeys)
	if err := st.attempt(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.heir.kill)
	if !st.door.gone || st.listeners.data.held == nil {
		t.Error("this router still takes connections, or starts workers")
	}
	if want := "RELOADING=1 MAINPID="; !strings.HasPrefix(strings.Join(st.told, " "), want) {
		t.Errorf("the service manager was told %q, want %q", st.told, want)
	}
}

func TestUpgrader_GoesOnWhereTheNewOneFails(t *testing.T) {
	t.Parallel()
	soon := errors.New("over")
	for name, test := range map[string]struct {
		script string
		change func(*upgrader)
		want   string
	}{
		"it says why":                  {script: `echo 'failed "no such address"' >&8; exit 1` + "\n", want: "no such address"},
		"it ends":                      {script: "exit 3\n", want: "it ended: exit status 3"},
		"it ends well, without a word": {script: "exit 0\n", want: "it ended by itself"},
		"it says something else":       {script: "echo serving >&8; exec sleep 100\n", want: `it said "serving", want "prepared"`},
		"it dies when it goes ahead":   {script: "echo prepared >&8; read word <&7; kill -9 $$\n", want: "signal: killed"},
		"the workers come back while it lives": {script: isSilent, want: "this router's again", change: func(u *upgrader) {
			u.session.returned = closedChannel
		}},
		"it dies before it takes anything": {script: "echo prepared >&8; read word <&7; kill -9 $$\n", want: "signal: killed", change: func(u *upgrader) {
			u.session.handOver = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			u.session.returned = nil
		}},
		"a worker does not come to rest": {script: obeys, want: "over", change: func(u *upgrader) {
			u.still = func(context.Context) (func(), error) { return nil, soon }
		}},
		"the session cannot be handed over": {script: obeys, want: "over", change: func(u *upgrader) {
			u.session.handOver = func(context.Context) error { return soon }
		}},
		"it dies at the last moment": {script: obeys, want: "over", change: func(u *upgrader) {
			u.session.release = func() error { return soon }
		}},
		"it cannot be started":      {script: obeys, want: "over", change: func(u *upgrader) { u.begin = func() (*successor, error) { return nil, soon } }},
		"this one is not ready":     {script: obeys, want: "over", change: func(u *upgrader) { u.ready = func(context.Context) error { return soon } }},
		"the one before is leaving": {script: obeys, want: "process 12", change: func(u *upgrader) { u.before = func(context.Context) int { return 12 } }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, test.script)
			if test.change != nil {
				test.change(st.upgrader)
			}
			if err := st.attempt(t.Context()); err == nil || errors.Is(err, errLost) {
				t.Fatalf("got %v", err)
			}
			if len(st.said) != 1 || !strings.HasPrefix(st.said[0], "upgrade_failed: ") || !strings.Contains(st.said[0], test.want) {
				t.Errorf("the events are %q, want one with %q", st.said, test.want)
			}
			if st.door.shut.Load() || st.listeners.data.held != nil {
				t.Error("this router does not go on")
			}
			if want := "RELOADING=1 READY=1"; strings.Join(st.told, " ") != want {
				t.Errorf("the service manager was told %q, want %q", st.told, want)
			}
		})
	}
}

func TestUpgrader_TakesTheUpgradeBackWhenThisRouterIsToEnd(t *testing.T) {
	t.Parallel()
	st := newStage(t, isSilent)
	ctx, cancel := context.WithCancelCause(t.Context())
	st.session.returned = func() <-chan struct{} { // it has been handed over
		cancel(errors.New("SIGTERM"))
		return closedChannel()
	}
	if err := st.attempt(ctx); err == nil || !strings.Contains(err.Error(), "SIGTERM") {
		t.Errorf("got %v", err)
	}
}

func TestUpgrader_IsToldWhenTheWorkersAreLost(t *testing.T) {
	t.Parallel()
	if err := takeBack(make(chan struct{}), time.Millisecond); !errors.Is(err, errLost) {
		t.Errorf("got %v, want errLost", err)
	}
}

func TestUpgrader_RefusesASecondOne(t *testing.T) {
	t.Parallel()
	st := newStage(t, obeys)
	asked, going, proceed := make(chan os.Signal), make(chan struct{}), make(chan struct{})
	st.asked = asked
	st.still = func(context.Context) (func(), error) {
		close(going) // a second attempt would close it again
		<-proceed
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	asked <- os.Interrupt
	<-going
	asked <- os.Interrupt // is taken, and refused
	close(proceed)
	<-st.taken
	st.heir.kill()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOwnProgram_IsThePathThatItWasCalledBy(t *testing.T) {
	t.Parallel()
	got, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	want, err := exec.LookPath(os.Args[0])
	if err != nil || got != want {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
}
