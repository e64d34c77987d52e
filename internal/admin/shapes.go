package admin

import (
	"fmt"
	"slices"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// Worker is one worker as the API shows it. The names are part of the API.
type Worker struct {
	Ref         workspace.Ref `json:"-"`
	Workspace   string        `json:"workspace"`
	Tenant      string        `json:"tenant"`
	Kind        string        `json:"kind"`
	State       string        `json:"state"`
	PID         int           `json:"pid"`
	Launch      string        `json:"launch"`
	StartedAt   *time.Time    `json:"started_at"`
	ReadyMS     float64       `json:"ready_ms"`
	Leases      int           `json:"leases"`
	IdleSeconds float64       `json:"idle_seconds"`
	Busy        bool          `json:"busy"`
	Pinned      bool          `json:"pinned"`
	Oversized   bool          `json:"oversized,omitempty"` // it takes more than all workers may, and goes as soon as it is at rest
	PSSBytes    int64         `json:"pss_bytes"`
	FDs         int           `json:"fds"`
	Requests    uint64        `json:"requests"`
	Node        string        `json:"node"`
	Isolation   string        `json:"isolation,omitempty"` // by what it is kept from others, and what is missing; for people
	// Work that the workspace's worker before left unfinished, what it gave up, and what becomes of both.
	Leftovers       int    `json:"leftovers,omitempty"`
	FailedLeftovers int    `json:"failed_leftovers,omitempty"`
	Resume          string `json:"resume,omitempty"` // "off", "waiting", "resuming", "resumed", "refused", "fatal"
	// Of a workspace that is backing off after failed starts.
	Failure           string  `json:"failure,omitempty"`
	Failures          int     `json:"failures,omitempty"`
	RetryAfterSeconds float64 `json:"retry_after_seconds,omitempty"`
}

// Explanation says why a worker is where it is.
type Explanation struct {
	Workspace  string   `json:"workspace"`
	Tenant     string   `json:"tenant"`
	State      string   `json:"state"`
	Sentences  []string `json:"sentences"` // for people, in order of time
	NextVictim string   `json:"next_victim,omitempty"`
}

// Event is one thing that the pool did. Ref is of the workspace that it happened to; an event of the router as a whole
// has none.
type Event struct {
	Ref       workspace.Ref      `json:"-"`
	ID        uint64             `json:"id"`
	Time      time.Time          `json:"time"`
	Type      string             `json:"type"`
	Workspace string             `json:"workspace,omitempty"`
	Tenant    string             `json:"tenant,omitempty"`
	Kind      string             `json:"kind,omitempty"`
	Launch    string             `json:"launch,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	For       string             `json:"for,omitempty"`  // the workspace that needed the room
	Next      string             `json:"next,omitempty"` // the workspace that would have been stopped next
	Detail    string             `json:"detail,omitempty"`
	IdleMS    float64            `json:"idle_ms,omitempty"`
	PhasesMS  map[string]float64 `json:"phases_ms,omitempty"`
	Count     int                `json:"count,omitempty"`
}

// Workspace is one workspace as the operator API shows it.
type Workspace struct {
	Workspace   string    `json:"workspace"`
	Tenant      string    `json:"tenant"`
	Generation  string    `json:"generation"`
	DisplayName string    `json:"display_name"`
	Kind        string    `json:"kind"`
	WorkerName  string    `json:"worker_name"`
	State       string    `json:"state"`
	IdleTimeout string    `json:"idle_timeout,omitempty"` // "10m0s"; "0s" is never, none is as its kind says
	Resume      string    `json:"resume,omitempty"`       // "off", "pending", "all"; none is as its kind is configured
	Host        string    `json:"host"`                   // below the base domain; without a port
	CreatedAt   time.Time `json:"created_at"`
}

func (a *Admin) shape(w workspace.Workspace) Workspace {
	shown := Workspace{
		Workspace: string(w.Name), Tenant: string(w.Tenant), Generation: string(w.Generation), DisplayName: w.DisplayName,
		Kind: w.Kind, WorkerName: w.WorkerName, State: string(w.State), Resume: w.Resume, Host: a.Host(w.Ref), CreatedAt: w.CreatedAt,
	}
	if w.IdleTimeout != 0 {
		shown.IdleTimeout = max(0, w.IdleTimeout).String()
	}
	return shown
}

// parseIdleTimeout reads the field of a request, in the words of workspace.Workspace.
func parseIdleTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	switch timeout, err := time.ParseDuration(text); {
	case err != nil || timeout < 0 || timeout > 0 && timeout < time.Millisecond:
		return 0, fmt.Errorf("%w: idle_timeout: got %q, want a duration such as 10m, or 0s for never", problem.ErrBadRequest, text)
	case timeout == 0:
		return -1, nil
	default:
		return timeout, nil
	}
}

// parseResume reads the field of a request for a workspace of the kind, in the words of workspace.Workspace.
func (k Kinds) parseResume(text, of string) (string, error) {
	policy := kind.Resume(text)
	switch {
	case text == "":
	case !slices.Contains(kind.Resumes(), policy):
		return "", fmt.Errorf("%w: resume: got %q, want off, pending or all", problem.ErrBadRequest, text)
	case policy != kind.ResumeOff && !slices.Contains(k.Resumable, of):
		return "", fmt.Errorf("%w: resume: got %q, but workers of the kind %q cannot be told to go on with what was left unfinished", problem.ErrBadRequest, text, of)
	}
	return text, nil
}

// Listed is one entry of /workspaces, in the words of LightRAG's planned API. Workspace is what the header
// LIGHTRAG-WORKSPACE takes, Host where browsers find the workspace, on the port of the listener.
type Listed struct {
	Workspace      string    `json:"workspace"`
	WorkspaceName  string    `json:"workspace_name"`
	LifecycleState string    `json:"lifecycle_state"`
	OllamaTag      string    `json:"ollama_tag"`
	Host           string    `json:"host"`
	Loaded         bool      `json:"loaded"`
	CreatedAt      time.Time `json:"created_at"`
}

// Identity is the answer of whoami.
type Identity struct {
	Type   string  `json:"type"`
	ID     string  `json:"id"`
	Grants []Scope `json:"grants"`
}

// Scope is one grant of a principal.
type Scope struct {
	Tenant      string   `json:"tenant"`     // "*" for all
	Workspaces  []string `json:"workspaces"` // generations; null for all
	Permissions []string `json:"permissions"`
}
