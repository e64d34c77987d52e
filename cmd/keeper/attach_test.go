package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// visitor is a router that another one's keeper has let in.
type visitor struct {
	*stage
	file  *os.File
	conn  *keeper.Conn
	inbox chan keeper.Message
}

// visit connects another router.
func (s *stage) visit(pid int) *visitor {
	s.Helper()
	ours, theirs := socketPair(s.T)
	v := &visitor{stage: s, file: ours, conn: keeper.NewConn(ours), inbox: make(chan keeper.Message, 100)}
	s.Cleanup(func() { ours.Close() })
	go func() {
		defer close(v.inbox)
		for {
			m, err := v.conn.Read()
			if err != nil {
				return
			}
			v.inbox <- m
		}
	}()
	session := newSession(theirs)
	session.pid = pid
	s.holder.post(func() { s.holder.greet(session) })
	return v
}

func (v *visitor) say(m keeper.Message) {
	v.Helper()
	if err := v.conn.Write(m); err != nil {
		v.Fatal(err)
	}
}

func (v *visitor) attach(keep time.Duration) {
	v.Helper()
	token, err := keeper.ReadToken(v.data)
	if err != nil {
		v.Fatal(err)
	}
	v.say(keeper.Message{Attach: &keeper.Attach{Keep: keep, Token: token}})
}

// hears gives the next message; ok is false at the end of the connection.
func (v *visitor) hears() (m keeper.Message, ok bool) {
	v.Helper()
	select {
	case m, ok = <-v.inbox:
		return m, ok
	case <-time.After(patience):
		v.Fatal("the keeper says nothing")
	}
	return m, false
}

// keep has the first router ask for its launches to be held.
func (s *stage) keep(d time.Duration) {
	s.Helper()
	s.command(keeper.Message{Attach: &keeper.Attach{Keep: d}})
}

func TestHolder_HoldsLaunchesForTheNextRouter(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.keep(time.Hour)
	root := s.start("aaaaaaaa", "gen-a")
	s.command(keeper.Message{Nonce: "n", Memo: &keeper.Memo{Launch: "aaaaaaaa", Text: json.RawMessage(`"told"`)}})
	s.command(keeper.Message{Nonce: "another", Memo: &keeper.Memo{Launch: "aaaaaaaa", Text: json.RawMessage(`"late"`)}})
	dead := s.start("bbbbbbbb", "gen-b")
	s.router.Close()
	s.eventually("the keeper knows that it is alone", func() bool { return s.asks(func(h *holder) bool { return h.alone != nil }) })
	s.machine.end(dead, 3<<8)
	s.eventually("the dead one's lock is free", func() bool { return !s.locked("gen-b") })
	if len(s.machine.signals(root)) > 0 || !s.locked("gen-a") {
		t.Error("a launch that is to be held was touched")
	}
	v := s.visit(77)
	v.attach(0)
	heard := map[string]keeper.Held{}
	for {
		m, ok := v.hears()
		if !ok || m.Hello != nil {
			break
		}
		if m.Held == nil {
			t.Fatalf("got %+v before hello, want what is held", m)
		}
		heard[m.Held.Launch] = *m.Held
	}
	if held := heard["aaaaaaaa"]; string(held.Memo) != `"told"` || held.PID != root.PID || held.SpawnedAt.IsZero() || held.Gone != nil || held.Exit != nil {
		t.Errorf("got %+v, want the launch that lives, with its memo", held)
	}
	if held := heard["bbbbbbbb"]; held.Gone == nil || held.Gone.Asked || held.Gone.Status.Code != 3 {
		t.Errorf("got %+v, want the launch that ended, with its exit", held)
	}
	// It has the session: its death counts, and it asked for nothing to be held.
	v.file.Close()
	s.eventually("the launch is stopped", func() bool { return len(s.machine.signals(root)) > 0 })
}

// asks has the owner answer.
func (s *stage) asks(question func(*holder) bool) bool {
	answer := make(chan bool, 1)
	s.holder.post(func() { answer <- question(s.holder) })
	select {
	case yes := <-answer:
		return yes
	case <-s.holder.quit:
		return false
	}
}

func TestHolder_TheEndOfKeepStopsInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.keep(20 * time.Millisecond)
	root := s.start("aaaaaaaa", "gen-a")
	s.router.Close()
	s.eventually("the launch is asked to end", func() bool { return len(s.machine.signals(root)) > 0 })
	v := s.visit(77)
	v.attach(time.Hour)
	if m, ok := v.hears(); !ok || m.Denied == nil || m.Denied.Reason != keeper.DenyEnding {
		t.Errorf("got %+v, want it denied, as the keeper ends", m)
	}
	s.machine.end(root, 0)
}

func TestHolder_NothingToHoldIsTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.keep(time.Hour)
	s.router.Close()
	select {
	case err := <-s.over:
		s.over <- err
	case <-time.After(patience):
		t.Error("the keeper stays with nothing to hold")
	}
}

func TestHolder_OneRouterHasTheSession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.start("aaaaaaaa", "gen-a")
	second := s.visit(77)
	second.attach(0)
	if m, _ := second.hears(); m.Denied == nil || m.Denied.Reason != keeper.DenyBusy {
		t.Errorf("got %+v, want it denied", m)
	}
	if _, open := second.hears(); open {
		t.Error("who is denied is still connected")
	}
	rude := s.visit(78)
	rude.say(keeper.Message{Shutdown: &keeper.Shutdown{}})
	if m, open := rude.hears(); open {
		t.Errorf("got %+v, want no answer to a command of somebody without the session", m)
	}
	s.start("bbbbbbbb", "gen-b") // it goes on
}

// A process of the right user that is no worker, as far as the kernel tells, is none of a router's either.
func TestHolder_WhoDoesNotKnowTheTokenIsToldNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	s.keep(time.Hour)
	s.start("aaaaaaaa", "gen-a")
	s.router.Close()
	s.eventually("the keeper knows that it is alone", func() bool { return s.asks(func(h *holder) bool { return h.alone != nil }) })
	known, err := keeper.ReadToken(s.data)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.data.KeeperToken())
	if err != nil || info.Mode() != 0o600 || len(known) != 64 {
		t.Errorf("the token has %d characters and mode %v (%v), want 64 and 0600", len(known), info.Mode(), err)
	}
	for name, token := range map[string]keeper.Token{"none": "", "a short one": known[:1], "another": keeper.Token(strings.Repeat("0", 64))} {
		v := s.visit(77)
		v.say(keeper.Message{Attach: &keeper.Attach{Token: token}})
		if m, open := v.hears(); open {
			t.Errorf("%s: got %+v, want the connection closed", name, m)
		}
	}
	v := s.visit(77)
	v.attach(0)
	if m, _ := v.hears(); m.Held == nil {
		t.Errorf("got %+v, want who knows the token to be told of the launch", m)
	}
}

// The launches of a router that is killed as soon as it has heard hello can be held.
func TestHolder_TheDoorIsOpenBeforeHello(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hello()
	if _, err := os.Stat(s.data.KeeperSocket()); err != nil {
		t.Error(err)
	}
	if !s.asks(func(h *holder) bool { return h.door != nil && h.open }) {
		t.Error("commands are taken, and the door is not open")
	}
}

func TestHolder_HandsTheSessionOver(t *testing.T) {
	t.Parallel()
	type scene struct {
		*stage
		next   *visitor
		root   proc.ID
		theirs proc.ID // started by the next router
	}
	set := func(t *testing.T) *scene {
		s := &scene{stage: newStage(t)}
		s.hello()
		s.root = s.start("aaaaaaaa", "gen-a")
		s.command(keeper.Message{Leave: &keeper.Leave{Leases: map[string]int{"aaaaaaaa": 2}, Within: time.Hour}})
		s.eventually("the offer is known", func() bool { return s.asks(func(h *holder) bool { return h.master.role == offering }) })
		s.next = s.visit(77)
		s.next.attach(0)
		if m := s.stage.next(); m.Taken == nil || m.Taken.PID != 77 {
			t.Fatalf("got %+v, want it taken by 77", m)
		}
		if m, _ := s.next.hears(); m.Held == nil || m.Held.Leases != 2 {
			t.Fatalf("got %+v, want the launch with two requests", m)
		}
		if m, _ := s.next.hears(); m.Hello == nil {
			t.Fatalf("got %+v, want hello", m)
		}
		command := s.startOf("bbbbbbbb", "gen-b")
		s.next.say(keeper.Message{Start: &command})
		m, _ := s.next.hears()
		if m.Spawned == nil {
			t.Fatalf("got %+v, want it spawned", m)
		}
		s.stage.next() // the leaving router hears of it, too
		s.theirs = proc.ID{PID: m.Spawned.PID, Start: m.Spawned.Start}
		s.next.say(keeper.Message{Nonce: "n", Stop: &keeper.Stop{Launch: "aaaaaaaa"}})
		s.eventually("the stop waits", func() bool { return s.asks(func(h *holder) bool { return h.launches["aaaaaaaa"].waits }) })
		return s
	}
	t.Run("a stop waits for the requests of the leaving router", func(t *testing.T) {
		t.Parallel()
		s := set(t)
		s.command(keeper.Message{Leases: &keeper.Leases{Launches: map[string]int{"aaaaaaaa": 1}}})
		want := &keeper.Elsewhere{Launches: map[string]int{"aaaaaaaa": 1}}
		if m, _ := s.next.hears(); cmp.Diff(want, m.Elsewhere) != "" {
			t.Errorf("got %+v, want %+v", m, want)
		}
		if len(s.machine.signals(s.root)) > 0 {
			t.Error("the launch was stopped under a request")
		}
		s.command(keeper.Message{Leases: &keeper.Leases{}})
		s.eventually("the launch is stopped", func() bool { return len(s.machine.signals(s.root)) > 0 })
	})
	t.Run("a leaving router that can is asked to take no request before a stop", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.hello()
		root := s.start("aaaaaaaa", "gen-a")
		s.command(keeper.Message{Leave: &keeper.Leave{Within: time.Hour, Yields: true}})
		s.eventually("the offer is known", func() bool { return s.asks(func(h *holder) bool { return h.master.role == offering }) })
		next := s.visit(77)
		next.attach(0)
		if m := s.next(); m.Taken == nil {
			t.Fatalf("got %+v, want it taken", m)
		}
		next.say(keeper.Message{Nonce: "n", Stop: &keeper.Stop{Launch: "aaaaaaaa"}})
		if m := s.next(); m.Yield == nil || m.Yield.Launch != "aaaaaaaa" {
			t.Fatalf("got %+v, want it asked to yield", m)
		}
		if len(s.machine.signals(root)) > 0 {
			t.Error("the launch was stopped without its word")
		}
		s.command(keeper.Message{Yielded: &keeper.Yielded{Launch: "aaaaaaaa", Launches: map[string]int{"aaaaaaaa": 1}}})
		s.eventually("its word is known", func() bool { return s.asks(func(h *holder) bool { return h.launches["aaaaaaaa"].yielded }) })
		if len(s.machine.signals(root)) > 0 {
			t.Error("the launch was stopped under the request that had come")
		}
		s.command(keeper.Message{Leases: &keeper.Leases{}})
		s.eventually("the launch is stopped", func() bool { return len(s.machine.signals(root)) > 0 })
	})
	t.Run("one that does not answer is not waited for", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.hello()
		root := s.start("aaaaaaaa", "gen-a")
		s.command(keeper.Message{Leave: &keeper.Leave{Within: time.Hour, Yields: true}})
		s.eventually("the offer is known", func() bool { return s.asks(func(h *holder) bool { return h.master.role == offering }) })
		next := s.visit(77)
		next.attach(0)
		next.say(keeper.Message{Nonce: "n", Stop: &keeper.Stop{Launch: "aaaaaaaa"}})
		s.eventually("the launch is stopped", func() bool { return len(s.machine.signals(root)) > 0 })
	})
	t.Run("the leaving router starts nothing, and a third waits", func(t *testing.T) {
		t.Parallel()
		s := set(t)
		command := s.startOf("cccccccc", "gen-c")
		s.command(keeper.Message{Start: &command})
		if m := s.stage.next(); m.Refused == nil {
			t.Errorf("got %+v, want it refused", m)
		}
		s.next.say(keeper.Message{Leave: &keeper.Leave{}})
		s.eventually("the offer is known", func() bool { return s.asks(func(h *holder) bool { return h.master.role == offering }) })
		third := s.visit(79)
		third.attach(0)
		if m, _ := third.hears(); m.Denied == nil || m.Denied.Reason != keeper.DenyBusy {
			t.Errorf("got %+v, want it denied while another is leaving", m)
		}
	})
	t.Run("the death of the next router gives it back", func(t *testing.T) {
		t.Parallel()
		s := set(t)
		s.next.file.Close()
		if m := s.stage.next(); m.Returned == nil {
			t.Fatalf("got %+v, want it returned", m)
		}
		s.eventually("what the other started is stopped", func() bool { return len(s.machine.signals(s.theirs)) > 0 })
		if s.asks(func(h *holder) bool { return h.launches["aaaaaaaa"].waits }) || len(s.machine.signals(s.root)) > 0 {
			t.Error("a stop of the dead router stands")
		}
		s.start("dddddddd", "gen-d")
	})
	t.Run("a release is for good", func(t *testing.T) {
		t.Parallel()
		s := set(t)
		s.command(keeper.Message{Release: &keeper.Release{}})
		s.eventually("the release is known", func() bool { return s.asks(func(h *holder) bool { return h.leaver.final }) })
		s.next.file.Close()
		s.eventually("all is stopped", func() bool { return len(s.machine.signals(s.root)) > 0 && len(s.machine.signals(s.theirs)) > 0 })
	})
}
