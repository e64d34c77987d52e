package supervisor

// State is what a workspace's slot is in. The names are part of the API.
type State string

// The states of a slot. Starting, ready, draining, stopping and quarantined count against Config.MaxWorkers (S2).
const (
	StateCold        State = "cold"
	StateStarting    State = "starting"
	StateReady       State = "ready"
	StateDraining    State = "draining" // takes no new lease; those that it has may end
	StateStopping    State = "stopping" // asked to stop, not yet proven gone
	StateFailed      State = "failed"   // backing off; when that is over, one trial start
	StateQuarantined State = "quarantined"
)

// States lists every state in the order in which a launch usually meets them.
func States() []State {
	return []State{StateCold, StateStarting, StateReady, StateDraining, StateStopping, StateFailed, StateQuarantined}
}

// live reports whether a worker may exist in this state.
func (s State) live() bool { return s != StateCold && s != StateFailed }

// Trigger is what can happen to a slot.
type Trigger string

// The triggers.
const (
	TriggerAdmit       Trigger = "admit"        // somebody wants it, and there is room
	TriggerAdopt       Trigger = "adopt"        // a worker of before is proven again
	TriggerDiscard     Trigger = "discard"      // a worker of before is not usable
	TriggerStarted     Trigger = "started"      // the Driver says ready and proven
	TriggerNotStarted  Trigger = "not_started"  // refused before the Driver was asked
	TriggerStartFailed Trigger = "start_failed" // nothing is left of it
	TriggerStartBroken Trigger = "start_broken" // failed, and a worker is left that must be stopped
	TriggerClose       Trigger = "close"        // no new lease, while there are leases
	TriggerStop        Trigger = "stop"         // no lease is left, or none is waited for
	TriggerGone        Trigger = "gone"         // proven gone
	TriggerCrashed     Trigger = "crashed"      // proven gone, and its end counts as a failure
	TriggerNotGone     Trigger = "not_gone"     // not proven gone in time
	TriggerReset       Trigger = "reset"        // the operator lifts the back-off
	TriggerLeave       Trigger = "leave"        // the worker goes on without this pool
)

// Triggers lists every trigger.
func Triggers() []Trigger {
	return []Trigger{
		TriggerAdmit, TriggerAdopt, TriggerDiscard, TriggerStarted, TriggerNotStarted, TriggerStartFailed,
		TriggerStartBroken, TriggerClose, TriggerStop, TriggerGone, TriggerCrashed, TriggerNotGone, TriggerReset,
		TriggerLeave,
	}
}

// Action is what the pool does when a slot takes a transition.
type Action string

// The actions.
const (
	ActionNone       Action = "none"
	ActionStart      Action = "start"      // ask the Driver for a worker
	ActionServe      Action = "serve"      // hand leases to the waiters, publish the launch
	ActionDrain      Action = "drain"      // unpublish it, wait for its leases
	ActionStop       Action = "stop"       // ask the worker to stop
	ActionCancel     Action = "cancel"     // end the start that is under way; what comes of it is stopped
	ActionAbandon    Action = "abandon"    // tell the waiters why the start failed, stop what is left
	ActionRefuse     Action = "refuse"     // tell the waiters, forget the launch
	ActionBackOff    Action = "back_off"   // tell the waiters, forget the launch, set the time of the next try
	ActionFree       Action = "free"       // forget the launch; whoever waits is admitted next
	ActionLeave      Action = "leave"      // forget the launch, whose worker runs on
	ActionQuarantine Action = "quarantine" // tell the waiters; keep trying to stop it
)

// Transition is one row of the state table.
type Transition struct {
	From   State
	On     Trigger
	To     State
	Action Action
}

// StateTable lists every legal transition. Documentation is drawn from it, and next reads nothing else.
func StateTable() []Transition {
	return []Transition{
		{StateCold, TriggerAdmit, StateStarting, ActionStart},
		{StateCold, TriggerAdopt, StateReady, ActionServe},
		{StateCold, TriggerDiscard, StateStopping, ActionStop},

		{StateStarting, TriggerStarted, StateReady, ActionServe},
		{StateStarting, TriggerNotStarted, StateCold, ActionRefuse},
		{StateStarting, TriggerStartFailed, StateFailed, ActionBackOff},
		{StateStarting, TriggerStartBroken, StateStopping, ActionAbandon},
		{StateStarting, TriggerStop, StateStopping, ActionCancel},
		{StateStarting, TriggerNotGone, StateQuarantined, ActionQuarantine}, // it hangs

		{StateReady, TriggerClose, StateDraining, ActionDrain},
		{StateReady, TriggerStop, StateStopping, ActionStop},
		{StateReady, TriggerGone, StateCold, ActionFree},
		{StateReady, TriggerCrashed, StateFailed, ActionBackOff},
		{StateReady, TriggerLeave, StateCold, ActionLeave},

		{StateDraining, TriggerStop, StateStopping, ActionStop},
		{StateDraining, TriggerGone, StateCold, ActionFree},
		{StateDraining, TriggerCrashed, StateFailed, ActionBackOff},
		{StateDraining, TriggerLeave, StateCold, ActionLeave},

		// A start that was cancelled ends here, in whichever way it does.
		{StateStopping, TriggerStarted, StateStopping, ActionStop},
		{StateStopping, TriggerStartBroken, StateStopping, ActionStop},
		{StateStopping, TriggerNotStarted, StateCold, ActionFree},
		{StateStopping, TriggerStartFailed, StateCold, ActionFree},
		{StateStopping, TriggerGone, StateCold, ActionFree},
		{StateStopping, TriggerCrashed, StateFailed, ActionBackOff},
		{StateStopping, TriggerNotGone, StateQuarantined, ActionQuarantine},

		{StateFailed, TriggerAdmit, StateStarting, ActionStart}, // half-open
		{StateFailed, TriggerReset, StateCold, ActionFree},

		{StateQuarantined, TriggerGone, StateCold, ActionFree},
		{StateQuarantined, TriggerCrashed, StateFailed, ActionBackOff},
		{StateQuarantined, TriggerNotGone, StateQuarantined, ActionNone},
		// A start that hung comes back.
		{StateQuarantined, TriggerStarted, StateStopping, ActionStop},
		{StateQuarantined, TriggerStartBroken, StateStopping, ActionStop},
		{StateQuarantined, TriggerNotStarted, StateCold, ActionFree},
		{StateQuarantined, TriggerStartFailed, StateCold, ActionFree},
	}
}

// stateTable is StateTable in the form that next reads.
type stateTable map[State]map[Trigger]Transition

func newStateTable() stateTable {
	table := stateTable{}
	for _, row := range StateTable() {
		if table[row.From] == nil {
			table[row.From] = map[Trigger]Transition{}
		}
		table[row.From][row.On] = row
	}
	return table
}

// next gives the state that follows and what is to be done; false where the trigger is illegal in that state.
func (t stateTable) next(from State, on Trigger) (State, Action, bool) {
	row, legal := t[from][on]
	if !legal {
		return from, ActionNone, false
	}
	return row.To, row.Action, true
}
