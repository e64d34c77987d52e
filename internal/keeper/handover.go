package keeper

import (
	"encoding/json"
	"time"

	"workspace-router/internal/keeper/sandbox"
)

// Attach is a router's first word to the keeper. Over the keeper's socket it asks for the session, and Held…, Hello or
// Denied is the answer; the router that started the keeper has the session already.
type Attach struct {
	// Keep is for how long, in nanoseconds, the keeper holds the launches when it has lost its router without a Shutdown,
	// so that the next router may take them over. With 0 it stops them at once.
	Keep time.Duration `json:"keep,omitempty"`
	// Token is the content of KeeperToken. Over the keeper's socket nothing is said to who does not know it.
	Token Token `json:"token,omitempty"`
}

// Memo replaces a launch's memo.
type Memo struct {
	Launch string          `json:"launch"`
	Text   json.RawMessage `json:"text"`
}

// Leave offers the session to the next router that attaches. Until one does, it can be taken back with Stay. The
// router starts and stops nothing meanwhile.
type Leave struct {
	// Leases says how many requests this router still has on each launch, by launch; one that is not named has none.
	Leases map[string]int `json:"leases,omitempty"`
	// Within is how long they may take, in nanoseconds from Taken; what is left then counts as done.
	Within time.Duration `json:"within"`
	// Yields says that this router answers Yield.
	Yields bool `json:"yields,omitempty"`
}

// Stay takes an offer back. The answer is Stayed, or it crosses with Taken and comes too late.
type Stay struct{}

// Stayed says that the router has the session still, and that no other can take it.
type Stayed struct{}

// Leases replaces what Leave said. It is all that a router may say when another has the session, but for Yielded and Release.
type Leases struct {
	Launches map[string]int `json:"launches,omitempty"`
}

// Yield asks a leaving router to take no new request for a launch that the other router wants stopped. A request that is
// there before it counts; the stop waits for it.
type Yield struct {
	Launch string `json:"launch"`
}

// Yielded says that none comes any more, and replaces what Leave said as Leases does.
type Yielded struct {
	Launch   string         `json:"launch"`
	Launches map[string]int `json:"launches,omitempty"`
}

// Release says that the leaving router does not take the session back, whatever becomes of the other.
type Release struct{}

// DenyReason says why a router does not get the session.
type DenyReason string

// The reasons.
const (
	DenyBusy   DenyReason = "busy"   // another router has it; ask again
	DenyEnding DenyReason = "ending" // the keeper is stopping its launches; the next keeper waits for it
)

// Denied answers Attach, and ends the connection.
type Denied struct {
	Reason DenyReason `json:"reason"`
	PID    int        `json:"pid"` // of the router that has the session, or of the keeper that ends
}

// Held is a launch of a router before, told before Hello: one that lives, or one that has ended while no router was
// there. Message.Nonce is the launch's.
type Held struct {
	Launch     string          `json:"launch"`
	Generation string          `json:"generation"`
	Workspace  string          `json:"workspace"`
	PID        int             `json:"pid"`
	Start      uint64          `json:"start"`
	LockedAt   time.Time       `json:"locked_at"`
	SpawnedAt  time.Time       `json:"spawned_at"`
	Isolation  sandbox.Result  `json:"isolation"`
	Group      string          `json:"group,omitempty"`
	Memo       json.RawMessage `json:"memo,omitempty"`

	Exit     *Status `json:"exit,omitempty"`     // its root process has ended, and what it left is being killed
	Stopping bool    `json:"stopping,omitempty"` // a stop is under way
	Gone     *Gone   `json:"gone,omitempty"`     // nothing is left of it
	Leases   int     `json:"leases,omitempty"`   // requests of a router that is leaving
}

// Taken tells the router that offered it that another one has the session now.
type Taken struct {
	PID int `json:"pid"`
}

// Returned tells a leaving router that the other has died and that the session is its own again. What the other had
// started is being stopped.
type Returned struct{}

// Elsewhere tells the router that has the session how many requests a leaving one still has on each launch. A launch
// that is not named has none. While it has some, a Stop without Force waits.
type Elsewhere struct {
	Launches map[string]int `json:"launches,omitempty"`
}
