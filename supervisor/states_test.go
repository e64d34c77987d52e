package supervisor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cells is every legal cell of the table, written down a second time and by hand: a change of the table is a change of
// a promise, and must be made twice.
var cells = map[State]map[Trigger][2]string{
	StateCold: {
		TriggerAdmit:   {"starting", "start"},
		TriggerAdopt:   {"ready", "serve"},
		TriggerDiscard: {"stopping", "stop"},
	},
	StateStarting: {
		TriggerStarted:     {"ready", "serve"},
		TriggerNotStarted:  {"cold", "refuse"},
		TriggerStartFailed: {"failed", "back_off"},
		TriggerStartBroken: {"stopping", "abandon"},
		TriggerStop:        {"stopping", "cancel"},
		TriggerNotGone:     {"quarantined", "quarantine"},
	},
	StateReady: {
		TriggerClose:   {"draining", "drain"},
		TriggerStop:    {"stopping", "stop"},
		TriggerGone:    {"cold", "free"},
		TriggerCrashed: {"failed", "back_off"},
		TriggerLeave:   {"cold", "leave"},
	},
	StateDraining: {
		TriggerStop:    {"stopping", "stop"},
		TriggerGone:    {"cold", "free"},
		TriggerCrashed: {"failed", "back_off"},
		TriggerLeave:   {"cold", "leave"},
	},
	StateStopping: {
		TriggerStarted:     {"stopping", "stop"},
		TriggerStartBroken: {"stopping", "stop"},
		TriggerNotStarted:  {"cold", "free"},
		TriggerStartFailed: {"cold", "free"},
		TriggerGone:        {"cold", "free"},
		TriggerCrashed:     {"failed", "back_off"},
		TriggerNotGone:     {"quarantined", "quarantine"},
	},
	StateFailed: {
		TriggerAdmit: {"starting", "start"},
		TriggerReset: {"cold", "free"},
	},
	StateQuarantined: {
		TriggerStarted:     {"stopping", "stop"},
		TriggerStartBroken: {"stopping", "stop"},
		TriggerNotStarted:  {"cold", "free"},
		TriggerStartFailed: {"cold", "free"},
		TriggerGone:        {"cold", "free"},
		TriggerCrashed:     {"failed", "back_off"},
		TriggerNotGone:     {"quarantined", "none"},
	},
}

// illegal is every other cell: what must never happen, because of why.
var illegal = map[State][]Trigger{
	// Nothing runs and nothing is asked for.
	StateCold: {
		TriggerStarted, TriggerNotStarted, TriggerStartFailed, TriggerStartBroken, TriggerClose, TriggerStop, TriggerGone,
		TriggerCrashed, TriggerNotGone, TriggerReset, TriggerLeave,
	},
	// It has no lease yet, and the Driver's Start still speaks for it.
	StateStarting: {TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerClose, TriggerGone, TriggerCrashed, TriggerReset, TriggerLeave},
	// One start for all (S4); nobody asked it to stop.
	StateReady: {
		TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerStarted, TriggerNotStarted, TriggerStartFailed, TriggerStartBroken,
		TriggerNotGone, TriggerReset,
	},
	// No successor before the proof (S1), and no way back (S6).
	StateDraining: {
		TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerStarted, TriggerNotStarted, TriggerStartFailed, TriggerStartBroken,
		TriggerClose, TriggerNotGone, TriggerReset,
	},
	StateStopping: {TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerClose, TriggerStop, TriggerReset, TriggerLeave},
	// Nothing runs.
	StateFailed: {
		TriggerAdopt, TriggerDiscard, TriggerStarted, TriggerNotStarted, TriggerStartFailed, TriggerStartBroken, TriggerClose,
		TriggerStop, TriggerGone, TriggerCrashed, TriggerNotGone, TriggerLeave,
	},
	// Nothing but the proof ends it, or the answer of a start that hung.
	StateQuarantined: {TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerClose, TriggerStop, TriggerReset, TriggerLeave},
}

func TestStateTable_EveryCell(t *testing.T) {
	t.Parallel()
	table := newStateTable()
	for _, from := range States() {
		for _, on := range Triggers() {
			to, action, legal := table.next(from, on)
			want, listed := cells[from][on]
			forbidden := false
			for _, other := range illegal[from] {
				forbidden = forbidden || other == on
			}
			switch {
			case listed == forbidden:
				t.Errorf("%s × %s: listed as legal: %v, as illegal: %v; want exactly one", from, on, listed, forbidden)
			case legal != listed:
				t.Errorf("%s × %s: legal is %v, want %v", from, on, legal, listed)
			case legal && (to != State(want[0]) || action != Action(want[1])):
				t.Errorf("%s × %s: got %s and %s, want %s and %s", from, on, to, action, want[0], want[1])
			case !legal && (to != from || action != ActionNone):
				t.Errorf("%s × %s: an illegal trigger moves to %s and does %s", from, on, to, action)
			}
		}
	}
}

func TestStateTable_HasNoRowTwiceAndNoForeignWord(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, row := range newStateTable() {
		rows += len(row)
	}
	if rows != len(StateTable()) {
		t.Errorf("%d rows make %d cells", len(StateTable()), rows)
	}
	known := map[State]bool{}
	for _, s := range States() {
		known[s] = true
	}
	for _, row := range StateTable() {
		if !known[row.From] || !known[row.To] {
			t.Errorf("%v names a state that States does not", row)
		}
	}
}

// TestStateTable_WhatThePromisesNeed reads the promises off the table.
func TestStateTable_WhatThePromisesNeed(t *testing.T) {
	t.Parallel()
	proofs := map[Trigger]bool{TriggerGone: true, TriggerCrashed: true, TriggerNotStarted: true, TriggerStartFailed: true}
	started := map[State][]State{}
	for _, row := range StateTable() {
		if row.Action == ActionStart {
			started[row.To] = append(started[row.To], row.From)
		}
		if row.From == StateQuarantined && row.To != StateQuarantined && row.To != StateStopping && !proofs[row.On] {
			t.Errorf("S1: %v leaves quarantine without proof", row)
		}
		if (row.From == StateDraining || row.From == StateStopping) && (row.To == StateReady || row.Action == ActionServe) {
			t.Errorf("S6: %v takes leases again", row)
		}
	}
	want := map[State][]State{StateStarting: {StateCold, StateFailed}}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Errorf("S1: a start begins from another state than cold or failed (-want +got):\n%s", diff)
	}
}

// TestStateTable_EveryStateCanEnd looks whether from each state there is a way back to cold.
func TestStateTable_EveryStateCanEnd(t *testing.T) {
	t.Parallel()
	reach := map[State]bool{StateCold: true}
	for range States() {
		for _, row := range StateTable() {
			if reach[row.To] {
				reach[row.From] = true
			}
		}
	}
	for _, s := range States() {
		if !reach[s] {
			t.Errorf("from %s there is no way to cold", s)
		}
	}
}
